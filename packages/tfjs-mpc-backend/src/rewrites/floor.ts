/**
 * What becomes of masks: numbers that are so far below 0 that they mean "not this one". Nodes compute with values below
 * 2^14, so a mask ends at a floor that still says what it means to the operation above it. Where anything is masked
 * follows from values, which stay in this process: these functions make what is shared, and never decide about a graph.
 */
import { SecformerError } from '@secformer/ring';
import type { Shape } from '@secformer/secformer-ops';

/** Where the values added to an operation's operand end. */
export interface Floor {
  floor: number;
  /** values at or below this end at the floor: the floor itself if absent */
  from?: number;
  /** the same above, for what has a largest value, such as a sigmoid: a bound for both sides */
  both?: boolean;
  /** below a softmax: whatever is added may be a mask, said or not, and a mask is an addend */
  weights?: boolean;
  /** whether all of a row may be shifted, as below a softmax */
  shifts?: boolean;
  /** places of a row that have to be above the floor: of a row without, the answer would be of what is masked */
  open?: number;
  /** the scores of rows that are masked altogether are 0: see `openRows` */
  zeroed?: boolean;
}

/** For softmax: leaves no weight that a probability of 20 bits could show, and fits the scores' range. */
export const SOFTMAX_FLOOR = -800;
/** The least value that is shared. */
export const LEAST = -16_383;
/** Values at or below this are meant as "no weight", not as a score. */
const MASKED = -1000;
/**
 * Down to here a float32 sum of a mask and a score has kept the score to 1/32: of such a row the answer is that of the
 * scores.
 */
const SHIFTS = -(2 ** 20);
/** From here on it has lost it, and the answer is that of equal scores. Between the two it is of neither. */
const SWALLOWS = -(2 ** 26);

function eachRow(values: Float64Array, shape: Shape, each: (row: Float64Array) => void): Float64Array {
  const width = shape.at(-1) ?? 1;
  for (let from = 0; from < values.length; from += width) each(values.subarray(from, from + width));
  return values;
}

function largest(row: Float64Array): number {
  let top = row[0]!;
  for (const v of row) if (v > top) top = v;
  return top;
}

/**
 * Rows whose values end at the floor. Where a row may be shifted as a whole it is, so that its largest is not below 0:
 * then only what is as far below another one is cut off, and a bias of −900 for all of a row stays what it is.
 * @throws SecformerError MASK_REFUSED where fewer places of a row are open than the operation needs
 */
export function floorRows(values: Float64Array, shape: Shape, attrs: object): Float64Array {
  const { floor, from = floor, both = false, shifts = false, open = 0, zeroed = false } = attrs as Floor;
  return eachRow(values.slice(), shape, (row) => {
    const top = largest(row);
    const lost = top <= SHIFTS && (open > 0 || (zeroed && top > SWALLOWS));
    if (shifts ? lost : open > 0 && countAbove(row, from) < Math.min(open, row.length))
      throw maskedAltogether(shape, open);
    // Of a row that is masked altogether by −∞ nothing is left that could be shifted
    const shift = shifts && top < 0 ? Math.max(top, -3.5e38) : 0;
    for (let i = 0; i < row.length; i++) {
      // NaN stays what it is: it is refused when it is shared
      const v = row[i]! - shift;
      row[i] = v <= from ? floor : both && v >= -from ? -floor : v;
    }
  });
}

/** What `floorRows` took from the values: 0 but where one is below the floor, which in a logarithm of softmax stays. */
export function belowFloor(values: Float64Array, shape: Shape, attrs: object): Float64Array {
  const { floor, shifts = false } = attrs as Floor;
  return eachRow(values.slice(), shape, (row) => {
    const top = largest(row);
    const shift = shifts && top < 0 && Number.isFinite(top) ? top : 0;
    for (let i = 0; i < row.length; i++) row[i] = Math.min(0, row[i]! - shift - floor);
  });
}

/** For 2Quad, where a large negative score would get the largest weight: 0 where a value means "no weight", else 1. */
export function notMasked(values: Float64Array, shape: Shape, attrs: object): Float64Array {
  const kept = values.map((v) => (v <= MASKED ? 0 : 1));
  return eachRow(kept, shape, (row) => {
    if (row.length === 0 || row.includes(1)) return;
    if (!(attrs as { closed?: boolean }).closed) throw maskedAltogether(shape, 1);
    row.fill(1);
  });
}

/** 0 for each row that is masked altogether, so far that a float32 score is lost in it, else 1. */
export function openRows(values: Float64Array, shape: Shape): Float64Array {
  const out: number[] = [];
  eachRow(values, shape, (row) => {
    out.push(largest(row) <= SWALLOWS ? 0 : 1);
  });
  return Float64Array.from(out);
}

/** Beside `notMasked`: the value where it is kept, else 0. */
export function biasOnly(values: Float64Array): Float64Array {
  return values.map((v) => (v <= MASKED ? 0 : v));
}

function countAbove(row: Float64Array, floor: number): number {
  let n = 0;
  for (const v of row) if (!(v <= floor)) n++;
  return n;
}

function maskedAltogether(shape: Shape, open: number): SecformerError {
  const places = open > 1 ? `${open} places` : 'one place';
  return new SecformerError(
    'MASK_REFUSED',
    `a mask of shape [${shape}] leaves less than ${places} of a row open, and the answer would be of what is masked. ` +
      `Leave ${places} of each row at 0, and do not read rows that mean nothing`,
  );
}

/** @throws SecformerError where a mask that multiplies squares holds anything but zeros and ones */
export function checkBits(mask: Float32Array | Float64Array): void {
  const at = mask.findIndex((v) => v !== 0 && v !== 1);
  if (at < 0) return;
  throw new SecformerError(
    'MASK_REFUSED',
    `an int32 or bool tensor that multiplies (s + c)² before its row sum is taken as a mask of zeros and ones; ` +
      `element ${at} is neither. Write other factors as a float tensor`,
  );
}
