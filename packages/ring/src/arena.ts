import { bytesOf, type Words } from './words.js';

/** Smaller arrays are left to the garbage collector: they cost it nothing that counts. */
const SMALLEST = 4096;
/** Sizes are rounded up to a page, so that equal shapes meet equal buffers. */
const PAGE = 4096;

let current: Arena | undefined;

/** @returns `n` zero words, of the arena in whose scope this runs, if any */
export function zeros(n: number): Words {
  const words = scratch(n);
  // What comes from the collector's heap is clear already
  if (Arena.spoil || (current && words.buffer.byteLength >= SMALLEST)) bytesOf(words).fill(0);
  return words;
}

/** @returns `n` words of any content, for what writes each of them before it reads it */
export function scratch(n: number): Words {
  const words = current && n * 8 >= SMALLEST ? current.take(n) : new BigUint64Array(n);
  return Arena.spoil ? words.fill(0x5bd1e995a5a5a5a5n) : words;
}

/** @returns `n` bytes of any content */
export function scratchBytes(n: number): Uint8Array {
  return bytesOf(scratch(Math.ceil(n / 8))).subarray(0, n);
}

type Held = ArrayBufferView | undefined;

/**
 * Memory for words that is used again. A run of a Program makes and drops gigabytes of arrays in a few known sizes; the garbage collector, which learns of
 * them late, took a quarter of its time. Buffers are counted: a scope holds what is made in it until it ends, whoever keeps a value holds its arrays until
 * it is dead, and what nobody holds is handed out again.
 */
export class Arena {
  /** For tests: what nobody may read before it is written is filled with noise, small arrays too. */
  static spoil = false;
  #limit: number;
  readonly #spare = new Map<number, ArrayBuffer[]>();
  readonly #holds = new WeakMap<ArrayBuffer, number>();
  #spareBytes = 0;
  #usedBytes = 0;
  #made: ArrayBuffer[] = [];

  /** @param limit bytes in use and kept for later, together; beyond it the sizes that waited longest go */
  constructor(limit: number) {
    this.#limit = limit;
  }

  set limit(bytes: number) {
    this.#limit = bytes;
    this.#trim();
  }

  /** Runs `f`, whose arrays come from here. Of those, what `keeps` names of its result is held for the caller, who releases it; the rest is free again. */
  during<T>(f: () => T, keeps: (result: T) => Iterable<Held>): T {
    const [outer, made] = [current, this.#made];
    current = this;
    this.#made = [];
    try {
      const result = f();
      this.hold(keeps(result));
      return result;
    } finally {
      for (const buffer of this.#made) this.#drop(buffer);
      this.#made = made;
      current = outer;
    }
  }

  /** Arrays of other origin are passed over, here and in `release`. */
  hold(arrays: Iterable<Held>): void {
    for (const w of arrays) {
      const n = w && this.#holds.get(w.buffer as ArrayBuffer);
      if (n !== undefined) this.#holds.set(w!.buffer as ArrayBuffer, n + 1);
    }
  }

  release(arrays: Iterable<Held>): void {
    for (const w of arrays) if (w && this.#holds.has(w.buffer as ArrayBuffer)) this.#drop(w.buffer as ArrayBuffer);
  }

  /** Gives arrays away for good: they never come back here. */
  disown(arrays: Iterable<Held>): void {
    for (const w of arrays) if (w && this.#holds.delete(w.buffer as ArrayBuffer)) this.#usedBytes -= w.buffer.byteLength;
  }

  /** `n` bytes of any content, held for the caller. */
  borrow(n: number): Uint8Array {
    return this.during(
      () => scratchBytes(n),
      (bytes) => [bytes],
    );
  }

  /** `n` words of any content, held by the scope that is open. */
  take(n: number): Words {
    const bytes = Math.ceil((n * 8) / PAGE) * PAGE;
    let buffer = this.#spare.get(bytes)?.pop();
    this.#usedBytes += bytes;
    if (buffer) {
      this.#spareBytes -= bytes;
    } else {
      this.#trim();
      buffer = new ArrayBuffer(bytes);
    }
    this.#holds.set(buffer, 1);
    this.#made.push(buffer);
    return new BigUint64Array(buffer, 0, n);
  }

  #drop(buffer: ArrayBuffer): void {
    const n = this.#holds.get(buffer);
    if (n === undefined) return;
    if (n > 1) {
      this.#holds.set(buffer, n - 1);
      return;
    }
    this.#holds.delete(buffer);
    const bytes = buffer.byteLength;
    this.#usedBytes -= bytes;
    const sameSize = this.#spare.get(bytes) ?? [];
    // Last used, last to go
    this.#spare.delete(bytes);
    this.#spare.set(bytes, sameSize);
    sameSize.push(buffer);
    this.#spareBytes += bytes;
    this.#trim();
  }

  #trim(): void {
    for (const [size, buffers] of this.#spare) {
      while (this.#usedBytes + this.#spareBytes > this.#limit && buffers.pop()) this.#spareBytes -= size;
      if (buffers.length > 0) break;
      this.#spare.delete(size);
    }
  }
}
