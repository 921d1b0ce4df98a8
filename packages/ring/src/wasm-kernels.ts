/**
 * The kernels in WebAssembly: a loop over chunks for each, which copies operands into the module's memory and results
 * out of it.
 */
import { scratch, scratchBytes, temporarily } from './arena.js';
import { insideArray, need, packedLength, sameLength, streamLength } from './checks.js';
import * as composed from './composed.js';
import { chooseWords, gatherWords } from './copies.js';
import type {
  Extension,
  Kernels,
  LiftedOpening,
  MaskedTerm,
  MatMulShape,
  MatrixLayout,
  OpeningMask,
  PackedMatrix,
  PickedRow,
  SparsePattern,
  TableRow,
  TrigShape,
} from './kernels.js';
import * as bits from './wasm-bits.js';
import { CHUNK, type Fn, WasmMemory } from './wasm-memory.js';
import { BLOCK_WORDS, matMul } from './wasm-product.js';
import * as series from './wasm-series.js';
import { bytesOf, maskOf, packedBytes, type Words } from './words.js';

/** The kernels in WebAssembly SIMD. */
export class WasmKernels implements Kernels {
  readonly name = 'wasm';
  threads = 1;
  readonly #memory: WasmMemory;

  private constructor(memory: WasmMemory) {
    this.#memory = memory;
  }

  static async load(): Promise<WasmKernels> {
    return new WasmKernels(await WasmMemory.load(BLOCK_WORDS));
  }

  /** Sines and exponentials as these kernels have them. */
  tables(): Float64Array {
    return this.#memory.tables();
  }

  #binary(f: Fn, out: Words, a: Words, b: Words): void {
    need(out.length === a.length && a.length === b.length, () => `lengths ${out.length}, ${a.length}, ${b.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      f(this.#memory.slot(0), this.#memory.in(1, a, i, end), this.#memory.in(2, b, i, end), end - i);
      this.#memory.out(0, out, i, end);
    }
  }

  add(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.add, out, a, b);
  }
  sub(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.sub, out, a, b);
  }
  lessTwice(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.lessTwice, out, a, b);
  }
  mul(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.mul, out, a, b);
  }
  and(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.and, out, a, b);
  }
  xor(out: Words, a: Words, b: Words): void {
    this.#binary(this.#memory.exports.xor, out, a, b);
  }

  affine(out: Words, a: Words, scale: bigint, offset: bigint, bits: number): void {
    need(out.length === a.length, () => `lengths ${out.length}, ${a.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.affine(
        this.#memory.slot(0),
        this.#memory.in(1, a, i, end),
        end - i,
        scale,
        offset,
        maskOf(bits),
      );
      this.#memory.out(0, out, i, end);
    }
  }

  rowSum(out: Words, a: Words, rows: number): void {
    if (rows === 0 && out.length === 0) return;
    const cols = a.length / rows;
    need(out.length === rows && Number.isInteger(cols), () => `${a.length} words in ${rows} rows, sums ${out.length}`);
    if (cols > CHUNK) {
      const partial = new BigUint64Array(Math.ceil(cols / CHUNK));
      for (let r = 0; r < rows; r++) {
        for (let i = 0, j = 0; i < cols; i += CHUNK, j++) {
          const row = a.subarray(r * cols + i, r * cols + Math.min(cols, i + CHUNK));
          this.rowSum(partial.subarray(j, j + 1), row, 1);
        }
        this.rowSum(out.subarray(r, r + 1), partial, 1);
      }
      return;
    }
    const step = Math.max(1, Math.floor(CHUNK / Math.max(1, cols)));
    for (let r = 0; r < rows; r += step) {
      const end = Math.min(rows, r + step);
      this.#memory.exports.rowSum(this.#memory.slot(0), this.#memory.in(1, a, r * cols, end * cols), end - r, cols);
      this.#memory.out(0, out, r, end);
    }
  }

  /** Operands are copied into the module's memory block by block anyway, so a matrix stays as it is. */
  packMatrix(words: Words, { k, n, transposeB = false, bits = 64 }: MatrixLayout): PackedMatrix {
    need(words.length === k * n, () => `[${k},${n}] with ${words.length} words`);
    return { words, k, n, transposeB, bits };
  }
  unpackMatrix(out: Words, { words }: PackedMatrix): void {
    sameLength(out, words);
    out.set(words);
  }

