import { scratch, scratchBytes, temporarily } from './arena.js';
import {
  insideArray,
  maskedPlanes,
  matMulLengths,
  need,
  packedLength,
  pickedRows,
  planeLength,
  sameLength,
  seriesOperands,
  sparseLengths,
  streamLength,
} from './checks.js';
import { chooseWords, gatherWords } from './copies.js';
import { kernelsBase64 } from './generated/kernels.js';
import {
  type Extension,
  HARMONICS,
  type Kernels,
  type LiftedOpening,
  type MaskedTerm,
  type MatMulShape,
  type MatrixLayout,
  type OpeningMask,
  type PackedMatrix,
  type PickedRow,
  type SparsePattern,
  type TrigShape,
} from './kernels.js';
import { bytesOf, maskOf, packedBytes, type Words } from './words.js';

/**
 * Elements a slot holds: operands of one step stay in the second-level cache together. A multiple of 64, so that planes
 * and packed words cut at bytes.
 */
const CHUNK = 8192;
const SLOT = CHUNK * 8 + 64;
/** Slots: the widest step has two planes for each harmonic, their coefficients, and a few operands. */
const SLOTS = 2 * HARMONICS + 8;
/**
 * Blocks of the matrix product, in words: A mb×kb and B kb×nb, raw and packed with a word more for a row of A and a
 * column of B, and C mb×nb.
 */
const MB = 128;
const NB = 512;
const KB = 256;

type Fn = (...args: (number | bigint)[]) => void;
type Exports = Record<string, Fn> & { memory: WebAssembly.Memory; scratchBase: () => number };

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < out.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

/** The kernels in WebAssembly SIMD: data is copied through a scratch area in chunks that stay in cache. */
export class WasmKernels implements Kernels {
  readonly name = 'wasm';
  threads = 1;
  readonly #x: Exports;
  readonly #u8: Uint8Array;
  readonly #base: number;
  readonly #big: number;

