import { SecformerError } from './errors.js';
import { sizeOf, type Words } from './words.js';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/**
 * One party's additive share of a tensor. It prints as its shape alone; its words are reachable only through `words`.
 */
export class Share {
  readonly #words: Words;
  readonly shape: readonly number[];

  constructor(words: Words, shape: readonly number[]) {
    if (words.length !== sizeOf(shape)) {
      throw new SecformerError(
        'SHAPE_MISMATCH',
        `a share of shape [${shape}] has ${sizeOf(shape)} words, got ${words.length}`,
      );
    }
    this.#words = words;
    this.shape = shape;
  }

  /** The words themselves, modulo 2^64: secret, and not to be printed. */
  get words(): Words {
    return this.#words;
  }

  /** As it prints: its shape alone. */
  toString(): string {
    return `[Share ${this.shape.join('x') || 'scalar'}]`;
  }

  /** As it prints: its shape alone. */
  toJSON(): string {
    return this.toString();
  }

  /** As it prints: its shape alone. */
  [inspect](): string {
    return this.toString();
  }
}

/** 32 secret bytes: a seed, a key or a token's hash. It prints as `[Secret]`. */
export class Secret {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    if (bytes.length !== 32) throw new SecformerError('BAD_SECRET', `a secret has 32 bytes, got ${bytes.length}`);
    this.#bytes = bytes;
  }

  /** The 32 bytes themselves: not to be printed. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** As it prints: nothing of it. */
  toString(): string {
    return '[Secret]';
  }

  /** As it prints: nothing of it. */
  toJSON(): string {
    return '[Secret]';
  }

  /** As it prints: nothing of it. */
  [inspect](): string {
    return '[Secret]';
  }
}
