import { type Kernels, KeyStream, type Secret, StoredWords, scratch, type Words } from '@secformer/ring';

/** What a party holds of a stored opening: m and r_i, both made anew whenever they are read. */
interface StoredAtParty {
  readonly stored: StoredOpening;
  readonly m: Words;
  readonly half: Words;
}

/** What the dealer holds of it: r, made anew whenever it is read, and r1 − r0. */
interface StoredAtDealer {
  readonly stored: StoredOpening;
  readonly r: Words;
  readonly difference: Words;
}

/**
 * The opening m = y + r of a tensor that stays for many runs, as matrix products read it: m − 2r_i at party i, r1 − r0
 * at the dealer. Either is the whole, m or r, less twice a half of the mask (P0's at the dealer), whose stream can be
 * drawn again; so nothing else is kept.
 * View: what each node knew when it was opened and no more. The stream is drawn again for the value that it has masked,
 * and never for another: a weight that changes is another tensor, opened by another run under that run's key.
 */
export class StoredOpening {
  readonly words: StoredWords;
  readonly width: number;
  readonly #kernels: Kernels;
  readonly #key: Secret;
  readonly #length: number;

  /**
   * @param words below 2^bits, in an array that no arena holds
   * @param key of the half of the mask
   */
  constructor(kernels: Kernels, words: Words, bits: number, width: number, key: Secret) {
    this.words = new StoredWords(kernels, words, bits);
    this.width = width;
    this.#kernels = kernels;
    this.#key = key;
    this.#length = words.length;
  }

  /** Bytes that it takes in memory. */
  get byteLength(): number {
    return this.words.byteLength;
  }

  #half(): Words {
    return new KeyStream(this.#kernels, this.#key).words(this.#length, this.width);
  }

  #whole(half: Words): Words {
    const out = scratch(half.length);
    this.#kernels.add(out, half, half);
    this.#kernels.add(out, out, this.words.words);
    this.#kernels.affine(out, out, 1n, 0n, this.width);
    return out;
  }

  /** As a value at party i: m and r_i are made of what is stored each time they are read. */
  atParty(): StoredAtParty {
    const half = () => this.#half();
    const whole = () => this.#whole(half());
    return {
      stored: this,
      get m() {
        return whole();
      },
      get half() {
        return half();
      },
    };
  }

  /** As a value at the dealer: r is made each time it is read, r1 − r0 is what is stored. */
  atDealer(): StoredAtDealer {
    const whole = () => this.#whole(this.#half());
    const { words } = this;
    return {
      stored: this,
      get r() {
        return whole();
      },
      get difference() {
        return words.words;
      },
    };
  }
}
