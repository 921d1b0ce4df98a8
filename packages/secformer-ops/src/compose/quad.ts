/** 2Quad, (s + c)² over its row sum: weights of attention without an exponential and without a maximum. */
import { encodeConstant } from '@secformer/ring';
import { bounded } from './domain.js';
import type { Emitter } from './emitter.js';
import { CARRIED_BITS, magnitudeOf } from './formats.js';
import { inverse } from './inverse.js';
import { inverseOperand, type Unnormalised } from './softmax.js';

/** Fractional bits of (s + c)² in a product with V that a public tensor multiplies next. */
const CARRIED_QUAD_BITS = 12;
/**
 * Fractional bits of 2Quad's weights, and the range of their row sum: 2^−3 to 2^25, which rows of 512 scores of 180
 * reach.
 */
const QUAD_BITS = 16;
/** The sums of a row of 2Quad that its division holds. */
export const QUAD_SUM = { low: 2 ** -3, high: 2 ** 25 } as const;
/**
 * Modulus of 2Quad's product with V, and the bits that are dropped of it: 12 fractional ones stay, for the sum that
 * divides them is large.
 */
const QUAD_PRODUCT = 59;
const QUAD_SHIFT = 20;
/** log2 of the range of that product. */
const QUAD_PRODUCT_MAGNITUDE = 25;
/** log2 of the largest |s + c|. */
const QUAD_MAGNITUDE = 11;
/** Fractional bits of 1/Σ as an operand. */
const QUAD_INVERSE_BITS = 34;
/** What (s + c)² usually is: a row's sum tells how the 33 bits of a product with V and of 1/Σ are best divided. */
const QUAD_TYPICAL = 25;
/** Bits that it is computed with where it is largest: in sums above 2^15 it has 18 significant ones. */
const QUAD_RESULT_BITS = 52;

/** Modulus of scores at so many fractional bits that `quadSoftmax` truncates nothing of, watched or not. */
export const quadScoreBits = (fracBits: number): number => fracBits + QUAD_MAGNITUDE + 2;

/** s + c at the scale of s, however fine: the opening that follows drops what it does not hold. */
function plus(e: Emitter, x: number, c: number): number {
  if (c === 0) return x;
  const v = e.atScale(x, e.fracBitsBeside(x, [c]));
  const { fracBits, bits, magnitude } = e.share(v);
  return e.emit('affine', [v], {
    scale: '1',
    offset: String(BigInt.asIntN(64, encodeConstant(c, fracBits))),
    fracBits,
    bits,
    magnitude: Math.min(Math.max(magnitude, magnitudeOf([c])) + 1, bits - 1 - fracBits),
  });
}

/** A mask of zeros and ones, opened modulo 2: the last bits of its two shares, whose sum has no carry to see. */
const openMask = (e: Emitter, mask: number): number =>
  e.emit('open', [mask], {
    shift: e.share(mask).fracBits,
    width: 1,
    offsetLog: -1,
    share: 'none',
    bits: 0,
    within: [0, 1],
  });

/**
 * 2Quad over the last axis: (s + c)²/Σ(s + c)², with a multiplicative mask of zeros and ones if given.
 *
 *   1. open m of s + c, and the mask's bits; squares where the mask has ones are local; truncated to 16 bits
 *                                                                          2 rounds
 *   2. 1/Σ by octaves of four; Σ is opened beside the squares, or after them in a row of more than 256
 *                                                                          2 or 3 rounds
 *
 * Domain |s + c| < 2^11, where the mask has zeros too, and Σ(s + c)² in [2^−3, 2^25); of a product with V,
 * |Σ(s + c)²·V| < 2^25. Error against its own plaintext 1e-4 (where Σ is small; 3e-7 where it is above 50).
 * @param mask of a shape that broadcasts to the scores'
 * @param carried of a product with V that a public tensor multiplies next: squares of 12 bits where Σ is opened beside
 *   them; the error is 1e-4 then for Σ from a sixteenth to sixteen times 25 n, of a row of n
 * Source MPCFormer; SecFormer section 3.2; protocols section 9.
 */
export function quadSoftmax(e: Emitter, x: number, c: number, mask?: number, carried = false): Unnormalised {
  const shifted = bounded(e, QUAD_MAGNITUDE, (most) => e.factor(e.claim(plus(e, x, c), most), e.format.score));
  const range = { magnitude: 2 * QUAD_MAGNITUDE };
  const square =
    mask === undefined
      ? e.emit('square', [shifted], { ...range, apart: true })
      : e.emit('maskedSquare', [shifted, openMask(e, mask)], range);
  // Sums of so many that they fit before the squares are truncated are opened beside these
  const { shape, fracBits, magnitude } = e.share(square);
  const fits = fracBits + magnitude + Math.ceil(Math.log2(shape.at(-1)!)) < 63;
  const bits = carried && fits ? CARRIED_QUAD_BITS : QUAD_BITS;
  const shift = fracBits - bits;
  // Watched, scores up to twice as large are right, and sums up to 256 or 64 times as large are told apart
  const [spare, sums] = e.watch ? [3, 8] : [2, 0];
  const width = 2 * QUAD_MAGNITUDE + bits + spare;
  const numerator = e.emit('open', [square], { shift, width, offsetLog: -1, share: 'lift', bits: 64 });
  const total = e.sum(fits ? square : e.emit('unwrap', [numerator]), [e.opened(numerator).shape.length - 1]);
  const dropped = e.share(total).fracBits - QUAD_BITS;
  const [low, high] = [QUAD_SUM.low, QUAD_SUM.high].map((v) => Math.log2(v) + QUAD_BITS) as [number, number];
  const how = {
    shift: dropped,
    width: high + 1 + Math.min(sums, fits ? 63 - dropped - high : sums),
    offsetLog: -1,
    share: 'none',
    bits: 0,
    within: [0, QUAD_SUM.high],
  };
  const row = e.emit('open', [total], how);
  const reported = { below: [1n << BigInt(low)], from: 1n << BigInt(high) };
  const share = inverse(e, row, { lo: low, hi: high, kind: 'reciprocal', most: QUAD_RESULT_BITS }, reported);
  const product = Math.max(4, 17 - Math.ceil(Math.log2(QUAD_TYPICAL * shape.at(-1)!)));
  const operand = inverseOperand(e, share, carried ? CARRIED_BITS - product : QUAD_INVERSE_BITS, 4);
  return {
    numerator,
    operandWidth: QUAD_PRODUCT,
    productShift: QUAD_SHIFT,
    productWidth: QUAD_PRODUCT - QUAD_SHIFT,
    inverse: operand,
    ...(carried && { carried: { fracBits: product, width: product + QUAD_PRODUCT_MAGNITUDE + 2 } }),
  };
}
