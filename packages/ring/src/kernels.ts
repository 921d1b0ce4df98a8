import type { Words } from './words.js';

/** How an opening prepares a share: ((x + offset) mod 2^bits >> shift) + r mod 2^width. */
export interface OpeningMask {
  offset: bigint;
  /** the modulus of the share, as a number of bits */
  bits: number;
  /** low bits to drop */
  shift: number;
  /** bits that travel */
  width: number;
}

/** What a party holds of a value opened modulo 2^k and lifted. */
export interface LiftedOpening {
  m: Words;
  share: Words;
  /** the share of the wrap-around where msb m = 1, and where it is 0 */
  wrapSet: Words;
  wrapClear: Words;
}

/** From 2^k to 2^bits, at the first party or at the second. */
export interface Extension {
  k: number;
  bits: number;
  offset: bigint;
  first: boolean;
}

/** The right operand of a matrix product: B is [k,n], or [n,k] if transposed. */
export interface MatrixLayout {
  k: number;
  n: number;
  transposeB?: boolean;
  /**
   * the product is wanted modulo 2^bits only, and comes reduced; 64 if absent. Up to 49 (doubles) and 52 (on a
   * processor with IFMA) it takes half to three quarters of the time
   */
  bits?: number;
}

/** A matrix product C[m×n] = A·B mod 2^64. A is [m,k] (or [k,m] if transposed). */
export interface MatMulShape extends MatrixLayout {
  m: number;
  transposeA?: boolean;
}

/**
 * The public pattern of a sparse matrix U[rows × of B's rows] that has `targets.length` entries, as many in each
 * column: the row of each entry, column after column.
 */
export interface SparsePattern {
  rows: number;
  targets: Int32Array;
}

/** A right operand as these kernels read it in every product modulo 2^bits; what its words have beyond may be lost. */
export interface PackedMatrix extends Required<MatrixLayout> {
  readonly words: Words;
}

/**
 * A product of up to four planes: which they are, and the planes of their masks' products by the bits of the subset
 * (what has fewer than two bits is not read).
 */
export interface MaskedTerm {
  variables: Int32Array;
  sets: Int32Array;
}

/** What a 16-bit row of comparison tables says of a chunk c, by its number as kernels know it. */
export const TABLE_KINDS = { lt: 0, eq: 1, both: 2 } as const;

/**
 * A 16-bit row of comparison tables, of the chunk at bits [position, position + width): [t < c] or [t = c] for every t,
 * or of at most three bits 'both' in one row.
 */
export interface TableRow {
  position: number;
  width: number;
  kind: keyof typeof TABLE_KINDS;
  /** of a chunk of five bits, whose table has 32 entries: those from here on; 0 if absent */
  from?: 0 | 16;
}

/**
 * Which table is read, where the bits go, and which bits [position, position + width) of an element name the entry,
 * from `base` on.
 */
export interface PickedRow {
  table: number;
  plane: number;
  position: number;
  width: number;
  base: 0 | 8;
}

/** Harmonics of the longest series. */
export const HARMONICS = 24;

/** Largest amplitude of a harmonic: at `fracBits` bits it is a number of 31 bits and a sign, rounded sines included. */
export const mostAmplitude = (fracBits: number) => 2 ** (31 - fracBits) - 2 ** -fracBits;

/** One series of harmonics: angles are 2π·step·word/2^period, values have `fracBits` bits. */
export interface TrigShape {
  period: number;
  /** the first harmonic, of those of 2^period; 1 if absent */
  step?: number | undefined;
  harmonics: number;
  fracBits: number;
}

/**
 * The hot loops. Implementations agree bit for bit: WebAssembly is always there; a native addon plugs in by
 * implementing this interface and being tried first in `loadKernels`. Arrays are ordinary ArrayBuffers; outputs may
 * alias inputs of the same length.
 */
export interface Kernels {
  readonly name: string;
  /** threads that a kernel of many elements may take, 1 until it is set; WebAssembly has one */
  threads: number;

  /** ChaCha20 key stream (RFC 8439) with a zero nonce unless given, from block `counter` on. */
  chacha20(key: Uint8Array, out: Uint8Array, counter?: number, nonce?: Uint8Array): void;

  /**
   * out = `out.length` words of `bits` bits of the key stream from block `counter` on, with a zero nonce, least
   * significant bit first
   */
  streamWords(key: Uint8Array, out: Words, counter: number, bits: number): void;
  /** out = a − those words modulo 2^bits, packed */
  streamDifference(key: Uint8Array, out: Uint8Array, a: Words, counter: number, bits: number): void;

  /** out = a + b modulo 2^64 */
  add(out: Words, a: Words, b: Words): void;
  /** out = a − b modulo 2^64 */
  sub(out: Words, a: Words, b: Words): void;
  /** out = a − 2·b */
  lessTwice(out: Words, a: Words, b: Words): void;
  /** out = a·b modulo 2^64 */
  mul(out: Words, a: Words, b: Words): void;
  /** out = a & b */
  and(out: Words, a: Words, b: Words): void;
  /** out = a ^ b */
  xor(out: Words, a: Words, b: Words): void;
  /** out = (a·scale + offset) mod 2^bits */
  affine(out: Words, a: Words, scale: bigint, offset: bigint, bits: number): void;
  /** sums of `rows` rows of `a.length / rows` words */
  rowSum(out: Words, a: Words, rows: number): void;
  /**
   * out = A·B modulo 2^64, or modulo 2^bits where the shape says so
   * @param b words, or what `packMatrix` has made of them for this very layout
   */
  matMul(out: Words, a: Words, b: Words | PackedMatrix, shape: MatMulShape): void;
  /** C = U·B modulo 2^bits, `entries` those of a sparse U */
  sparseMatMul(out: Words, entries: Words, b: Words, pattern: SparsePattern, bits: number): void;
  /** the right operand of a product as these kernels read it, for one that serves many products */
  packMatrix(b: Words, layout: MatrixLayout): PackedMatrix;
  /** the words of a packed matrix, in their own order */
  unpackMatrix(out: Words, packed: PackedMatrix): void;

