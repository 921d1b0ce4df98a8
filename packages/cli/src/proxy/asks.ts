/** Asks at the nodes: so many at a time, in the order in which they come, and none for a client that has gone. */
import { limits } from './limits.js';

/** What `promise` gives, unless the signal comes first: then its reason is thrown, and the promise left alone. */
export async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  signal.throwIfAborted();
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

export class Asks {
  readonly #most: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(most: number = limits.asks) {
    this.#most = most;
    this.#free = most;
  }

  /**
   * Does `f` once there is a place, with the signal, which ends the run at the nodes. One that has begun keeps its
   * place until it is over, whoever still waits for it.
   */
  async run<T>(signal: AbortSignal, f: (signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.#place(signal);
    return unless(
      signal,
      f(signal).finally(() => this.#leave()),
    );
  }

  /**
   * Does all of a list, as many at a time as there are places at most, so that lists share them in turn. The first
   * failure ends the others.
   */
  async all<A, B>(
    signal: AbortSignal,
    list: readonly A[],
    f: (item: A, signal: AbortSignal) => Promise<B>,
  ): Promise<B[]> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const results: B[] = [];
    let next = 0;
    const worker = async () => {
      for (let at = next++; at < list.length; at = next++)
        results[at] = await this.run(either, () => f(list[at]!, either));
    };
    const workers = Array.from({ length: Math.min(this.#most, list.length) }, worker);
    for (const w of workers) w.catch((error) => failed.abort(error));
    await Promise.all(workers);
    return results;
  }

  async #place(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    let go = () => {};
    const turn = new Promise<void>((resolve) => {
      go = resolve;
      this.#waiting.add(go);
    });
    try {
      await unless(signal, turn);
    } catch (reason) {
      // Its place was given to it in the same moment
      if (!this.#waiting.delete(go)) this.#leave();
      throw reason;
    }
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next) {
      this.#waiting.delete(next);
      next();
    } else this.#free++;
  }
}
