/**
 * What opens secrets on purpose, on this machine, to study a model on inputs that may be seen. Nothing here talks to a
 * node.
 *
 *   import { shadowRevealingEverything } from '@secformer/tfjs-mpc-backend/insecure';
 */
import { encodeFixed, loadKernels, type Words } from '@secformer/ring';
import {
  checkProgram,
  encodePublic,
  type InputState,
  onesOf,
  plan,
  type ShadowReport,
  shadowRevealingEverything as shadow,
  suiteOf,
  writtenTensor,
} from '@secformer/secformer-ops';
import { backend, type Tensor } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import { plainInputs } from './plaintext.js';
import { compiledFor } from './reads.js';

/**
 * Computes `t` with both parties and the dealer in this process and compares every instruction with its plaintext.
 * @returns the first instruction whose error or range passes its bar, if any
 */
export async function shadowRevealingEverything(
  t: Tensor,
): Promise<Pick<ShadowReport, 'violation' | 'compared'> & { instructions: number }> {
  const compiled = compiledFor((backend() as SecformerBackend).node(t));
  const { graph, slots, revealed, ranges, suite } = compiled.job;
  const kernels = await loadKernels();
  const plain = plainInputs(compiled);
  const given = slots.map((s, i): { state: InputState; words: () => Words } => {
    const write = 'indices' in s ? undefined : compiled.sources.get(s.tensor)!();
    const values = () => Float32Array.from(plain[i]!);
    if (write?.known) {
      const { words, fracBits, magnitude } = encodePublic(kernels, write.values, 'a public tensor');
      return { state: { fracBits, magnitude, bits: 64, stored: [], digest: '0'.repeat(64) }, words: () => words };
    }
    const state = { ...writtenTensor, fracBits: write?.fracBits ?? 0 };
    return { state, words: () => encodeFixed(kernels, values(), state.fracBits, state.magnitude) };
  });
  const states = given.map(({ state }) => state);
  const planned = plan(graph, suiteOf(suite), states, revealed, [], ranges);
  const checked = checkProgram(planned.program);
  const inputs = planned.bindings.map((b): Words | Int32Array => {
    const { slot } = b;
    return b.kind === 'oneHot' ? onesOf(b, Int32Array.from(plain[slot]!)) : given[slot]!.words();
  });
  const { violation, compared } = await shadow(kernels, checked, inputs);
  return { violation, compared, instructions: checked.program.instructions.length };
}
