import {
  angleUnit,
  chunkOfTables,
  insideArray,
  maskedPlanes,
  matMulLengths,
  need,
  packedLength,
  paritiesLengths,
  pickedRows,
  planeLength,
  sameLength,
  seriesOperands,
  sparseLengths,
  streamLength,
} from './checks.js';
import { lasting } from './collector.js';
import type { FrameChannel } from './frame-channel.js';
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
  TABLE_KINDS,
  type TableRow,
  type TrigShape,
} from './kernels.js';
import { maskOf, packedBytes, type Words } from './words.js';

type Native = Record<string, (...args: unknown[]) => unknown>;

/** What native/binding.cc exports. */
export interface NativeModule {
  /** instruction sets of this processor, the widest first */
  levels(): string[];
  load(tables: Float64Array, level: string): Native;
  /** gives free memory of this process back to the machine, where its allocator keeps it */
  giveBack(): void;
  /** tells this thread's collector of so many bytes more or fewer beside its own count */
  adjustExternalMemory?(bytes: number): void;
  /** asks for large pages under a buffer that nobody has touched, if it is large */
  largePages?(buffer: ArrayBuffer): void;
  /** by what seals, the fastest first */
  channels?: Record<string, FrameChannel>;
}

const NO_NONCE = new Uint8Array(12);

/**
 * The kernels compiled for this processor: the same results as WebAssembly, bit for bit, on the arrays where they lie.
 */
export class NativeKernels implements Kernels {
  readonly name: string;
  #threads = 1;
  readonly #x: Native;
  /** rows that come again and again, as the addon reads them */
  readonly #rows = new WeakMap<readonly PickedRow[], Int32Array>();

  constructor(name: string, native: Native) {
    this.name = name;
    this.#x = native;
  }

  get threads(): number {
    return this.#threads;
  }
  set threads(n: number) {
    this.#threads = n;
    this.#x.setThreads!(n);
  }

