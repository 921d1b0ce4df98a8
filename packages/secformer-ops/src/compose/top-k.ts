import { intervals, lessThan } from './bits.js';
import type { Emitter } from './emitter.js';

/**
 * The k largest of every row of the last axis, in order, and where they are; ties go to the lower index.
 *
 *   1. b_ij = [x_i < x_j], or [x_i ≤ x_j] where j < i, for all pairs; the rank of i is Σ_j b_ij            4 to 5
 *   rounds
 *   2. open the ranks; one-hot over the first k places                                                      3 rounds
 *   3. Σ_i [rank_i = p]·x_i and Σ_i [rank_i = p]·i                                                          local
 *
 * Exact. Domain the default range, k ≤ 64. Cost n² comparisons a row of n in constant rounds: meant for the scores of a
 * classifier.
 * View   openings under masks of their own.
 */
export function topK(e: Emitter, x: number, k: number): { values: number; indices: number } {
  const { shape } = e.share(x);
  const n = shape.at(-1)!;
  const lead = shape.slice(0, -1);
  const rows = lead.reduce((a, b) => a * b, 1);
  const value = e.reshape(e.wide(x), [rows, n]);
  const t = e.share(value);
  const square = [rows, n, n];
  const difference = e.sub(
    e.broadcast(e.reshape(value, [rows, n, 1]), square),
    e.broadcast(e.reshape(value, [rows, 1, n]), square),
  );
  // A unit less makes "less" of "equal" where j comes first; nothing is below itself
  const unit = 2 ** -t.fracBits;
  const ties = Array.from({ length: n * n }, (_, at) => (at % n < Math.floor(at / n) ? -unit : 0));
  // Compared alone: right for what differences of two values reach
  const compared = e.unwatched(() =>
    e.lifted(e.add(difference, e.constantShare(ties, [n, n], t.fracBits)), t.fracBits),
  );
  const less = e.emit('openBits', [lessThan(e, compared, 0, e.opened(compared).width, [0])]);
  const ranks = e.reshape(e.sum(e.emit('bitValue', [less], { bits: 64 }), [2]), [rows, n]);
  const width = Math.max(Math.ceil(Math.log2(n)), Math.ceil(Math.log2(k + 1))) + 2;
  const opened = e.emit('open', [ranks], {
    shift: 0,
    width,
    offsetLog: -1,
    share: 'modular',
    bits: width,
    within: [0, n],
  });
  const places = intervals(
    e,
    opened,
    0,
    width,
    Array.from({ length: k }, (_, i) => i + 1),
    0,
    k,
  );
  const first = (products: number) =>
    e.reshape(e.transpose(e.reshape(e.sum(products, [e.share(products).shape.length - 1]), [k, rows]), [1, 0]), [
      ...lead,
      k,
    ]);
  const along = (v: number) => (k === 1 ? e.reshape(v, [1, rows, n]) : v);
  const hits = along(e.emit('bitValue', [places], { bits: 64 }));
  const indices = e.emit('mulPublic', [hits], {
    constant: e.builder.constant(
      Array.from({ length: n }, (_, i) => i),
      0,
    ),
    shape: [n],
    constantBits: 0,
    magnitude: Math.ceil(Math.log2(n + 1)),
  });
  return { values: first(along(e.emit('bitMultiply', [places, e.factor(value)]))), indices: first(indices) };
}
