/** Rows of scores on which a softmax in fixed point is worst, each kind for a reason. */
import { normal, random } from './harness.js';

type Rows = (at: number, next: () => number) => number;

export const worstRows: Record<string, Rows> = {
  'small scores': (_, next) => 3 * normal(next),
  'large scores': (_, next) => 60 * normal(next),
  'all of the domain': (_, next) => 2040 * next() - 1020,
  // A sum of n terms, none of which is the leader's
  'nearly equal scores': (_, next) => 1e-3 * normal(next),
  'equal scores': () => 0.37,
  // What the dropped scores would have come to
  'a leader 8 above the others': (at, next) => (at === 5 ? 8 : 0.01 * normal(next)),
  'a leader 12.5 above': (at, next) => (at === 77 ? 12.5 : 0.3 * normal(next)),
  'a leader 15 above, at the edge of the window': (at, next) => (at === 77 ? 15 : 0.2 * normal(next)),
  'two leaders alike': (at, next) => (at % 100 === 9 ? 40 : 3 * normal(next)),
  'two leaders far above': (at, next) =>
    at % 64 === 3 ? 900 : Math.min(880, Math.max(-1000, -100 + 300 * normal(next))),
  'masked columns': (at, next) => (at >= 112 ? -800 : 4 * normal(next)),
  // A tournament on whole and half scores sees no difference
  'scores a hair apart': (at) => 100 + (at % 7) * 2 ** -16,
};

/** So many rows of a kind. */
export function rowsOf(kind: string, rows: number, width: number): Float32Array {
  const next = random(kind.length + width);
  return Float32Array.from({ length: rows * width }, (_, i) => worstRows[kind]!(i % width, next));
}
