import type { Emitter } from '../compose/emitter.js';
import type { Graph } from '../graph/graph.js';
import type { Shape } from '../program/types.js';

/** An operation of a graph whose values are watched for leaving the domain of its protocol. */
export interface Watched {
  op: string;
  shape: Shape;
  /** its number in the graph */
  node: number;
}

/**
 * Emits a digest of what is watched of each operation.
 * @param origin of each node of the graph its number in the one that was asked for
 */
export function digests(e: Emitter, { nodes }: Graph, origin: readonly number[]): { value: number; check: Watched }[] {
  return (e.watch?.operations ?? []).map(([at, bits]) => {
    const { op, shape } = nodes[at]!;
    e.builder.tag = op;
    return { value: e.emit('digest', bits), check: { op, shape, node: origin[at]! } };
  });
}
