/** A graph's nodes as they have been lowered so far: what the lowering of the next one reads. */
import type { Emitter } from '../compose/emitter.js';
import { FRAC_BITS } from '../compose/formats.js';
import { normalise, type Unnormalised } from '../compose/softmax.js';
import type { Graph } from '../graph/graph.js';
import type { Shape } from '../instruction/types.js';
import type { Suite } from '../suites/suite.js';

/** A value of the Program; weights of attention that are not divided by their sum yet; or public numbers. */
export type Lowered = { value: number } | { soft: Unnormalised; value?: number } | { constant: number[] };

/** The nodes of a graph that have been lowered, by their numbers. */
export class LoweredNodes {
  readonly emitter: Emitter;
  readonly graph: Graph;
  readonly suite: Suite;
  readonly #nodes: Lowered[] = [];

  constructor(emitter: Emitter, graph: Graph, suite: Suite) {
    this.emitter = emitter;
    this.graph = graph;
    this.suite = suite;
  }

  /** the node that is lowered now, by its number */
  get current(): number {
    return this.#nodes.length;
  }

  push(lowered: Lowered): void {
    this.#nodes.push(lowered);
  }

  at(i: number): Lowered {
    return this.#nodes[i]!;
  }

  /** The public numbers of a node that is a constant. */
  constant(i: number): number[] | undefined {
    const n = this.#nodes[i]!;
    return 'constant' in n ? n.constant : undefined;
  }

  shapeOf(i: number): Shape {
    return this.graph.nodes[i]!.shape;
  }

  /** A node's value as a share. */
  share(i: number): number {
    const e = this.emitter;
    const n = this.#nodes[i]!;
    if ('constant' in n) return e.constantShare(n.constant, this.shapeOf(i), FRAC_BITS);
    if ('soft' in n) {
      n.value ??= normalise(e, n.soft);
      return n.value;
    }
    const t = e.type(n.value);
    return t.kind === 'opened' ? e.emit('unwrap', [n.value]) : n.value;
  }
}
