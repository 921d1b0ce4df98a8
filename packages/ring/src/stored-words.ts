import { scratch } from './arena.js';
import { outlived } from './collector.js';
import type { Kernels, MatrixLayout, PackedMatrix } from './kernels.js';
import type { Words } from './words.js';

/**
 * Words that stay for many runs. Once they have been the right operand of a matrix product they lie as the kernel reads
 * them, and not as words too: a model's weights are packed once and take their memory once. Whoever asks for the words
 * then gets a copy in their own order.
 */
export class StoredWords {
  readonly #kernels: Kernels;
  readonly #bits: number;
  #words: Words | undefined;
  #packed: PackedMatrix | undefined;

  /**
   * @param words this object's from now on, best made by `lasting`
   * @param bits the words are below 2^bits
   */
  constructor(kernels: Kernels, words: Words, bits = 64) {
    this.#kernels = kernels;
    this.#words = words;
    this.#bits = bits;
  }

  /** Bytes that they take in memory. */
  get byteLength(): number {
    return (this.#words ?? this.#packed!.words).byteLength;
  }

  /** The words in their own order; a copy where they are packed. */
  get words(): Words {
    if (this.#words) return this.#words;
    const { k, n } = this.#packed!;
    const out = scratch(k * n);
    this.#kernels.unpackMatrix(out, this.#packed!);
    return out;
  }

  /** As the right operand of products of this layout: packed if nothing of the words would be lost. */
  packed({ k, n, transposeB = false, bits = 64 }: MatrixLayout): PackedMatrix | Words {
    if (bits < this.#bits) return this.words;
    const p = this.#packed;
    if (p && p.k === k && p.n === n && p.transposeB === transposeB && p.bits === bits) return p;
    const before = this.#packed?.words ?? this.#words!;
    this.#packed = this.#kernels.packMatrix(this.words, { k, n, transposeB, bits });
    this.#words = undefined;
    // In WebAssembly these are the same
    if (this.#packed.words !== before) outlived(before);
    return this.#packed;
  }
}
