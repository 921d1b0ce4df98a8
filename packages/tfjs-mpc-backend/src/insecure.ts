/**
 * What opens secrets on purpose, on this machine, to study a model on inputs that may be seen. Nothing here talks to a
 * node.
 *
 *   import { shadowRevealingEverything } from '@secformer/tfjs-mpc-backend/insecure';
 */
import { encodeFixed, loadKernels, type Words } from '@secformer/ring';
import {
  checkProgram,
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
  const fracBits = slots.map((s) => ('indices' in s ? 0 : compiled.sources.get(s.tensor)!().fracBits));
  const states = slots.map((_, i) => ({ ...writtenTensor, fracBits: fracBits[i]! }));
  const plain = plainInputs(compiled);
  const planned = plan(graph, suiteOf(suite), states, revealed, [], ranges);
  const checked = checkProgram(planned.program);
  const kernels = await loadKernels();
  const inputs = planned.bindings.map((b): Words | Int32Array => {
    const { slot } = b;
    return b.kind === 'oneHot'
      ? onesOf(b, Int32Array.from(plain[slot]!))
      : encodeFixed(kernels, Float32Array.from(plain[slot]!), fracBits[slot]!, writtenTensor.magnitude);
  });
  const { violation, compared } = await shadow(kernels, checked, inputs);
  return { violation, compared, instructions: checked.program.instructions.length };
}