  #call(kernel: string, ...args: unknown[]): void {
    this.#x[kernel]!(...args);
  }

  #binary(kernel: string, out: Words, a: Words, b: Words): void {
    sameLength(out, a, b);
    this.#call(kernel, out, a, b);
  }

  add(out: Words, a: Words, b: Words): void {
    this.#binary('add', out, a, b);
  }
  sub(out: Words, a: Words, b: Words): void {
    this.#binary('sub', out, a, b);
  }
  lessTwice(out: Words, a: Words, b: Words): void {
    this.#binary('lessTwice', out, a, b);
  }
  mul(out: Words, a: Words, b: Words): void {
    this.#binary('mul', out, a, b);
  }
  and(out: Words, a: Words, b: Words): void {
    this.#binary('and', out, a, b);
  }
  xor(out: Words, a: Words, b: Words): void {
    this.#binary('xor', out, a, b);
  }

  affine(out: Words, a: Words, scale: bigint, offset: bigint, bits: number): void {
    sameLength(out, a);
    this.#call('affine', out, a, scale, offset, maskOf(bits));
  }

  rowSum(out: Words, a: Words, rows: number): void {
    need(
      out.length === rows && (rows === 0 || Number.isInteger(a.length / rows)),
      () => `${a.length} words in ${rows} rows, sums ${out.length}`,
    );
    this.#call('rowSum', out, a);
  }

  matMul(out: Words, a: Words, b: Words | PackedMatrix, shape: MatMulShape): void {
    matMulLengths(out, a, b, shape);
    const { m, k, n, transposeA = false, transposeB = false, bits = 64 } = shape;
    const packed = 'words' in b;
    this.#call('matMul', out, a, packed ? b.words : b, m, k, n, transposeA, transposeB, bits, packed);
  }

  sparseMatMul(out: Words, entries: Words, b: Words, pattern: SparsePattern, bits: number): void {
    const { n, each } = sparseLengths(out, entries, b, pattern);
    this.#call('sparseMatMul', out, entries, b, pattern.targets, n, each, maskOf(bits));
  }

  packMatrix(b: Words, { k, n, transposeB = false, bits = 64 }: MatrixLayout): PackedMatrix {
    need(b.length === k * n, () => `[${k},${n}] with ${b.length} words`);
    const words = lasting(this.#x.packedWords!(k, n, bits) as number);
    this.#call('packMatrix', words, b, k, n, transposeB, bits);
    return { words, k, n, transposeB, bits };
  }
  unpackMatrix(out: Words, { words, k, n, transposeB, bits }: PackedMatrix): void {
    need(out.length === k * n, () => `[${k},${n}] into ${out.length} words`);
    this.#call('unpackMatrix', out, words, k, n, transposeB, bits);
  }

  chacha20(key: Uint8Array, out: Uint8Array, counter = 0, nonce: Uint8Array = NO_NONCE): void {
    streamLength(key, nonce, counter + out.length / 64);
    this.#call('chacha20', key, nonce, out, counter);
  }

  streamWords(key: Uint8Array, out: Words, counter: number, bits: number): void {
    streamLength(key, undefined, counter + packedBytes(out.length, bits) / 64);
    this.#call('streamWords', key, out, counter, bits);
  }
  streamDifference(key: Uint8Array, out: Uint8Array, a: Words, counter: number, bits: number): void {
    packedLength(out, a, bits);
    streamLength(key, undefined, counter + out.length / 64);
    this.#call('streamDifference', key, out, a, counter, bits);
  }

  pack(out: Uint8Array, a: Words, bits: number): void {
    packedLength(out, a, bits);
    this.#call('pack', out, a, bits);
  }
  packOpening(out: Uint8Array, x: Words, r: Words, { offset, bits, shift, width }: OpeningMask): void {
    sameLength(x, r);
    packedLength(out, x, width);
    this.#call('packOpening', out, x, r, offset, maskOf(bits), shift, width);
  }
  unpack(out: Words, bytes: Uint8Array, bits: number): void {
    packedLength(bytes, out, bits);
    this.#call('unpack', out, bytes, bits);
  }

  unpackSum(out: Words, a: Uint8Array, b: Uint8Array, bits: number): void {
    packedLength(a, out, bits);
    packedLength(b, out, bits);
    this.#call('unpackSum', out, a, b, bits);
  }

  gather(out: Words, a: Words, shape: readonly number[], strides: readonly number[], offset: number): void {
    insideArray(out, a, shape, strides, offset);
    this.#call('gather', out, a, Float64Array.of(...shape, ...strides), offset);
  }
  choose(out: Words, m: Words, zero: Words, one: Words, bit: number): void {
    sameLength(out, m, zero, one);
    this.#call('choose', out, m, zero, one, bit);
  }

  encode(out: Words, v: Float32Array, fracBits: number): void {
    sameLength(out, v);
    this.#call('encode', out, v, 2 ** fracBits);
  }
  decode(out: Float64Array, a: Words, bits: number, fracBits: number): void {
    sameLength(out, a);
    this.#call('decode', out, a, bits, 2 ** -fracBits);
  }

  maskForOpening(out: Words, x: Words, r: Words, { offset, bits, shift, width }: OpeningMask): void {
    sameLength(out, x, r);
    this.#call('maskForOpening', out, x, r, offset, maskOf(bits), shift, maskOf(width));
  }
  lift(out: Words, m: Words, r: Words, w: Words, wh: Words, k: number, offset: bigint, first: boolean): void {
    sameLength(out, m, r, w, wh);
    this.#call('lift', out, m, r, w, wh, k, offset, first);
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
    this.#call(
      'extend',
      m,
      share,
      from.m,
      from.share,
      from.wrapSet,
      from.wrapClear,
      opened,
      r,
      k,
      maskOf(bits),
      offset,
      first,
    );
  }

  chunkTables(out: Uint16Array, r: Words, row: TableRow): void {
    chunkOfTables(out, r, row);
    this.#call('chunkTables', out, r, row.position, row.width, TABLE_KINDS[row.kind], row.from ?? 0);
  }
  pick(out: Words, m: Words, tables: Uint16Array, stride: number, tau: bigint, rows: readonly PickedRow[]): void {
    pickedRows(out, m, tables, stride, rows);
    let how = this.#rows.get(rows);
    if (!how) {
      how = Int32Array.from(
        rows.flatMap(({ table, plane, position, width, base }) => [table, plane, position, width, base]),
      );
      this.#rows.set(rows, how);
    }
    this.#call('pick', out, m, tables, stride, tau, how);
  }
  parities(sums: Uint32Array, bits: Uint32Array, coefficients: Uint32Array): void {
    paritiesLengths(sums, bits, coefficients);
    this.#call('parities', sums, bits, coefficients);
  }
  bitPlane(out: Words, m: Words, tau: bigint, position: number): void {
    planeLength(out, m);
    this.#call('bitPlane', out, m, tau, position);
  }
  planeToWords(out: Words, plane: Words): void {
    planeLength(plane, out);
    this.#call('planeToWords', out, plane);
  }
  bitShare(out: Words, c: Words, beta: Words, first: boolean): void {
    sameLength(out, beta);
    planeLength(c, out);
    this.#call('bitShare', out, c, beta, first);
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
    sameLength(out, x, m, b, br, ...(wrap ? [bh] : []));
    planeLength(c, out);
    this.#call('bitMultiply', out, c, x, m, b, br, bh, k, offset, wrap);
  }

  maskedProduct(out: Words, opened: Words, masks: Words, products: Words, term: MaskedTerm, first: boolean): void {
    maskedPlanes(out, opened, masks, products, term);
    this.#call('maskedProduct', out, opened, masks, products, term.variables, term.sets, first);
  }

  trigTables(out: Words, r: Words, how: TrigShape): void {
    const { harmonics, fracBits } = how;
    need(out.length === 2 * harmonics * r.length && harmonics <= HARMONICS, 'operands of trigTables');
    this.#call('trigTables', out, r, angleUnit(how), harmonics, 2 ** fracBits);
  }
  trigCombine(out: Words, m: Words, shares: Words, coefficients: Float64Array, how: TrigShape): void {
    const { harmonics, fracBits } = how;
    sameLength(out, m);
    seriesOperands(m, shares, coefficients, how);
    this.#call('trigCombine', out, m, shares, coefficients, angleUnit(how), harmonics, 2 ** fracBits);
  }
  expTables(out: Words, r: Words, beta: Words, half: number): void {
    need(out.length === 4 * r.length && half >= 10 && half <= 20, 'operands of expTables');
    planeLength(beta, r);
    this.#call('expTables', out, r, beta, half);
  }
  expCombine(out: Words, m: Words, c: Words, shares: Words, factor: number, half: number): void {
    sameLength(out, m);
    need(shares.length === 4 * m.length && half >= 10 && half <= 20, 'operands of expCombine');
    planeLength(c, m);
    this.#call('expCombine', out, m, c, shares, factor, half);
  }
}
