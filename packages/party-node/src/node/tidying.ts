/** When a node gives memory back to the machine: between runs, if it has much more than it counts. */
import { limits } from '../limits.js';
import { giveUpMemory } from './garbage.js';

export class Tidying {
  readonly #ownMemory: number | undefined;
  readonly #tidied: (() => void) | undefined;
  #last = performance.now();
  #pauseMs: number = limits.tidyMs;

  /**
   * @param ownMemory bytes that the process had before it did anything; where that is not known, nothing is compared
   * @param tidied called each time that this thread has given memory back
   */
  constructor(ownMemory: number | undefined, tidied: (() => void) | undefined) {
    this.#ownMemory = ownMemory;
    this.#tidied = tidied;
  }

  /** Where the process has much more than what is counted, that is garbage. @param counted bytes beside its own */
  afterRun(counted: () => number): void {
    if (this.#ownMemory === undefined || performance.now() - this.#last < this.#pauseMs) return;
    const expected = this.#ownMemory + counted();
    const before = process.memoryUsage.rss();
    if (before <= (1 + limits.untidyPart) * expected + limits.untidyBytes) return;
    this.tidy();
    const useful = process.memoryUsage.rss() < (1 - limits.tidyUse) * before;
    this.#pauseMs = useful ? limits.tidyMs : Math.min(limits.tidyMostMs, 2 * this.#pauseMs);
  }

  tidy(): void {
    this.#last = performance.now();
    giveUpMemory();
    this.#tidied?.();
  }
}
