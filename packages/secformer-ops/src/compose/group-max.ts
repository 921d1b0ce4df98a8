/** The distance of every value of a row to the row's largest, by all pairs in groups, or two by two. */
import { check } from '../instruction/types.js';
import { lessThan } from './bits.js';
import type { Emitter } from './emitter.js';

/** Groups on the way, whose winner takes no opening of losses; and the most members of the last one. */
const GROUP = 4;
const MOST = 32;

/** Members of the groups of each level: fours, until all pairs of what is left are no more than the row is long. */
export function groupsOf(n: number): number[] {
  const out: number[] = [];
  let left = n;
  while (left > GROUP && (left > MOST || (left * (left - 1)) / 2 > n)) {
    out.push(GROUP);
    left = Math.ceil(left / GROUP);
  }
  return left > 1 ? [...out, left] : out;
}

/** The same two by two: fewest comparisons, and most rounds. */
export const pairsOf = (n: number): number[] => Array<number>(Math.ceil(Math.log2(n))).fill(2);

/** [a < b] of opened integers, opened. */
function lessOpened(e: Emitter, a: number, b: number): number {
  const { width, magnitude } = e.opened(a);
  const difference = e.emit('subOpened', [a, b], { magnitude: magnitude + 1 });
  return e.emit('openBits', [lessThan(e, difference, 0, width, [0], { wide: true })]);
}

/** One level two by two: rows [R, n] of opened integers to shares [R, ⌈n/2⌉]; of an odd row the middle comes twice. */
function largerHalves(e: Emitter, opened: number): number {
  const { shape, magnitude } = e.opened(opened);
  const [rows, n] = shape as [number, number];
  const half = Math.ceil(n / 2);
  const [a, b] = [e.slice(opened, [0, 0], [rows, half]), e.slice(opened, [0, n - half], [rows, half])];
  return e.emit('larger', [a, b, lessOpened(e, a, b)], { magnitude });
}

/** The largest of each group [.., g], g > 2, of opened integers, as a share [..]. */
function best(e: Emitter, opened: number): number {
  const { shape, magnitude } = e.opened(opened);
  const size = shape.at(-1)!;
  const part = (from: number, count: number) =>
    e.slice(opened, [...shape.slice(0, -1).map(() => 0), from], [...shape.slice(0, -1), count]);
  const bits = Array.from({ length: size - 1 }, (_, i) => {
    const apart = size - 1 - i;
    return lessOpened(e, part(0, apart), part(i + 1, apart));
  });
  if (size <= GROUP) return e.emit('winner', [opened, ...bits], { magnitude });
  const log = Math.ceil(Math.log2(size));
  const lost = e.emit('losses', bits, { bits: log });
  const how = { shift: 0, width: log, offsetLog: -1, share: 'modular', bits: log };
  return e.emit('winner', [opened, e.emit('open', [lost], how)], { magnitude });
}

/** One level: rows [R, n] of opened integers to shares [R, ⌈n/g⌉] of the largest of each group. */
function level(e: Emitter, opened: number, group: number): number {
  const [rows, n] = e.opened(opened).shape as [number, number];
  if (group === 2) return largerHalves(e, opened);
  const whole = Math.floor(n / group);
  const groups = (from: number, count: number, size: number) =>
    best(e, e.reshape(e.slice(opened, [0, from], [rows, count * size]), [rows, count, size]));
  const main = groups(0, whole, group);
  const rest = n - whole * group;
  if (rest === 0) return main;
  // One that is left over is compared with its neighbour once more
  if (rest <= 2) return e.concat([main, largerHalves(e, e.slice(opened, [0, n - 2], [rows, 2]))], 1);
  return e.concat([main, groups(n - rest, 1, rest)], 1);
}

/**
 * u = max + ½ − x ≥ 0 of rows x [.., n], opened at 16 fractional bits; of the largest of a row it is 1 at most.
 *
 *   1. open m of x, `width` bits; its top bits open ⌊2x⌋ or one more, an integer                           1 round
 *   2. all pairs of a group compared; the winner of four by its bits, of more by its losses           2 or 3 rounds
 *   3. its value opened, for the next level; that of the last level is the maximum                          1 round
 *   4. u is the difference of two openings                                                                    local
 *
 * Integers compare transitively, so one member of a group wins; of equals the first. Groups are of four, and the last
 * one of up to 32 (rows of 128: 4, 4, 8).
 * @param levels the members of each level's groups; by `pairsOf` two, and as many comparisons as there are values
 * Domain x where differences within a row stay below 2^(width − 18), at 16 fractional bits.
 * Cost   rows of 128: 11 rounds, 5.4 bytes each way an element with the opening of x; dealer 49 bytes. Two by two 22,
 *        5.7 and 16.
 * View   every opening and every bit has a mask of its own; tables of T's are under streams of P0's, whatever masks
 *        they are of.
 */
export function distanceToMax(e: Emitter, opened: number, magnitude: number, levels = groupsOf): number {
  const { shape, width, fracBits } = e.opened(opened);
  const n = shape.at(-1)!;
  check(fracBits > 1, () => `all pairs of values of ${fracBits} fractional bits`);
  const shift = fracBits - 1;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  let at = e.emit('topBits', [e.reshape(opened, [rows, n])], { shift });
  for (const group of levels(n)) {
    const share = level(e, at, group);
    const how = { shift: 0, width: width - shift, offsetLog: -1, share: 'modular', bits: width - shift };
    at = e.emit('open', [share], how);
  }
  const bound = e.broadcast(e.reshape(at, [...shape.slice(0, -1), 1]), shape);
  return e.emit('distanceBelow', [bound, opened], { shift, slack: String(2 ** shift), magnitude });
}
