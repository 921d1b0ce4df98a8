import { SecformerError } from '@secformer/ring';
import type { Graph } from '../graph/graph.js';
import { bucketsFor, CHOICES, placed } from '../instruction/buckets.js';

/**
 * What a client's indices become: one-hot rows as wide as the table has rows, or the two small matrices of a lookup in
 * buckets.
 */
export interface IndexBinding {
  kind: 'oneHot';
  slot: number;
  /** rows of the table */
  depth: number;
  part: 'rows' | 'hits' | 'places';
  /** of the assignment of rows to buckets */
  salt: number;
}

/** How many times fewer words a lookup in buckets has to have. */
const GAIN = 4;

/**
 * Nodes of one-hot rows that are looked up in buckets: those that only multiply tables, where it has far fewer words to
 * mask and to multiply.
 */
export function inBuckets(graph: Graph): Set<number> {
  const chosen = new Set<number>();
  graph.nodes.forEach((n, i) => {
    if (n.op !== 'oneHot') return;
    const [count, depth] = n.shape as [number, number];
    if (n.shape.length === 2 && GAIN * (CHOICES * depth + count * bucketsFor(count)) <= count * depth) chosen.add(i);
  });
  for (const o of graph.outputs) chosen.delete(o);
  for (const n of graph.nodes) {
    const lookup = n.op === 'matMul' && !n.transposeA && !n.transposeB && graph.nodes[n.in[1]!]!.shape.length === 2;
    n.in.forEach((v, at) => {
      if (!lookup || at > 0) chosen.delete(v);
    });
  }
  return chosen;
}

/**
 * Where the ones are in the matrix that indices are bound to, row after row.
 * @throws SecformerError where an index is outside the table
 */
export function onesOf({ depth, part, salt }: IndexBinding, indices: Int32Array): Int32Array {
  const outside = indices.find((index) => !(index >= 0 && index < depth));
  if (outside !== undefined) throw new SecformerError('INPUT_REFUSED', `index ${outside} in a table of ${depth} rows`);
  return part === 'rows' ? indices.map((index, row) => row * depth + index) : placed(indices, depth, salt)[part];
}
