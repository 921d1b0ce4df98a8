import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { FrameChannel, FrameCipher } from '@secformer/ring';

/**
 * Frames of one key: of a MiB each these are 64 GiB, a sixth of what RFC 8446, section 5.5, allows a key of AES-GCM.
 */
const FRAMES = 2 ** 16;

/**
 * Seals or opens the frames of one direction, in their order: a frame's number is its nonce and is never sent, so one
 * that is repeated, left out or out of order does not open. Every 65,536 frames both ends go on with a key that follows
 * from the one before, which is forgotten.
 */
export class FrameCiphers {
  readonly #channel: FrameChannel;
  readonly #seals: boolean;
  #key: Uint8Array;
  #cipher: FrameCipher;
  #number = 0;

  readonly #most: number;

  /**
   * @param key of 32 bytes, which is this object's from now on
   * @param most frames of one key
   */
  constructor(channel: FrameChannel, key: Uint8Array, seals: boolean, most = FRAMES) {
    this.#most = most;
    this.#channel = channel;
    this.#key = key;
    this.#seals = seals;
    this.#cipher = channel.cipher(key, seals);
  }

  /** The next frame. @returns whether it was sealed, or is what was sealed */
  next(frame: Uint8Array): boolean {
    if (this.#number === this.#most) this.#ratchet();
    const n = this.#number++;
    return this.#seals ? this.#channel.seal(this.#cipher, frame, n) : this.#channel.open(this.#cipher, frame, n);
  }

  #ratchet(): void {
    const next = hkdf(sha256, this.#key, undefined, utf8ToBytes('secformer data next key'), 32);
    this.#key.fill(0);
    this.#key = next;
    this.#cipher = this.#channel.cipher(next, this.#seals);
    this.#number = 0;
  }
}
