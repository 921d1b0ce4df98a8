import type { Arena } from '@secformer/ring';
import { Deferred } from '../deferred.js';
import { limits } from '../limits.js';

/** Bytes that are credited at a time. */
const CREDIT = limits.dealerLeadBytes / 8;

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
  #credited = 0;
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

  /** Waits until all there is has come, or what the dealer may send of it before more is taken. */
  async filled(window: number, total: number, wait: Wait): Promise<void> {
    // Credits and the dealer's frames come in steps
    await this.#reached(Math.min(total, this.#given + window - CREDIT - limits.frameBytes), wait);
  }

  async #reached(bytes: number, wait: Wait): Promise<void> {
    while (this.received < bytes) {
      this.#arrived = new Deferred<void>();
      await wait(this.#arrived.promise);
    }
  }

  /** Lets go of everything, when the run is over. */
  clear(): void {
    this.#arena.release(this.#lent.splice(0));
    this.#arena.release(this.#chunks.splice(0));
  }

  /** The next bytes, valid until the next call: a view where one chunk has them all. */
  async take(bytes: number, wait: Wait): Promise<Uint8Array> {
    this.#arena.release(this.#lent.splice(0));
    this.#given += bytes;
    while (this.received < this.#given) {
      // What has come of it is as good as used up: one block may be larger than all the dealer sends ahead
      this.#credit(this.received, 1);
      await this.#reached(this.received + 1, wait);
    }
    const out = this.#next(bytes);
    this.#credit(this.#given, CREDIT);
    return out;
  }

  #credit(total: number, least: number): void {
    if (total - this.#credited < least) return;
    this.onTaken(total - this.#credited);
    this.#credited = total;
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
