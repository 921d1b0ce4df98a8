/** Returns memory to the system between runs, if the process holds much more than the node accounts for. */
import { limits } from '../limits.js';
import { giveUpMemory } from './garbage.js';

export class Tidying {
  readonly #ownMemory: number | undefined;
  readonly #tidied: (() => void) | undefined;
  #last = performance.now();
  #pauseMs: number = limits.tidyMs;

  /**
   * @param ownMemory resident bytes of the process at its start; if unknown, `afterRun` does nothing
   * @param tidied called each time this thread has returned memory
   */
  constructor(ownMemory: number | undefined, tidied: (() => void) | undefined) {
    this.#ownMemory = ownMemory;
    this.#tidied = tidied;
  }

  /** What the process holds far beyond its account is garbage. @param counted bytes in use, without `ownMemory` */
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