  matMul(out: Words, a: Words, right: Words | PackedMatrix, shape: MatMulShape): void {
    matMul(this.#memory, out, a, right, shape);
    const { bits = 64 } = shape;
    if (bits < 64) this.affine(out, out, 1n, 0n, bits);
  }

  sparseMatMul(out: Words, entries: Words, b: Words, pattern: SparsePattern, bits: number): void {
    composed.sparseMatMul(this, out, entries, b, pattern, bits);
  }

  chacha20(key: Uint8Array, out: Uint8Array, counter = 0, nonce?: Uint8Array): void {
    streamLength(key, nonce, counter + out.length / 64);
    const at = this.#memory.slot(1);
    this.#memory.bytes.set(key, at);
    if (nonce) this.#memory.bytes.set(nonce, at + 32);
    else this.#memory.bytes.fill(0, at + 32, at + 44);
    const step = CHUNK * 8;
    for (let i = 0; i < out.length; i += step) {
      const end = Math.min(out.length, i + step);
      this.#memory.exports.chacha20(this.#memory.slot(2), at, counter + i / 64, Math.ceil((end - i) / 256));
      this.#memory.out(2, out, i, end, 1);
    }
    this.#memory.bytes.fill(0, at, at + 44);
  }

  streamWords(key: Uint8Array, out: Words, counter: number, bits: number): void {
    this.#eachPart(key, out.length, counter, bits, (drawn, from, to) =>
      this.unpack(out.subarray(from, to), drawn, bits),
    );
  }
  streamDifference(key: Uint8Array, out: Uint8Array, a: Words, counter: number, bits: number): void {
    packedLength(out, a, bits);
    this.#eachPart(key, a.length, counter, bits, (drawn, from, to) => {
      const at = packedBytes(from, bits);
      this.#packDifference(out.subarray(at, at + drawn.length), a.subarray(from, to), drawn, bits);
    });
  }

  /** Draws `n` words, a chunk at a time: of any width it is whole blocks. */
  #eachPart(
    key: Uint8Array,
    n: number,
    counter: number,
    bits: number,
    each: (drawn: Uint8Array, from: number, to: number) => void,
  ): void {
    temporarily(() => {
      const room = scratchBytes(packedBytes(Math.min(n, CHUNK), bits));
      for (let from = 0, block = counter; from < n; from += CHUNK) {
        const to = Math.min(n, from + CHUNK);
        const drawn = room.subarray(0, packedBytes(to - from, bits));
        this.chacha20(key, drawn, block);
        block += drawn.length / 64;
        each(drawn, from, to);
      }
    });
  }

  pack(out: Uint8Array, a: Words, bits: number): void {
    packedLength(out, a, bits);
    if (bits === 64) {
      out.set(bytesOf(a));
      return;
    }
    for (let i = 0; i < a.length; i += CHUNK) {
      const end = Math.min(a.length, i + CHUNK);
      this.#memory.exports.pack(this.#memory.slot(0), this.#memory.in(1, a, i, end), end - i, bits);
      this.#memory.out(0, out, (i * bits) / 8, Math.ceil((end * bits) / 8), 1);
    }
  }

  packOpening(out: Uint8Array, x: Words, r: Words, how: OpeningMask): void {
    temporarily(() => {
      const masked = scratch(x.length);
      this.maskForOpening(masked, x, r, how);
      this.pack(out, masked, how.width);
    });
  }

  unpack(out: Words, bytes: Uint8Array, bits: number): void {
    packedLength(bytes, out, bits);
    if (bits === 64) {
      bytesOf(out).set(bytes);
      return;
    }
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.unpack(
        this.#memory.slot(0),
        this.#memory.in(1, bytes, (i * bits) / 8, Math.ceil((end * bits) / 8), 1),
        end - i,
        bits,
      );
      this.#memory.out(0, out, i, end);
    }
  }

  unpackSum(out: Words, a: Uint8Array, b: Uint8Array, bits: number): void {
    temporarily(() => {
      const other = scratch(out.length);
      this.unpack(out, a, bits);
      this.unpack(other, b, bits);
      this.add(out, out, other);
    });
    if (bits < 64) this.affine(out, out, 1n, 0n, bits);
  }

  #packDifference(out: Uint8Array, a: Words, b: Uint8Array, bits: number): void {
    temporarily(() => {
      const words = scratch(a.length);
      this.unpack(words, b, bits);
      this.sub(words, a, words);
      this.pack(out, words, bits);
    });
  }

  // Copies gain nothing from a detour through this module's memory

  gather(out: Words, a: Words, shape: readonly number[], strides: readonly number[], offset: number): void {
    insideArray(out, a, shape, strides, offset);
    gatherWords(out, a, shape, strides, offset);
  }

  choose(out: Words, m: Words, zero: Words, one: Words, bit: number): void {
    sameLength(out, m, zero, one);
    chooseWords(out, m, zero, one, bit);
  }

  encode(out: Words, v: Float32Array, fracBits: number): void {
    need(out.length === v.length, () => `lengths ${out.length}, ${v.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.encode(this.#memory.slot(0), this.#memory.in(1, v, i, end, 4), end - i, 2 ** fracBits);
      this.#memory.out(0, out, i, end);
    }
  }

  decode(out: Float64Array, a: Words, bits: number, fracBits: number): void {
    need(out.length === a.length, () => `lengths ${out.length}, ${a.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.decode(
        this.#memory.slot(0),
        this.#memory.in(1, a, i, end),
        end - i,
        BigInt(bits),
        2 ** -fracBits,
      );
      this.#memory.out(0, out, i, end);
    }
  }

  maskForOpening(out: Words, x: Words, r: Words, how: OpeningMask): void {
    need(out.length === x.length && x.length === r.length, () => `lengths ${out.length}, ${x.length}, ${r.length}`);
    const { offset, bits, shift, width } = how;
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.maskForOpening(
        this.#memory.slot(0),
        this.#memory.in(1, x, i, end),
        this.#memory.in(2, r, i, end),
        end - i,
        offset,
        maskOf(bits),
        BigInt(shift),
        maskOf(width),
      );
      this.#memory.out(0, out, i, end);
    }
  }

  lift(out: Words, m: Words, r: Words, w: Words, wh: Words, k: number, offset: bigint, first: boolean): void {
    need(
      [m, r, w, wh].every((a) => a.length === out.length),
      'operands of lift',
    );
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#memory.exports.lift(
        this.#memory.slot(0),
        this.#memory.in(1, m, i, end),
        this.#memory.in(2, r, i, end),
        this.#memory.in(3, w, i, end),
        this.#memory.in(4, wh, i, end),
        end - i,
        BigInt(k),
        offset,
        first ? 1n : 0n,
      );
      this.#memory.out(0, out, i, end);
    }
  }

  extend(m: Words, share: Words, from: LiftedOpening, opened: Words, r: Words, how: Extension): void {
    composed.extend(this, m, share, from, opened, r, how);
  }

  chunkTables(out: Uint16Array, r: Words, row: TableRow): void {
    bits.chunkTables(this.#memory, out, r, row);
  }

  pick(out: Words, m: Words, tables: Uint16Array, stride: number, tau: bigint, rows: readonly PickedRow[]): void {
    bits.pick(this.#memory, out, m, tables, stride, tau, rows);
  }

  parities(sums: Uint32Array, plane: Uint32Array, coefficients: Uint32Array): void {
    bits.parities(this.#memory, sums, plane, coefficients);
  }

  bitPlane(out: Words, m: Words, tau: bigint, position: number): void {
    bits.bitPlane(this.#memory, out, m, tau, position);
  }

  planeToWords(out: Words, plane: Words): void {
    bits.planeToWords(this.#memory, out, plane);
  }

  bitShare(out: Words, c: Words, beta: Words, first: boolean): void {
    bits.bitShare(this.#memory, out, c, beta, first);
  }

  bitMultiply(
    out: Words,
    c: Words,
    x: Words,
    m: Words,
    b: Words,
    br: Words,
    bh: Words,
    k: number,
    offset: bigint,
    wrap: boolean,
  ): void {
    bits.bitMultiply(this.#memory, out, c, x, m, b, br, bh, k, offset, wrap);
  }

  maskedProduct(out: Words, opened: Words, masks: Words, products: Words, term: MaskedTerm, first: boolean): void {
    composed.maskedProduct(this, out, opened, masks, products, term, first);
  }

  trigTables(out: Words, r: Words, how: TrigShape): void {
    series.trigTables(this.#memory, out, r, how);
  }

  trigCombine(out: Words, m: Words, shares: Words, coefficients: Float64Array, how: TrigShape): void {
    series.trigCombine(this.#memory, out, m, shares, coefficients, how);
  }

  expTables(out: Words, r: Words, beta: Words, half: number): void {
    series.expTables(this.#memory, out, r, beta, half);
  }

  expCombine(out: Words, m: Words, c: Words, shares: Words, factor: number, half: number): void {
    series.expCombine(this.#memory, out, m, c, shares, factor, half);
  }
}
