/** States of the thread. */
const STARTING = 0;
const RUNNING = 1;
const ENDED = 2;

/** How often the thread shows that it lives. */
const BEAT_MS = 1000;

/**
 * What a thread tells of itself in shared memory: whoever waits for it without an event loop hears neither its 'error'
 * nor its 'exit'. A thread that ends says so; one that is ended from outside, or runs out of memory, stops beating.
 */
export class Pulse {
  readonly words: Int32Array<SharedArrayBuffer>;

  constructor(words = new Int32Array(new SharedArrayBuffer(8))) {
    this.words = words;
  }

  get started(): boolean {
    return Atomics.load(this.words, 0) !== STARTING;
  }

  get ended(): boolean {
    return Atomics.load(this.words, 0) === ENDED;
  }

  get beats(): number {
    return Atomics.load(this.words, 1);
  }

  /** In the thread, first of all. */
  start(): void {
    Atomics.store(this.words, 0, RUNNING);
    setInterval(() => Atomics.add(this.words, 1, 1), BEAT_MS).unref();
  }

  /** In the thread, last of all. */
  end(): void {
    Atomics.store(this.words, 0, ENDED);
  }
}
