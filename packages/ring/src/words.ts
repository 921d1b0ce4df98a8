/**
 * Arrays modulo 2^64. The container is a BigUint64Array for its length and views only: no loop over elements may touch
 * its BigInts; kernels and 32-bit views do.
 */
export type Words = BigUint64Array;

/** @returns how many bytes `n` words of `bits` bits take, packed back to back */
export function packedBytes(n: number, bits: number): number {
  return Math.ceil((n * bits) / 8);
}

/** @returns how many 64-bit words hold a plane of `n` bits */
export function planeWords(n: number): number {
  return Math.ceil(n / 64);
}

/** @returns the word whose low `bits` bits are set */
export function maskOf(bits: number): bigint {
  return bits >= 64 ? 0xffff_ffff_ffff_ffffn : (1n << BigInt(bits)) - 1n;
}

/** The factor that negates words. */
export const MINUS_ONE = maskOf(64);

/** The bytes behind any typed array, without a copy. */
export function bytesOf(a: ArrayBufferView): Uint8Array {
  return new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
}

/** 32-bit halves of words, low half first (little endian), without a copy. */
export function halvesOf(a: Words): Uint32Array {
  return new Uint32Array(a.buffer, a.byteOffset, a.length * 2);
}

/** The product of a shape's sizes. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}
