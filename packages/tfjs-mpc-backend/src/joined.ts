/** What several wait for together, such as one run that several reads are answered by. */
import { throwIfAborted, unless } from '@secformer/party-node';

/** It is given up once nobody waits for it any more. */
export class Joined<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #waiting = 0;

  /**
   * @param start begins it; its signal says that it was given up
   * @param signal gives it up for all who wait
   */
  constructor(start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal) {
    const stop = () => this.#controller.abort(signal!.reason);
    this.#result = unless(signal, () => start(this.#controller.signal), { stop });
    this.#result.catch(() => {});
  }

  /** Nobody who comes now can wait for it. */
  get isGivenUp(): boolean {
    return this.#controller.signal.aborted;
  }

  /** @param signal ends this wait alone */
  async wait(signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    this.#waiting++;
    const stop = () => {
      if (--this.#waiting === 0) this.#controller.abort(signal!.reason);
    };
    return unless(signal, () => this.#result, { stop });
  }

  /** Resolves when it is over, however it ended. */
  async over(): Promise<void> {
    await this.#result.catch(() => {});
  }
}
