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

  get words(): Words {
    return this.#words;
  }

  toString(): string {
    return `[Share ${this.shape.join('x') || 'scalar'}]`;
  }

  toJSON(): string {
    return this.toString();
  }

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

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  toString(): string {
    return '[Secret]';
  }

  toJSON(): string {
    return '[Secret]';
  }

  [inspect](): string {
    return '[Secret]';
  }
}
