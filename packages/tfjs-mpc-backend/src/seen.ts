/** What the nodes see of a read, in two steps: what their program is planned of, and the program. */
import { SecformerError } from '@secformer/ring';
import {
  checkProgram,
  type Graph,
  type InputState,
  type NodeRanges,
  type Program,
  plan,
  suiteOf,
  writtenTensor,
} from '@secformer/secformer-ops';
import { backend, type Tensor } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import { compiledFor } from './reads.js';

/** All that the planner is given for a read, and the types of what is shared for it. */
export interface Planned {
  graph: Graph;
  suite: string;
  states: readonly InputState[];
  revealed: readonly number[];
  /** outputs that stay at the nodes */
  kept: readonly number[];
  ranges: NodeRanges | undefined;
  watched: boolean | undefined;
  writes: { shape: readonly number[]; fracBits: number }[];
}

/** All of a read that follows from what was recorded. Numbers of tensors and runs, and a session's salt, come to it. */
export interface Visible {
  /** what was recorded and rewritten; the program is made of it */
  graph: Graph;
  /** what all three nodes are sent, under the salt 0 */
  program: Program;
  /** SHA-256 of the program's text, as the nodes compare it */
  hash: string;
  /** types of the tensors that are shared for it */
  writes: Planned['writes'];
}

/** @throws SecformerError where some of it stayed at the nodes after an earlier read */
export function plannedOf(t: Tensor): Planned {
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
  return {
    graph,
    suite,
    states,
    revealed,
    kept: kept.map((k) => k.output),
    ranges,
    watched,
    writes: [...writes.values()].map(({ shape, fracBits }) => ({ shape, fracBits })),
  };
}

export function seenOf({ graph, suite, states, revealed, kept, ranges, watched, writes }: Planned): Visible {
  const { program } = plan(graph, suiteOf(suite), states, revealed, kept, ranges, 0, watched);
  const hash = Array.from(checkProgram(program).hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { graph, program, hash, writes };
}
