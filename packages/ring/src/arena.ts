import { counted, inLargePages, uncounted } from './collector.js';
import { bytesOf, type Words } from './words.js';

/** Smaller arrays are left to the garbage collector: they cost it nothing that counts. */
const SMALLEST = 4096;
/**
 * Sizes are classes, so many to an octave: runs of nearly equal shapes meet the same buffers, which are an eighth too
 * large at most.
 */
const CLASSES = 8;
const STEP = SMALLEST / CLASSES;
/** Runs whose needs are remembered. */
const RUNS = 8;
/**
 * How much more is kept than recent runs took: what arrives from other nodes comes now earlier, now later. Less than a
 * run takes would not do: it takes one size after another, and with as much as it has at once a BERT makes three
 * quarters of its buffers anew each time.
 */
const ROOM = 1.125;

/** The number of a size's class; classes of larger sizes have larger ones. */
function classOf(bytes: number): number {
  if (bytes <= SMALLEST) return 0;
  const steps = Math.ceil(bytes / STEP);
  const octave = 28 - Math.clz32(steps - 1);
  return octave * CLASSES + Math.ceil(steps / 2 ** octave) - CLASSES;
}

/** The size of a class's buffers in bytes. */
function sizeOfClass(c: number): number {
  if (c === 0) return SMALLEST;
  const octave = Math.floor((c - 1) / CLASSES);
  return (c - octave * CLASSES + CLASSES) * 2 ** octave * STEP;
}

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

/** Runs `f`. What it takes of the arena in whose scope this is goes back at once, not only when that scope ends. */
export function temporarily(f: () => void): void {
  if (current) current.during(f, nothing);
  else f();
}

const nothing = () => [];

type Held = ArrayBufferView | undefined;

/**
 * Memory for words that is used again. A run of a Program makes and drops gigabytes of arrays in a few known sizes; the
 * garbage collector, which learns of them late, took a quarter of its time. Buffers are counted: a scope holds what is
 * made in it until it ends, whoever keeps a value holds its arrays until it is dead, and what nobody holds is handed
 * out again, to who asks for half as much at least. With what is in use, as much is kept as one of the last eight runs
 * took (`ended` says where one ends), each buffer counted once, and never more than the limit; the sizes that waited
 * longest go first.
 */
export class Arena {
  /** For tests: what nobody may read before it is written is filled with noise, small arrays too. */
  static spoil = false;
  #limit: number;
  /** by class, the one that waited longest first */
  readonly #spare = new Map<number, ArrayBuffer[]>();
  readonly #holds = new WeakMap<ArrayBuffer, number>();
  #spareBytes = 0;
  #usedBytes = 0;
  /** most bytes in use at once since `ended` */
  #peak = 0;
  /**
   * bytes of different buffers that were taken since `ended`, in each of the runs before, and of each buffer the last
   * run that took it, and how much of it
   */
  #taken = 0;
  readonly #takens = new Array<number>(RUNS).fill(0);
  readonly #takenBy = new WeakMap<ArrayBuffer, { run: number; bytes: number }>();
  #run = 0;
  /** spare bytes are kept as long as they and those in use are within this */
  #bound = 0;
  #madeBytes = 0;
  #made: ArrayBuffer[] = [];

  /** @param limit bytes in use and kept for later, together, whatever recent runs have taken */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes in use and kept for later, together. */
  set limit(bytes: number) {
    this.#limit = bytes;
    this.#rebound();
  }

  /** Bytes of buffers that somebody holds. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of buffers that wait to be taken again. */
  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** Most bytes in use at once since `ended` was last called. */
  get peakBytes(): number {
    return this.#peak;
  }

  /** Bytes of all buffers that were ever made, for want of a spare one. */
  get madeBytes(): number {
    return this.#madeBytes;
  }

  /**
   * Says that a run is over, whichever of those under way: what the last eight had no use for goes. A run in whose time
   * others ran as well counts with what all of them had in use.
   */
  ended(): void {
    this.#takens[this.#run % RUNS] = this.#taken;
    this.#startRun();
  }

