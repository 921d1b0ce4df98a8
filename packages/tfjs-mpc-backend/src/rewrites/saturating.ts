import type { RecordedOp } from '../node-values.js';
import type { Floor } from './floor.js';

/** Of functions that hold everywhere: where scores of up to four thousand may be added. */
const low: Floor = { floor: -12_000 };
const both: Floor = { ...low, both: true };

/** Of functions that hold from −2032 to 2032 or so: masks end where scores up to a thousand may be added. */
const windowed: Floor = { floor: -1016, from: -9000 };
const windowedBoth: Floor = { ...windowed, both: true };

/**
 * Operations that have a limit far from 0: what is added to their operand and leaves the range of the nodes may end at
 * the range's border, for the answer is the same. Of all others it is refused when it is shared.
 */
export const SATURATING: Partial<Record<RecordedOp | 'gelu', Floor>> = {
  sigmoid: windowedBoth,
  tanh: windowedBoth,
  erf: windowedBoth,
  sign: both,
  relu6: both,
  less: both,
  atMost: both,
  equal: both,
  exp: low,
  expm1: low,
  elu: low,
  selu: low,
  relu: low,
  relu2: low,
  relu4: low,
  silu: windowed,
  gelu: windowed,
  softplus: windowed,
};

/** Of the k largest of a row. */
export function extremeOf(k: number): Floor {
  return { ...low, open: k };
}

/**
 * Of a clip. What is masked ends at its least value.
 * @returns undefined where that is below the floor
 */
export function clippedOf(least: number, most: number): Floor | undefined {
  return least < low.floor ? undefined : { ...low, both: most <= -low.floor };
}
