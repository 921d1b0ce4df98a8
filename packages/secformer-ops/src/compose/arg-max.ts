import { lessThan } from './bits.js';
import type { Emitter } from './emitter.js';

/**
 * Maximum over the last axis at full resolution, and where it is: a tournament two by two that carries value and index.
 *
 *   each level: open d = a − b (masked, 4 bytes), bit = [d < 0], open it; value a − bit·d, index i + bit·(j − i)
 *
 * Exact; ties go to the lower index, for neighbours are paired. Domain that of x: a difference of two values has a bit
 * more, unless none of them is below 0. Cost 4 rounds a level.
 * View   differences under masks of their own. Source protocols section 5.
 * @param notNegative no value is below 0
 */
export function maxWithIndex(
  e: Emitter,
  x: number,
  wantIndex: boolean,
  notNegative = false,
): { max: number; index: number | undefined } {
  const { shape } = e.share(x);
  const n = shape.at(-1)!;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const out = [...shape.slice(0, -1), 1];
  let value = e.axisFirst(e.reshape(e.wide(x), [rows, n]), 1);
  const { magnitude } = e.share(value);
  let index = wantIndex
    ? e.broadcast(
        e.constantShare(
          Array.from({ length: n }, (_, i) => i),
          [n, 1],
          0,
        ),
        [n, rows],
      )
    : undefined;
  let left = n;
  while (left > 1) {
    const pairs = Math.floor(left / 2);
    const part = (v: number, from: number) => e.slice(v, [from, 0], [pairs, rows], [2, 1]);
    const rest = (v: number) => e.slice(v, [left - 1, 0], [1, rows]);
    const difference = e.factor(e.reach.whole(part(value, 0), part(value, 1), notNegative));
    const { width } = e.opened(difference);
    const bit = e.emit('openBits', [lessThan(e, difference, 0, width, [0])]);
    const join = (v: number, best: number) => (left % 2 ? e.concat([best, rest(v)], 0) : best);
    value = join(value, e.claim(e.sub(part(value, 0), e.emit('bitMultiply', [bit, difference])), magnitude));
    if (index !== undefined) {
      const step = e.factor(e.sub(part(index, 1), part(index, 0)));
      index = join(index, e.add(part(index, 0), e.emit('bitMultiply', [bit, step])));
    }
    left = pairs + (left % 2);
  }
  return { max: e.reshape(value, out), index: index === undefined ? undefined : e.reshape(index, out) };
}
