/**
 * Corrections of products in which what a wrap adds is dealt apart: of u = −r + 2^k·msb r, which counts where msb m =
 * 0, that is a multiple of a power of two, and only the bits above it are sent.
 */
import { type Kernels, scratch, type Words, zeros } from '@secformer/ring';

/** Bits of a correction modulo 2^bits that is a multiple of 2^least: one where there are none. */
export const bitsAbove = (bits: number, least: number): number => Math.max(1, bits - least);

/** words·factor + more, modulo 2^64. */
export function scaled(kernels: Kernels, words: Words, factor: bigint, more = 0n): Words {
  const out = scratch(words.length);
  kernels.affine(out, words, BigInt.asUintN(64, factor), more, 64);
  return out;
}

/** 2^log, which is 0 modulo 2^64 from 64 on. */
export const powerOf = (log: number): bigint => (log > 63 ? 0n : 1n << BigInt(log));

/** The top bit of masks of k bits. */
export function topOf(kernels: Kernels, r: Words, k: number): Words {
  const top = scratch(r.length);
  kernels.maskForOpening(top, r, zeros(r.length), { offset: 0n, bits: k, shift: k - 1, width: 1 });
  return top;
}

/** ((−r + 2^k·msb r)² − r²)/2^(k+1), which is msb r·(2^(k−1) − r). */
export function wrapOfSquare(kernels: Kernels, r: Words, k: number): Words {
  const out = scaled(kernels, r, -1n, powerOf(k - 1));
  kernels.mul(out, out, topOf(kernels, r, k));
  return out;
}

/** Adds a correction, and where msb m = 0 what a wrap adds to it, a multiple of 2^least. */
export function addWrapped(
  kernels: Kernels,
  to: Words,
  m: Words,
  k: number,
  [words, wrap]: readonly [Words, Words],
  least: number,
): void {
  const more = scaled(kernels, wrap, powerOf(least));
  kernels.choose(more, m, more, zeros(more.length), k - 1);
  kernels.add(to, to, words);
  kernels.add(to, to, more);
}
