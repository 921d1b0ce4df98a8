/**
 * What the nodes see of a read, for comparison: it must be the same for all values of what is not public.
 *
 *   import { whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
 */
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
import { stateOf } from './written-state.js';

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
export class Visible {
  /** what the program is planned of, which is done when it is asked for: where this is the same, the program is */
  readonly planned: Planned;
  #program: Program | undefined;

  constructor(planned: Planned) {
    this.planned = planned;
  }

  /** what was recorded and rewritten; the program is made of it */
  get graph(): Graph {
    return this.planned.graph;
  }

  /** types of the tensors that are shared for it */
  get writes(): Planned['writes'] {
    return this.planned.writes;
  }

  /** what all three nodes are sent, under the salt 0 */
  get program(): Program {
    if (!this.#program) {
      const { graph, suite, states, revealed, kept, ranges, watched } = this.planned;
      this.#program = plan(graph, suiteOf(suite), states, revealed, kept, ranges, {
        watched: watched === true,
      }).program;
    }
    return this.#program;
  }

  /** SHA-256 of the program's text, as the nodes compare it */
  get hash(): string {
    return Array.from(checkProgram(this.program).hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
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
    return stateOf(write);
  });
  return new Visible({
    graph,
    suite,
    states,
    revealed,
    kept: kept.map((k) => k.output),
    ranges,
    watched,
    writes: [...writes.values()].map(({ shape, fracBits }) => ({ shape, fracBits })),
  });
}
