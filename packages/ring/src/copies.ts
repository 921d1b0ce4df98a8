import { halvesOf, type Words } from './words.js';

/** `Kernels.gather` in TypeScript. Runs of stride 1 are copied as blocks. */
export function gatherWords(
  out: Words,
  a: Words,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): void {
  const n = out.length;
  if (n === 0) return;
  const from = halvesOf(a);
  const to = halvesOf(out);
  const rank = shape.length;
  const inner = rank === 0 ? 1 : (shape[rank - 1] as number);
  const step = rank === 0 ? 1 : (strides[rank - 1] as number);
  const index = new Array<number>(Math.max(0, rank - 1)).fill(0);
  let base = offset;
  for (let at = 0; at < n; at += inner) {
    if (step === 1) {
      if (inner >= 16) {
        out.set(a.subarray(base, base + inner), at);
      } else {
        for (let j = 0; j < 2 * inner; j++) to[2 * at + j] = from[2 * base + j] as number;
      }
    } else {
      let p = 2 * base;
      for (let j = 2 * at, end = 2 * (at + inner); j < end; j += 2, p += 2 * step) {
        to[j] = from[p] as number;
        to[j + 1] = from[p + 1] as number;
      }
    }
    for (let d = rank - 2; d >= 0; d--) {
      base += strides[d] as number;
      const next = (index[d] as number) + 1;
      if (next < (shape[d] as number)) {
        index[d] = next;
        break;
      }
      base -= (strides[d] as number) * (shape[d] as number);
      index[d] = 0;
    }
  }
}

/** `Kernels.choose` in TypeScript. */
export function chooseWords(out: Words, m: Words, zero: Words, one: Words, bit: number): void {
  const [from, to, clear, set] = [halvesOf(m), halvesOf(out), halvesOf(zero), halvesOf(one)];
  const half = bit < 32 ? 0 : 1;
  for (let i = 0; i < from.length; i += 2) {
    const side = ((from[i + half] as number) >>> (bit & 31)) & 1 ? set : clear;
    to[i] = side[i] as number;
    to[i + 1] = side[i + 1] as number;
  }
}
