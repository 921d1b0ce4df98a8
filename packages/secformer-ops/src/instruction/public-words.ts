import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { checkFixed, type Kernels, largestOf, StoredWords, scratch, type Words } from '@secformer/ring';
import { PUBLIC_BITS, publicBits } from './types.js';

/** What brings a word of `bits` bits, sign included, to 64: half of its range is added, and taken away again. */
const half = (bits: number) => 1n << BigInt(bits - 1);

/**
 * A tensor that both parties have in full, as products read it: it is held once, packed once it has been the right
 * operand of a matrix product. Nothing of it is secret.
 */
export class PublicWords {
  /** modulo 2^49, for products modulo that */
  readonly stored: StoredWords;
  readonly #kernels: Kernels;

  /**
   * @param words below 2^bits, signed, in an array that no arena holds, which is this tensor's from now on
   * @param bits up to 49
   */
  constructor(kernels: Kernels, words: Words, bits: number) {
    this.#kernels = kernels;
    kernels.affine(words, words, 1n, half(bits), bits);
    kernels.affine(words, words, 1n, BigInt.asUintN(64, -half(bits)), PUBLIC_BITS);
    this.stored = new StoredWords(kernels, words, PUBLIC_BITS);
  }

  /** Bytes that it takes in memory. */
  get byteLength(): number {
    return this.stored.byteLength;
  }

  /** The words modulo 2^64, a copy. */
  get words(): Words {
    const { words } = this.stored;
    const out = scratch(words.length);
    this.#kernels.affine(out, words, 1n, half(PUBLIC_BITS), PUBLIC_BITS);
    this.#kernels.affine(out, out, 1n, BigInt.asUintN(64, -half(PUBLIC_BITS)), 64);
    return out;
  }
}

/** Fractional bits of a public tensor: of a sum of many products its rounding is most of the error. */
const FRAC_BITS = 18;
/** Tensors of which all is below 2^−6 have more, so that 12 significant bits are left of the largest. */
const SMALL = -6;
const MOST_FRAC_BITS = 40;

/** A public tensor as it travels: what a word has, and the words. */
export interface EncodedPublic {
  fracBits: number;
  /** |real| < 2^magnitude: of the values themselves, for they may be known */
  magnitude: number;
  /** below 2^(fracBits + magnitude + 1) */
  words: Words;
}

/**
 * The scale and the range of a public tensor, which follow from its values.
 * @param top the largest of them, sign apart
 */
export function publicFormat(
  values: Float32Array,
  top: number = largestOf(values),
): Pick<EncodedPublic, 'fracBits' | 'magnitude'> {
  const least = -MOST_FRAC_BITS / 2;
  let magnitude = top === 0 ? least : Math.max(least, Math.floor(Math.log2(top)) + 1);
  const fracBits = Math.min(MOST_FRAC_BITS, FRAC_BITS + Math.max(0, SMALL - magnitude));
  // What is rounded up to a power of two needs a bit more
  if (Math.round(top * 2 ** fracBits) >= 2 ** (fracBits + magnitude)) magnitude++;
  return { fracBits, magnitude };
}

/**
 * Encodes a public tensor at the scale and in the range of `publicFormat`.
 * @param what for messages
 * @throws EncodingError where a value is not finite or beyond ±2^14
 */
export function encodePublic(kernels: Kernels, values: Float32Array, what: string): EncodedPublic {
  const format = publicFormat(values, checkFixed(values, 14, what));
  const words = new BigUint64Array(values.length);
  kernels.encode(words, values, format.fracBits);
  kernels.affine(words, words, 1n, 0n, publicBits(format));
  return { ...format, words };
}

/** SHA-256 of bytes, in hex. */
export const digestOf = (bytes: Uint8Array): string => bytesToHex(sha256(bytes));

/** What the SHA-256 digest of a public tensor begins with, before its packed words. */
export function publicHead(count: number, bits: number): Uint8Array {
  return new TextEncoder().encode(`secformer public tensor: ${count} words of ${bits} bits\n`);
}
