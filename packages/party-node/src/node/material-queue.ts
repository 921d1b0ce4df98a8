import type { Arena } from '@secformer/ring';
import { limits } from '../limits.js';
import { Deferred } from './run.js';

type Wait = (p: Promise<void>) => Promise<void>;

/** Corrections as they come from the dealer, handed out in its order. Chunks are of the arena and go back there. */
export class MaterialQueue {
  received = 0;
  /** called with the bytes that were used up, so that the dealer may send more */
  onTaken: (bytes: number) => void = () => {};
  readonly #arena: Arena;
  readonly #chunks: Uint8Array[] = [];
  /** how far the first chunk is used up */
  #at = 0;
  #given = 0;
  #uncredited = 0;
  /** what the caller of `take` may be reading */
  readonly #lent: Uint8Array[] = [];
  #arrived = new Deferred<void>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.received += chunk.length;
    this.#arrived.resolve();
  }

  /** The next bytes, valid until the next call: a view where one chunk has them all. */
  async take(bytes: number, wait: Wait): Promise<Uint8Array> {
    this.#arena.release(this.#lent.splice(0));
    this.#given += bytes;
    while (this.received < this.#given) {
      this.#arrived = new Deferred<void>();
      await wait(this.#arrived.promise);
    }
    const out = this.#next(bytes);
    this.#uncredited += bytes;
    if (this.#uncredited >= limits.dealerLeadBytes / 8) {
      this.onTaken(this.#uncredited);
      this.#uncredited = 0;
    }
    return out;
  }

  #next(bytes: number): Uint8Array {
    const [head] = this.#chunks;
    if (head && head.length - this.#at >= bytes) return this.#part(head, bytes);
    const out = this.#arena.borrow(bytes);
    this.#lent.push(out);
    for (let filled = 0; filled < bytes; ) {
      const chunk = this.#chunks[0]!;
      const part = this.#part(chunk, Math.min(chunk.length - this.#at, bytes - filled));
      out.set(part, filled);
      filled += part.length;
    }
    return out;
  }

  #part(chunk: Uint8Array, bytes: number): Uint8Array {
    const part = chunk.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    if (this.#at === chunk.length) {
      this.#chunks.shift();
      this.#at = 0;
      this.#lent.push(chunk);
    }
    return part;
  }
}
