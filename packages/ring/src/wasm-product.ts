/** Matrix products in WebAssembly, block by block. */
import { matMulLengths } from './checks.js';
import type { MatMulShape, PackedMatrix } from './kernels.js';
import type { WasmMemory } from './wasm-memory.js';
import { bytesOf, type Words } from './words.js';

/** Blocks: A has MB×KB words, B KB×NB and C MB×NB. */
const MB = 128;
const NB = 512;
const KB = 256;
/** Words of all blocks: A and B as they come, and packed with a word more for a row of A and a column of B; C. */
export const BLOCK_WORDS = (MB + NB) * (2 * KB + 1) + MB * NB;

/** A product modulo 2^64. */
export function matMul(
  memory: WasmMemory,
  out: Words,
  a: Words,
  right: Words | PackedMatrix,
  shape: MatMulShape,
): void {
  const { m, k, n, transposeA = false, transposeB = false } = shape;
  matMulLengths(out, a, right, shape);
  const b = 'words' in right ? right.words : right;
  const u8 = memory.bytes;
  const rawA = memory.blocks;
  const packedA = rawA + MB * KB * 8;
  const rawB = packedA + MB * (KB + 1) * 8;
  const packedB = rawB + KB * NB * 8;
  const c = packedB + (KB + 1) * NB * 8;
  const ab = bytesOf(a);
  const bb = bytesOf(b);
  const ob = bytesOf(out);
  // A block of a row-major matrix with `width` columns, copied row by row
  const copy = (to: number, from: Uint8Array, width: number, r0: number, r1: number, c0: number, c1: number) => {
    const len = (c1 - c0) * 8;
    if (c1 - c0 === width) {
      u8.set(from.subarray(r0 * width * 8, r1 * width * 8), to);
      return;
    }
    for (let r = r0; r < r1; r++, to += len) {
      const at = (r * width + c0) * 8;
      u8.set(from.subarray(at, at + len), to);
    }
  };
  for (let j = 0; j < n; j += NB) {
    const jEnd = Math.min(n, j + NB);
    const cols = (jEnd - j + 3) & ~3;
    for (let i = 0; i < m; i += MB) {
      const iEnd = Math.min(m, i + MB);
      const rows = iEnd - i;
      u8.fill(0, c, c + rows * cols * 8);
      for (let p = 0; p < k; p += KB) {
        const pEnd = Math.min(k, p + KB);
        const depth = pEnd - p;
        if (transposeA) copy(rawA, ab, m, p, pEnd, i, iEnd);
        else copy(rawA, ab, k, i, iEnd, p, pEnd);
        if (transposeB) copy(rawB, bb, k, j, jEnd, p, pEnd);
        else copy(rawB, bb, n, p, pEnd, j, jEnd);
        memory.exports.packA(packedA, rawA, rows, depth, transposeA ? 8 : depth * 8, transposeA ? rows * 8 : 8);
        memory.exports.packB(
          packedB,
          rawB,
          jEnd - j,
          depth,
          transposeB ? depth * 8 : 8,
          transposeB ? 8 : (jEnd - j) * 8,
        );
        memory.exports.multiply(c, packedA, packedB, rows, cols, depth);
      }
      const len = (jEnd - j) * 8;
      for (let r = i; r < iEnd; r++) {
        const from = c + (r - i) * cols * 8;
        ob.set(u8.subarray(from, from + len), (r * n + j) * 8);
      }
    }
  }
}
