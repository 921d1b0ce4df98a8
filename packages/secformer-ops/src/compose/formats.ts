/** The fixed-point formats that values have where nothing says otherwise: their scale, range and modulus. */
import { FRAC_BITS, type OperandFormat } from '../graph/operand-format.js';

export { FOLDED_BITS, FRAC_BITS } from '../graph/operand-format.js';

/** Claimed range of what nothing narrower is known of: |v| < 2^14, what a truncation to 16 bits in 32 can carry. */
export const MAGNITUDE = 14;
/** Fractional bits of a product of two opened values that a public tensor multiplies next: 2^12 more of 64 are left. */
export const CARRIED_BITS = 33;
/** Modulus of matrix products that go into a truncation by 16 bits into 32. */
export const PRODUCT_BITS = 48;

/** log2 of the results that a product of operands holds, and of those with weights finer than others. */
const ROOM = 15;
const FINE_ROOM = 12;

/**
 * Rows from this length on whose mean is 0 stay below 2^11 wherever their variance is in a LayerNorm's domain, 2^31/H²:
 * no value is larger than √(H·variance).
 */
const LONG_ROWS = 512;

/** Modulus of a product of operands of so many fractional bits, in rows of a length. */
export function productBits(format: OperandFormat, a: number, b: number, columns: number): number {
  const isLong = Math.max(a, b) === format.centred && columns >= LONG_ROWS;
  if (format.bits === FRAC_BITS && !isLong) return PRODUCT_BITS;
  return a + b + 1 + (Math.max(a, b) > FRAC_BITS ? FINE_ROOM : ROOM);
}

/** log2 of a bound of some public reals. */
export function magnitudeOf(values: readonly number[]): number {
  let top = 0;
  for (const v of values) top = Math.max(top, Math.abs(v));
  return top === 0 ? -40 : Math.max(-40, Math.ceil(Math.log2(top)));
}
