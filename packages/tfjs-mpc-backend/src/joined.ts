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
  wait(signal?: AbortSignal): Promise<T> {
    return Joined.#hold([this], signal, () => this.#result);
  }

  /** Waits for all of them. @param signal ends this wait alone */
  static all<T>(joined: readonly Joined<T>[], signal?: AbortSignal): Promise<T[]> {
    return Joined.#hold(joined, signal, () => Promise.all(joined.map((j) => j.#result)));
  }

  /** Waits until all of them are over, however they end. @param signal ends this wait alone */
  static allOver<T>(joined: readonly Joined<T>[], signal?: AbortSignal): Promise<unknown> {
    return Joined.#hold(joined, signal, () => Promise.allSettled(joined.map((j) => j.#result)));
  }

  /** One listener for all that are waited for, however many they are. */
  static async #hold<T, R>(
    joined: readonly Joined<T>[],
    signal: AbortSignal | undefined,
    result: () => Promise<R>,
  ): Promise<R> {
    throwIfAborted(signal);
    for (const j of joined) j.#waiting++;
    const stop = () => {
      for (const j of joined) if (--j.#waiting === 0) j.#controller.abort(signal!.reason);
    };
    return unless(signal, result, { stop });
  }

  /** Resolves when it is over, however it ended. */
  async over(): Promise<void> {
    await this.#result.catch(() => {});
  }
}