  #startRun(): void {
    this.#run++;
    this.#taken = this.#usedBytes;
    this.#peak = this.#usedBytes;
    this.#rebound();
  }

  /**
   * Lets go of all that is spare, and forgets what runs took, when none is expected soon. The collector frees it,
   * whenever it runs next.
   */
  rest(): void {
    counted(this.#spareBytes);
    this.#spare.clear();
    this.#spareBytes = 0;
    this.#takens.fill(0);
    this.#startRun();
  }

  /**
   * Runs `f`, whose arrays come from here. Of those, what `keeps` names of its result is held for the caller, who
   * releases it; the rest is free again.
   */
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

  /** Lets go of arrays that were held; what nobody holds any more is handed out again. */
  release(arrays: Iterable<Held>): void {
    for (const w of arrays) if (w && this.#holds.has(w.buffer as ArrayBuffer)) this.#drop(w.buffer as ArrayBuffer);
  }

  /** Gives arrays away for good: they never come back here. */
  disown(arrays: Iterable<Held>): void {
    for (const w of arrays)
      if (w && this.#holds.delete(w.buffer as ArrayBuffer)) {
        this.#usedBytes -= w.buffer.byteLength;
        counted(w.buffer.byteLength);
      }
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
    const c = classOf(n * 8);
    const bytes = sizeOfClass(c);
    let buffer = this.#spareOf(c);
    this.#usedBytes += buffer?.byteLength ?? bytes;
    if (this.#usedBytes > this.#peak) this.#peak = this.#usedBytes;
    if (buffer) {
      this.#spareBytes -= buffer.byteLength;
      this.#count(buffer, bytes);
    } else {
      this.#trim();
      buffer = inLargePages(uncounted(bytes));
      this.#madeBytes += bytes;
      this.#count(buffer, bytes);
    }
    this.#holds.set(buffer, 1);
    this.#made.push(buffer);
    return new BigUint64Array(buffer, 0, n);
  }

  /** The smallest spare buffer from a class, or up to an octave above it. */
  #spareOf(c: number): ArrayBuffer | undefined {
    for (let larger = c; larger <= c + CLASSES; larger++) {
      const buffer = this.#spare.get(larger)?.pop();
      if (buffer) return buffer;
    }
    return undefined;
  }

  /** Counts a buffer with the run, by what was asked for: a larger one would do no harm to lose. */
  #count(buffer: ArrayBuffer, bytes: number): void {
    const last = this.#takenBy.get(buffer);
    if (last?.run === this.#run) {
      if (bytes <= last.bytes) return;
      this.#taken += bytes - last.bytes;
      last.bytes = bytes;
    } else {
      if (last) Object.assign(last, { run: this.#run, bytes });
      else this.#takenBy.set(buffer, { run: this.#run, bytes });
      this.#taken += bytes;
    }
    if (ROOM * this.#taken > this.#bound) this.#bound = Math.min(this.#limit, ROOM * this.#taken);
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
    const c = classOf(bytes);
    const sameSize = this.#spare.get(c) ?? [];
    // Last used, last to go
    this.#spare.delete(c);
    this.#spare.set(c, sameSize);
    sameSize.push(buffer);
    this.#spareBytes += bytes;
    this.#trim();
  }

  #rebound(): void {
    this.#bound = Math.min(this.#limit, ROOM * Math.max(this.#taken, ...this.#takens));
    this.#trim();
  }

  #trim(): void {
    while (this.#usedBytes + this.#spareBytes > this.#bound) {
      const oldest = this.#spare.keys().next();
      if (oldest.done) return;
      const buffers = this.#spare.get(oldest.value)!;
      if (!buffers.pop()) {
        this.#spare.delete(oldest.value);
        continue;
      }
      const bytes = sizeOfClass(oldest.value);
      this.#spareBytes -= bytes;
      counted(bytes);
    }
  }
}
