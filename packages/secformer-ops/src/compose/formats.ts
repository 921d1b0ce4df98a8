/** The fixed-point formats that values have where nothing says otherwise: their scale, range and modulus. */

/** Fractional bits of an encoded tensor. */
export const FRAC_BITS = 16;
/**
 * Fractional bits of weights that a gain is folded into: three more than others, for a gain below 1 makes them smaller
 * and their operand larger. A product modulo 2^48 then still holds ±2^11.
 */
export const FOLDED_BITS = 19;
/** Claimed range of what nothing narrower is known of: |v| < 2^14, what a truncation to 16 bits in 32 can carry. */
export const MAGNITUDE = 14;
/** Modulus of matrix products that go into a truncation by 16 bits into 32. */
export const PRODUCT_BITS = 48;

/** log2 of a bound of some public reals. */
export function magnitudeOf(values: readonly number[]): number {
  let top = 0;
  for (const v of values) top = Math.max(top, Math.abs(v));
  return top === 0 ? -40 : Math.max(-40, Math.ceil(Math.log2(top)));
}