  /** `bits` low bits of every word, least significant first, back to back */
  pack(out: Uint8Array, a: Words, bits: number): void;
  /** what `maskForOpening` makes of x and r, packed */
  packOpening(out: Uint8Array, x: Words, r: Words, how: OpeningMask): void;
  /** words of `bits` bits, back to back as `pack` writes them */
  unpack(out: Words, bytes: Uint8Array, bits: number): void;

  /** out = a + b modulo 2^bits, of two packed arrays */
  unpackSum(out: Words, a: Uint8Array, b: Uint8Array, bits: number): void;

  /**
   * A strided copy: out of shape `shape`, of at most 16 axes, takes its element at index (i0, i1, …) from offset + Σ
   * ij·strides[j]. Stride 0 broadcasts, a negative one reverses, so transpose, slice, tile, broadcast and overlapping
   * windows are all this.
   */
  gather(out: Words, a: Words, shape: readonly number[], strides: readonly number[], offset: number): void;
  /** bit `bit` of m set ? one : zero, word by word */
  choose(out: Words, m: Words, zero: Words, one: Words, bit: number): void;

  /** words = round(v·2^fracBits), ties to even */
  encode(out: Words, v: Float32Array, fracBits: number): void;
  /** v = the low `bits` bits of each word, signed, over 2^fracBits */
  decode(out: Float64Array, a: Words, bits: number, fracBits: number): void;

  /** what a party opens of its share x under its half r of the mask */
  maskForOpening(out: Words, x: Words, r: Words, how: OpeningMask): void;
  /** share of y from m = y + offset + r mod 2^k, with w and w + msb r (protocols section 4) */
  lift(out: Words, m: Words, r: Words, w: Words, wh: Words, k: number, offset: bigint, first: boolean): void;

  /**
   * A lifted opening brought to 2^bits (protocols section 4): m' = m + 2^k·opened − offset modulo 2^bits, and share' =
   * share + 2^k([first]·opened − wrap − r), wrap the share of the wrap-around that m names.
   */
  extend(m: Words, share: Words, from: LiftedOpening, opened: Words, r: Words, how: Extension): void;

  /** what a row says of chunk r_c of every r */
  chunkTables(out: Uint16Array, r: Words, row: TableRow): void;
  /**
   * planes of the entries that bits of m − tau name; `tables` are rows of `stride` 16-bit words, one of which goes with
   * each element
   */
  pick(out: Words, m: Words, tables: Uint16Array, stride: number, tau: bigint, rows: readonly PickedRow[]): void;
  /**
   * sums[j] ^= ⊕_w bits[w] & coefficients[w + j], as many sums as there are: a Toeplitz matrix of words times bits;
   * there are as many coefficients as words and sums together, less one, or more
   */
  parities(sums: Uint32Array, bits: Uint32Array, coefficients: Uint32Array): void;
  /** bit `position` of m − tau, as a plane */
  bitPlane(out: Words, m: Words, tau: bigint, position: number): void;
  /** one word of 0 or 1 for each bit of a plane */
  planeToWords(out: Words, plane: Words): void;
  /** share of b = c ⊕ β from the plane c and the share `beta` of β */
  bitShare(out: Words, c: Words, beta: Words, first: boolean): void;
  /** share of b·x, b = c ⊕ β (protocols section 5); `wrap` when x was lifted from k bits */
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
  ): void;

  /**
   * out ^= a share of Π v over the term's planes v, each opened as o_v = v ⊕ a_v: ⊕_S (Π_{v∉S} o_v)·⟦Π_{v∈S} a_v⟧, the
   * empty product of masks being 1 at the first party and 0 at the second. `opened`, `masks` and `products` are planes
   * of out's length, one after another.
   */
  maskedProduct(out: Words, opened: Words, masks: Words, products: Words, term: MaskedTerm, first: boolean): void;

  /** planes cos ωr, sin ωr, cos 2ωr, … one after another */
  trigTables(out: Words, r: Words, how: TrigShape): void;
  /**
   * Σ a_k cos kω(m−r) + b_k sin kω(m−r); `coefficients` are the pairs (a_k, b_k), k from 1, amplitudes up to
   * `mostAmplitude`; the result has 2·fracBits
   */
  trigCombine(out: Words, m: Words, shares: Words, coefficients: Float64Array, how: TrigShape): void;
  /**
   * four planes: (1−h)e^r', h·e^r', and both times the bits of `beta`; h is bit `half` of r in units of 2^−16, r' what
   * is below it
   */
  expTables(out: Words, r: Words, beta: Words, half: number): void;
  /** bit·factor·e^(−u), factor ≤ 1 public */
  expCombine(out: Words, m: Words, c: Words, shares: Words, factor: number, half: number): void;
}