  private constructor(exports: Exports) {
    this.#x = exports;
    this.#base = (exports.scratchBase() + 63) & ~63;
    this.#big = this.#base + SLOT * SLOTS;
    const words = (MB + NB) * (2 * KB + 1) + MB * NB;
    const bytes = this.#big + words * 8 + 4096;
    const memory = exports.memory;
    if (memory.buffer.byteLength < bytes) memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / 65536));
    this.#u8 = new Uint8Array(memory.buffer);
  }

  static async load(): Promise<WasmKernels> {
    const { instance } = await WebAssembly.instantiate(decodeBase64(kernelsBase64), {});
    return new WasmKernels(instance.exports as unknown as Exports);
  }

  /** Sines and exponentials as these kernels have them. */
  tables(): Float64Array {
    const at = this.#x.tables() as unknown as number;
    return new Float64Array(this.#u8.buffer, at, 4 * 4096 + 4 * 1024).slice();
  }

  #slot(i: number): number {
    return this.#base + i * SLOT;
  }

  /** Copies elements [from, to) of `a`, `bytes` each, into slot `i`. */
  #in(i: number, a: ArrayBufferView, from: number, to: number, bytes = 8): number {
    const at = this.#slot(i);
    this.#u8.set(new Uint8Array(a.buffer, a.byteOffset + from * bytes, (to - from) * bytes), at);
    return at;
  }

  #out(i: number, a: ArrayBufferView, from: number, to: number, bytes = 8): void {
    const at = this.#slot(i);
    new Uint8Array(a.buffer, a.byteOffset + from * bytes, (to - from) * bytes).set(
      this.#u8.subarray(at, at + (to - from) * bytes),
    );
  }

  #binary(f: Fn, out: Words, a: Words, b: Words): void {
    need(out.length === a.length && a.length === b.length, () => `lengths ${out.length}, ${a.length}, ${b.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      f(this.#slot(0), this.#in(1, a, i, end), this.#in(2, b, i, end), end - i);
      this.#out(0, out, i, end);
    }
  }

  add(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.add, out, a, b);
  }
  sub(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.sub, out, a, b);
  }
  lessTwice(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.lessTwice, out, a, b);
  }
  mul(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.mul, out, a, b);
  }
  and(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.and, out, a, b);
  }
  xor(out: Words, a: Words, b: Words): void {
    this.#binary(this.#x.xor, out, a, b);
  }

  affine(out: Words, a: Words, scale: bigint, offset: bigint, bits: number): void {
    need(out.length === a.length, () => `lengths ${out.length}, ${a.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.affine(this.#slot(0), this.#in(1, a, i, end), end - i, scale, offset, maskOf(bits));
      this.#out(0, out, i, end);
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
      this.#x.rowSum(this.#slot(0), this.#in(1, a, r * cols, end * cols), end - r, cols);
      this.#out(0, out, r, end);
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
    const { m, k, n, transposeA = false, transposeB = false, bits = 64 } = shape;
    matMulLengths(out, a, right, shape);
    const b = 'words' in right ? right.words : right;
    const u8 = this.#u8;
    const rawA = this.#big;
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
          this.#x.packA(packedA, rawA, rows, depth, transposeA ? 8 : depth * 8, transposeA ? rows * 8 : 8);
          this.#x.packB(packedB, rawB, jEnd - j, depth, transposeB ? depth * 8 : 8, transposeB ? 8 : (jEnd - j) * 8);
          this.#x.multiply(c, packedA, packedB, rows, cols, depth);
        }
        const len = (jEnd - j) * 8;
        for (let r = i; r < iEnd; r++) {
          const from = c + (r - i) * cols * 8;
          ob.set(u8.subarray(from, from + len), (r * n + j) * 8);
        }
      }
    }
    if (bits < 64) this.affine(out, out, 1n, 0n, bits);
  }

  /** Row after row of U, as a product of its entries with the rows of B that they meet. */
  sparseMatMul(out: Words, entries: Words, b: Words, { rows, targets }: SparsePattern, bits: number): void {
    const { n, each } = sparseLengths(out, entries, b, { rows, targets });
    const met = Array.from({ length: rows }, () => [] as number[]);
    targets.forEach((t, at) => {
      met[t]!.push(at);
    });
    temporarily(() => {
      const most = met.reduce((max, { length }) => Math.max(max, length), 0);
      const [row, of] = [scratch(most), scratch(most * n)];
      for (const [t, list] of met.entries()) {
        const k = list.length;
        list.forEach((at, p) => {
          const from = Math.floor(at / each);
          row.set(entries.subarray(at, at + 1), p);
          of.set(b.subarray(from * n, (from + 1) * n), p * n);
        });
        this.matMul(out.subarray(t * n, (t + 1) * n), row.subarray(0, k), of.subarray(0, k * n), { m: 1, k, n, bits });
      }
    });
  }

  chacha20(key: Uint8Array, out: Uint8Array, counter = 0, nonce?: Uint8Array): void {
    streamLength(key, nonce, counter + out.length / 64);
    const at = this.#slot(1);
    this.#u8.set(key, at);
    if (nonce) this.#u8.set(nonce, at + 32);
    else this.#u8.fill(0, at + 32, at + 44);
    const step = CHUNK * 8;
    for (let i = 0; i < out.length; i += step) {
      const end = Math.min(out.length, i + step);
      this.#x.chacha20(this.#slot(2), at, counter + i / 64, Math.ceil((end - i) / 256));
      this.#out(2, out, i, end, 1);
    }
    this.#u8.fill(0, at, at + 44);
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
      this.#x.pack(this.#slot(0), this.#in(1, a, i, end), end - i, bits);
      this.#out(0, out, (i * bits) / 8, Math.ceil((end * bits) / 8), 1);
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
      this.#x.unpack(this.#slot(0), this.#in(1, bytes, (i * bits) / 8, Math.ceil((end * bits) / 8), 1), end - i, bits);
      this.#out(0, out, i, end);
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
      this.#x.encode(this.#slot(0), this.#in(1, v, i, end, 4), end - i, 2 ** fracBits);
      this.#out(0, out, i, end);
    }
  }

  decode(out: Float64Array, a: Words, bits: number, fracBits: number): void {
    need(out.length === a.length, () => `lengths ${out.length}, ${a.length}`);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.decode(this.#slot(0), this.#in(1, a, i, end), end - i, BigInt(bits), 2 ** -fracBits);
      this.#out(0, out, i, end);
    }
  }

  maskForOpening(out: Words, x: Words, r: Words, how: OpeningMask): void {
    need(out.length === x.length && x.length === r.length, () => `lengths ${out.length}, ${x.length}, ${r.length}`);
    const { offset, bits, shift, width } = how;
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.maskForOpening(
        this.#slot(0),
        this.#in(1, x, i, end),
        this.#in(2, r, i, end),
        end - i,
        offset,
        maskOf(bits),
        BigInt(shift),
        maskOf(width),
      );
      this.#out(0, out, i, end);
    }
  }

  lift(out: Words, m: Words, r: Words, w: Words, wh: Words, k: number, offset: bigint, first: boolean): void {
    need(
      [m, r, w, wh].every((a) => a.length === out.length),
      'operands of lift',
    );
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.lift(
        this.#slot(0),
        this.#in(1, m, i, end),
        this.#in(2, r, i, end),
        this.#in(3, w, i, end),
        this.#in(4, wh, i, end),
        end - i,
        BigInt(k),
        offset,
        first ? 1n : 0n,
      );
      this.#out(0, out, i, end);
    }
  }

  extend(
    m: Words,
    share: Words,
    from: LiftedOpening,
    opened: Words,
    r: Words,
    { k, bits, offset, first }: Extension,
  ): void {
    sameLength(m, share, from.m, from.share, from.wrapSet, from.wrapClear, opened, r);
    temporarily(() => {
      const t = scratch(m.length);
      this.choose(t, from.m, from.wrapClear, from.wrapSet, k - 1);
      this.add(t, t, r);
      if (first) this.sub(t, opened, t);
      this.affine(t, t, first ? 1n << BigInt(k) : BigInt.asUintN(64, -(1n << BigInt(k))), 0n, 64);
      this.add(share, from.share, t);
      this.affine(t, opened, 1n << BigInt(k), BigInt.asUintN(64, -offset), 64);
      this.add(m, from.m, t);
    });
    this.affine(m, m, 1n, 0n, bits);
  }

  chunkTables(out: Uint16Array, r: Words, position: number, width: number, kind: 'lt' | 'eq' | 'both'): void {
    need(out.length === r.length, () => `lengths ${out.length}, ${r.length}`);
    for (let i = 0; i < r.length; i += CHUNK) {
      const end = Math.min(r.length, i + CHUNK);
      this.#x.chunkTables(
        this.#slot(0),
        this.#in(1, r, i, end),
        end - i,
        BigInt(position),
        BigInt(width),
        kind === 'lt' ? 0 : kind === 'eq' ? 1 : 2,
      );
      this.#out(0, out, i, end, 2);
    }
  }

  pick(out: Words, m: Words, tables: Uint16Array, stride: number, tau: bigint, rows: readonly PickedRow[]): void {
    pickedRows(out, m, tables, stride, rows);
    const size = Math.ceil(m.length / 64);
    for (let i = 0; i < m.length; i += CHUNK) {
      const end = Math.min(m.length, i + CHUNK);
      const elements = this.#in(1, m, i, end);
      for (const { table, plane, position, width, base } of rows) {
        const row = this.#in(2, tables.subarray(table * stride, (table + 1) * stride), i, end, 2);
        this.#x.pick(this.#slot(0), elements, row, end - i, tau, BigInt(position), BigInt(width), base);
        this.#out(0, out.subarray(plane * size, (plane + 1) * size), i / 64, Math.ceil(end / 64));
      }
    }
  }

  bitPlane(out: Words, m: Words, tau: bigint, position: number): void {
    need(out.length === Math.ceil(m.length / 64), 'operands of bitPlane');
    for (let i = 0; i < m.length; i += CHUNK) {
      const end = Math.min(m.length, i + CHUNK);
      this.#x.bitPlane(this.#slot(0), this.#in(1, m, i, end), end - i, tau, BigInt(position));
      this.#out(0, out, i / 64, Math.ceil(end / 64));
    }
  }

  planeToWords(out: Words, plane: Words): void {
    need(plane.length === Math.ceil(out.length / 64), 'operands of planeToWords');
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.planeToWords(this.#slot(0), this.#in(1, plane, i / 64, Math.ceil(end / 64)), end - i);
      this.#out(0, out, i, end);
    }
  }

  bitShare(out: Words, c: Words, beta: Words, first: boolean): void {
    sameLength(out, beta);
    planeLength(c, out);
    for (let i = 0; i < out.length; i += CHUNK) {
      const end = Math.min(out.length, i + CHUNK);
      this.#x.bitShare(
        this.#slot(0),
        this.#in(1, c, i / 64, Math.ceil(end / 64)),
        this.#in(2, beta, i, end),
        end - i,
        first ? 1n : 0n,
      );
      this.#out(0, out, i, end);
    }
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
    const n = out.length;
    need(
      [x, m, b, br, ...(wrap ? [bh] : [])].every((a) => a.length === n) && c.length === Math.ceil(n / 64),
      'operands of bitMultiply',
    );
    for (let i = 0; i < n; i += CHUNK) {
      const end = Math.min(n, i + CHUNK);
      const high = wrap ? this.#in(6, bh, i, end) : this.#slot(6);
      this.#x.bitMultiply(
        this.#slot(0),
        this.#in(1, c, i / 64, Math.ceil(end / 64)),
        this.#in(2, x, i, end),
        this.#in(3, m, i, end),
        this.#in(4, b, i, end),
        this.#in(5, br, i, end),
        high,
        end - i,
        BigInt(k),
        offset,
        wrap ? 1 : 0,
      );
      this.#out(0, out, i, end);
    }
  }

  maskedProduct(out: Words, opened: Words, masks: Words, products: Words, term: MaskedTerm, first: boolean): void {
    maskedPlanes(out, opened, masks, products, term);
    const n = out.length;
    const plane = (planes: Words, at: number) => planes.subarray(at * n, (at + 1) * n);
    const { variables, sets } = term;
    temporarily(() => {
      const parts = Array.from(sets, (p, s) => {
        if (s === 0) return scratch(n).fill(first ? 0xffff_ffff_ffff_ffffn : 0n);
        return (s & (s - 1)) === 0 ? plane(masks, variables[Math.log2(s)]!) : plane(products, p);
      });
      // One variable after another leaves: ⟦Π v⟧ = o_v·⟦Π without v⟧ + ⟦the same times a_v⟧
      for (let v = variables.length - 1; v >= 0; v--) {
        for (let s = 0; s < 1 << v; s++) {
          const to = s === 0 ? parts[0]! : scratch(n);
          this.and(to, parts[s]!, plane(opened, variables[v]!));
          this.xor(to, to, parts[s | (1 << v)]!);
          parts[s] = to;
        }
      }
      this.xor(out, out, parts[0]!);
    });
  }

  trigTables(out: Words, r: Words, { period, harmonics, fracBits }: TrigShape): void {
    const n = r.length;
    need(out.length === 2 * harmonics * n && harmonics <= HARMONICS, 'operands of trigTables');
    for (let i = 0; i < n; i += CHUNK) {
      const end = Math.min(n, i + CHUNK);
      this.#x.trigTables(this.#slot(1), SLOT, this.#in(0, r, i, end), end - i, period, harmonics, 2 ** fracBits);
      for (let p = 0; p < 2 * harmonics; p++) this.#out(1 + p, out, p * n + i, p * n + end);
    }
  }

  trigCombine(out: Words, m: Words, shares: Words, coefficients: Float64Array, how: TrigShape): void {
    const { period, harmonics, fracBits } = how;
    const n = m.length;
    sameLength(out, m);
    seriesOperands(m, shares, coefficients, how);
    const q = this.#in(SLOTS - 1, coefficients, 0, coefficients.length);
    for (let i = 0; i < n; i += CHUNK) {
      const end = Math.min(n, i + CHUNK);
      for (let p = 0; p < 2 * harmonics; p++) this.#in(2 + p, shares, p * n + i, p * n + end);
      this.#x.trigCombine(
        this.#slot(0),
        this.#in(1, m, i, end),
        this.#slot(2),
        SLOT,
        q,
        end - i,
        period,
        harmonics,
        2 ** fracBits,
      );
      this.#out(0, out, i, end);
    }
  }

  expTables(out: Words, r: Words, beta: Words, half: number): void {
    const n = r.length;
    need(out.length === 4 * n && beta.length === Math.ceil(n / 64), 'operands of expTables');
    for (let i = 0; i < n; i += CHUNK) {
      const end = Math.min(n, i + CHUNK);
      this.#x.expTables(
        this.#slot(2),
        SLOT,
        this.#in(0, r, i, end),
        this.#in(1, beta, i / 64, Math.ceil(end / 64)),
        end - i,
        half,
      );
      for (let p = 0; p < 4; p++) this.#out(2 + p, out, p * n + i, p * n + end);
    }
  }

  expCombine(out: Words, m: Words, c: Words, shares: Words, factor: number, half: number): void {
    const n = m.length;
    need(out.length === n && shares.length === 4 * n && c.length === Math.ceil(n / 64), 'operands of expCombine');
    for (let i = 0; i < n; i += CHUNK) {
      const end = Math.min(n, i + CHUNK);
      for (let p = 0; p < 4; p++) this.#in(3 + p, shares, p * n + i, p * n + end);
      this.#x.expCombine(
        this.#slot(0),
        this.#in(1, m, i, end),
        this.#in(2, c, i / 64, Math.ceil(end / 64)),
        this.#slot(3),
        SLOT,
        end - i,
        factor,
        half,
      );
      this.#out(0, out, i, end);
    }
  }
}
