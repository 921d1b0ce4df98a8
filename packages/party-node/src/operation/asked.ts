import { Deferred } from '../deferred.js';

/** Questions to a thread that may be busy: those that come while one is open share its answer. */
export class Asked<T> {
  readonly #ask: () => void;
  #open: Deferred<T> | undefined;

  /** @param ask sends the question; the answer comes to `answer` */
  constructor(ask: () => void) {
    this.#ask = ask;
  }

  answer(value: T): void {
    this.#open?.resolve(value);
    this.#open = undefined;
  }

  /** @returns the answer, or undefined where it does not come within so many milliseconds */
  async within(ms: number): Promise<T | undefined> {
    if (!this.#open) {
      this.#open = new Deferred<T>();
      this.#ask();
    }
    const { promise } = this.#open;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, ms, undefined);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
