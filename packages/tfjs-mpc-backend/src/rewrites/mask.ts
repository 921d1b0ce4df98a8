/**
 * What becomes of a tensor that the caller wrote and added to scores directly below a softmax: a bias, a mask, or both.
 * Its values never decide about the graph, which the nodes see: whether anything is masked, and where, would be in it.
 */
import type { SecretNode } from '../node-values.js';

/** An additive mask below this leaves no weight that a probability of 20 bits could show, and fits the scores' range. */
const CLAMP = -800;
/** Values at or below this are meant as "no weight", not as a score. */
const MASKED = -1000;

/** One side of a sum or a difference. */
export interface Addend {
  leaf: SecretNode;
  /** −1 where the leaf is subtracted */
  sign: 1 | -1;
  scores: SecretNode;
  /** −1 where the scores are */
  scoresSign: 1 | -1;
}

/**
 * The side of a sum that the caller wrote, or computed from what never was secret. Of two the one that was written as
 * integers, as masks are, else the second.
 */
export function ownAddend(n: SecretNode): Addend | undefined {
  if ((n.op !== 'add' && n.op !== 'sub') || n.inputs.length !== 2) return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  const own = (m: SecretNode) => m.op === 'leaf' && m.values !== undefined;
  const sign = n.op === 'add' ? 1 : -1;
  const second: Addend = { leaf: b, sign, scores: a, scoresSign: 1 };
  const first: Addend = { leaf: a, sign: 1, scores: b, scoresSign: sign };
  if (own(a) && own(b)) return a.privacy === 'local' && b.privacy !== 'local' ? first : second;
  return own(b) ? second : own(a) ? first : undefined;
}

/**
 * For a softmax with exponentials: masks of −10000, −1e9, −3.4e38 end at the floor. Where a row may be shifted as a
 * whole it is, so that its largest is not below 0: then only what is as far below another one is cut off, which gets no
 * weight, and a bias of −900 for all of a row stays what it is.
 */
export function clampedRows({ leaf, sign }: Addend, floor = CLAMP, shifts = true): Float32Array {
  const values = leaf.values!.map((v) => sign * v);
  const width = leaf.shape.at(-1) ?? 1;
  for (let from = 0; from < values.length; from += width) {
    const row = values.subarray(from, from + width);
    let top = row[0]!;
    for (const v of row) if (v > top) top = v;
    const shift = shifts && top < 0 && Number.isFinite(top) ? top : 0;
    for (let i = 0; i < row.length; i++) row[i] = Math.max(floor, row[i]! - shift);
  }
  return values;
}

/** For 2Quad, where a large negative score would get the largest weight: 0 where a value means "no weight", else 1. */
export function kept({ leaf, sign }: Addend): Float32Array {
  return leaf.values!.map((v) => (sign * v > MASKED ? 1 : 0));
}

/** Beside `kept`: the value where it is kept, else 0. */
export function keptBias({ leaf, sign }: Addend): Float32Array {
  // Written so that NaN is not overlooked: it is refused when it is shared
  return leaf.values!.map((v) => (sign * v <= MASKED ? 0 : sign * v));
}
