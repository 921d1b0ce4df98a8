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
 * All that a node holds of a stored opening, for a disk that nobody else reads: with the share of the same tensor, what
 * a party's half of the mask follows from is as secret as that share.
 */
export interface OpeningSecrets {
  /** below 2^bits, in the tensor's own order */
  words: Words;
  bits: number;
  width: number;
  /** of the half of the mask: 32 bytes */
  key: Secret;
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
  readonly #bits: number;

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
    this.#bits = bits;
  }

  /**
   * What `secrets` gave out, perhaps to another process, as the opening that it was.
   * @param secrets words in an array that no arena holds
   */
  static fromSecrets(kernels: Kernels, { words, bits, width, key }: OpeningSecrets): StoredOpening {
    return new StoredOpening(kernels, words, bits, width, key);
  }

  /** What is secret of it but for the words: see `secrets`. */
  get parts(): Omit<OpeningSecrets, 'words'> {
    return { bits: this.#bits, width: this.width, key: this.#key };
  }

  /**
   * The words, in an array of their own, and the key of the mask: secret, to be kept where the share of the tensor may
   * be and nowhere else. The mask is the same one when it is drawn again, and must go on masking this tensor alone.
   */
  secrets(): OpeningSecrets {
    const words = new BigUint64Array(this.#length);
    this.#kernels.affine(words, this.words.words, 1n, 0n, this.#bits);
    return { words, ...this.parts };
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
