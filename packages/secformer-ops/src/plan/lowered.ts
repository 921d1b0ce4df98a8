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
  /** nodes that public tensors multiply next */
  readonly carried: ReadonlySet<number>;
  readonly #nodes: Lowered[] = [];

  constructor(emitter: Emitter, graph: Graph, suite: Suite, carried: ReadonlySet<number>) {
    this.emitter = emitter;
    this.graph = graph;
    this.suite = suite;
    this.carried = carried;
  }

  /** whether a public tensor multiplies the node that is lowered now next */
  get isCarried(): boolean {
    return this.carried.has(this.current);
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

  /** The value of a node that is a public tensor. */
  public(i: number): number | undefined {
    const n = this.#nodes[i]!;
    if (!('value' in n) || n.value === undefined || this.emitter.type(n.value).kind !== 'public') return undefined;
    return n.value;
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
    if (t.kind === 'public') return e.emit('sharePublic', [n.value]);
    return t.kind === 'opened' ? e.emit('unwrap', [n.value]) : n.value;
  }
}
