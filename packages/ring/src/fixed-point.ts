import { EncodingError } from './errors.js';
import type { Kernels } from './kernels.js';
import type { Words } from './words.js';

/**
 * The largest |v|, NaN where one is that, 0 of none. Without their sign, floats are in the order of their bits, and
 * those that are not finite come last.
 */
export function largestOf(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let most = 0;
  for (let i = 0; i < bits.length; i++) {
    const v = bits[i]! & 0x7fff_ffff;
    if (v > most) most = v;
  }
  return new Float32Array(Int32Array.of(most).buffer)[0]!;
}

/**
 * What `encodeFixed` refuses, without encoding.
 * @param magnitude log2 of the largest |v| allowed
 * @returns the largest |v|
 * @throws EncodingError naming the position of a value that is not finite or too large; the value itself is not printed
 */
export function checkFixed(values: Float32Array, magnitude: number, what = 'tensor'): number {
  const limit = 2 ** magnitude;
  const top = largestOf(values);
  // Written so that NaN fails too
  if (top <= limit) return top;
  const i = values.findIndex((v) => !(Math.abs(v) <= limit));
  const why = Number.isFinite(values[i]) ? `larger than ${limit}` : 'not finite';
  const remedy = `private tensors hold |v| ≤ ${limit}: scale it, or clip it before it is used`;
  throw new EncodingError(`element ${i} of ${what} is ${why}; ${remedy}`);
}

/**
 * Fixed point: a real v is the integer round(v·2^f) modulo 2^64.
 * @param magnitude log2 of the largest |v| allowed
 * @throws EncodingError as `checkFixed` does
 */
export function encodeFixed(
  kernels: Kernels,
  values: Float32Array,
  fracBits: number,
  magnitude: number,
  what = 'tensor',
): Words {
  checkFixed(values, magnitude, what);
  const out = new BigUint64Array(values.length);
  kernels.encode(out, values, fracBits);
  return out;
}

/** @returns the reals behind words of `bits` bits with `fracBits` after the point */
export function decodeFixed(kernels: Kernels, words: Words, bits: number, fracBits: number): Float64Array {
  const out = new Float64Array(words.length);
  kernels.decode(out, words, bits, fracBits);
  return out;
}

/** Fixed point of a public real, as a word. */
export function encodeConstant(value: number, fracBits: number): bigint {
  const scaled = value * 2 ** fracBits;
  if (!Number.isFinite(scaled) || Math.abs(scaled) >= 2 ** 63) {
    throw new EncodingError(`the constant ${value} with ${fracBits} fractional bits does not fit 64 bits`);
  }
  // Rounded as a double: exact below 2^53, and above it the double has no fraction to lose
  return BigInt.asUintN(64, BigInt(Math.round(scaled)));
}
