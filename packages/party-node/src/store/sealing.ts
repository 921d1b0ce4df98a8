/**
 * How the files of a store are encrypted and authenticated under the operator's key. Each file has a key of its own,
 * drawn anew whenever one is written (HKDF-SHA256 over 32 random bytes), so a chunk's number will do as its nonce: no
 * pair of key and nonce comes twice, however often a model is stored. The chunk's place, the file and the sharing that
 * it belongs to are authenticated with it.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Secret } from '@secformer/ring';
import { Damage } from './failures.js';

/** Random bytes that an encrypted file begins with. */
export const SALT_BYTES = 32;
/** What encryption adds to each chunk. */
export const TAG_BYTES = 16;

/** Where a chunk belongs. */
export interface FilePlace {
  /** of the model's sharing */
  generation: string;
  /** name of the file */
  file: string;
  /** bytes of the file's content */
  total: number;
}

const derived = (key: Uint8Array, salt: Uint8Array, info: string) =>
  new Uint8Array(hkdfSync('sha256', key, salt, `secformer store\n${info}`, 32));

const NO_SALT = new Uint8Array(0);

/** The keys of a store; of one without encryption, what stands in their place. */
export class Sealing {
  readonly #key: Uint8Array | undefined;
  readonly #indexKey: Uint8Array | undefined;
  /** tells keys apart and says nothing of them; undefined without encryption */
  readonly keyName: string | undefined;

  /** @param key undefined for a store in the clear */
  constructor(key: Secret | undefined) {
    this.#key = key?.bytes;
    this.#indexKey = this.#key && derived(this.#key, NO_SALT, 'index');
    this.keyName = this.#key && Buffer.from(derived(this.#key, NO_SALT, 'name').subarray(0, 8)).toString('hex');
  }

  /** HMAC-SHA256 of a model's index under the key, or its SHA-256 without one. */
  digest(text: string): string {
    return (this.#indexKey ? createHmac('sha256', this.#indexKey) : createHash('sha256')).update(text).digest('hex');
  }

  /** How a fresh file is encrypted; undefined without encryption. */
  fresh(place: FilePlace): FileCipher | undefined {
    return this.#key && new FileCipher(this.#key, randomBytes(SALT_BYTES), place);
  }

  /** The same for a file that begins with this salt. */
  existing(salt: Uint8Array, place: FilePlace): FileCipher {
    return new FileCipher(this.#key!, salt, place);
  }
}

/** AES-256-GCM of one file's chunks. */
export class FileCipher {
  readonly #key: Uint8Array;
  readonly #place: FilePlace;
  /** the next chunk to be encrypted: no number serves twice */
  #next = 0;

  constructor(
    key: Uint8Array,
    readonly salt: Uint8Array,
    place: FilePlace,
  ) {
    this.#key = derived(key, salt, `file\n${place.generation}\n${place.file}`);
    this.#place = place;
  }

  #nonce(chunk: number): Uint8Array {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(8, chunk);
    return nonce;
  }

  #about(chunk: number): Uint8Array {
    const { generation, file, total } = this.#place;
    return Buffer.from(`${generation}\n${file}\n${chunk}\n${total}`);
  }

  /** The next chunk of the file and its tag, to be written one after the other. */
  encrypt(chunk: Uint8Array): Uint8Array[] {
    const i = this.#next++;
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce(i));
    cipher.setAAD(this.#about(i));
    const text = cipher.update(chunk);
    cipher.final();
    return [text, cipher.getAuthTag()];
  }

  /** @param sealed chunk number `i` and its tag. @throws Damage where it is not what was encrypted here */
  decrypt(i: number, sealed: Uint8Array): Uint8Array {
    const end = sealed.length - TAG_BYTES;
    const cipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce(i), { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#about(i));
    cipher.setAuthTag(sealed.subarray(end));
    const chunk = cipher.update(sealed.subarray(0, end));
    try {
      cipher.final();
    } catch {
      throw new Damage(`${this.#place.file} was altered (chunk ${i})`);
    }
    return chunk;
  }
}
