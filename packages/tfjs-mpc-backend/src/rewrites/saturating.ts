import type { RecordedOp } from '../node-values.js';
import { type Floor, LEAST } from './floor.js';

const low: Floor = { floor: LEAST };
const both: Floor = { floor: LEAST, ceiling: -LEAST };

/**
 * Operations that have a limit far from 0: what is added to their operand and leaves the range of the nodes may end at
 * the range's border, for the answer is the same. Of all others it is refused when it is shared.
 */
export const SATURATING: Partial<Record<RecordedOp | 'gelu', Floor>> = {
  sigmoid: both,
  tanh: both,
  erf: both,
  sign: both,
  relu6: both,
  less: both,
  atMost: both,
  equal: both,
  clip: both,
  exp: low,
  expm1: low,
  elu: low,
  selu: low,
  relu: low,
  silu: low,
  gelu: low,
  softplus: low,
};

/** Of the k largest of a row. */
export function extremeOf(k: number): Floor {
  return { floor: LEAST, open: k };
}
