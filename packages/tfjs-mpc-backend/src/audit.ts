/**
 * What the nodes see of a read, for comparison: it must be the same for all values of what is not public.
 *
 *   import { whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
 */
import { SecformerError } from '@secformer/ring';
import { checkProgram, type Graph, type Program, plan, suiteOf, writtenTensor } from '@secformer/secformer-ops';
import { backend, type Tensor } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import { compiledFor } from './reads.js';

/** All of a read that follows from what was recorded. Numbers of tensors and runs, and a session's salt, come to it. */
export interface Visible {
  /** what was recorded and rewritten; the program is made of it */
  graph: Graph;
  /** what all three nodes are sent, under the salt 0 */
  program: Program;
  /** SHA-256 of the program's text, as the nodes compare it */
  hash: string;
  /** types of the tensors that are shared for it */
  writes: { shape: readonly number[]; fracBits: number }[];
}

/**
 * What the nodes would see of reading `t`; nothing is computed, nothing is sent.
 * @throws SecformerError where some of it stayed at the nodes after an earlier read
 */
export function whatNodesSee(t: Tensor): Visible {
  const { job, sources } = compiledFor((backend() as SecformerBackend).node(t));
  const { graph, slots, revealed, kept, ranges, suite, watched } = job;
  const writes = new Map([...sources].map(([tensor, source]) => [tensor, source()]));
  const states = slots.map((slot) => {
    if ('indices' in slot) return writtenTensor;
    const write = writes.get(slot.tensor);
    if (!write)
      throw new SecformerError(
        'NOT_PLAIN',
        'a tensor of this graph is known to the nodes alone; look at it before the first read',
      );
    return { ...writtenTensor, fracBits: write.fracBits };
  });
  const outputs = kept.map((k) => k.output);
  const { program } = plan(graph, suiteOf(suite), states, revealed, outputs, ranges, 0, watched);
  const hash = Array.from(checkProgram(program).hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { graph, program, hash, writes: [...writes.values()].map(({ shape, fracBits }) => ({ shape, fracBits })) };
}
