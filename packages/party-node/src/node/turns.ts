import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';

/** Who takes turns: a run, in the name of a client. */
export interface Taker {
  readonly subject: object;
  readonly mode: 'streamed' | 'ahead' | 'spare' | 'pool';
}

/** Waits for a turn, at a place in the queue, from 1. */
export type WaitForTurn = (turn: Promise<void>, place: number) => Promise<void>;

interface Waiting {
  taker: Taker;
  turn: Deferred<void>;
  /** gave its turn up while it waited for somebody else */
  again: boolean;
}

/**
 * Turns of runs at the dealer: a few at a time, and never all of them of one client. Who waits longest of a client
 * stands for it; clients come round, the one that was served longest ago first; what nobody waits for comes last. A
 * run that has to wait for somebody else gives its turn up meanwhile, and is next when it can go on.
 */
export class Turns {
  readonly #active = new Map<Taker, number>();
  readonly #queue: Waiting[] = [];
  /** when each client was served last, in turns */
  readonly #served = new WeakMap<object, number>();
  #turns = 0;
  /** how long a turn takes, of late */
  #usualMs = limits.retryMs;

  /** Waits for a turn. @throws NodeError BUSY where too many wait */
  async take(taker: Taker, wait: WaitForTurn): Promise<void> {
    if (this.#free(taker)) {
      this.#start(taker);
      return;
    }
    const fresh = this.#queue.filter((w) => !w.again).length;
    if (fresh >= limits.queuedRuns) {
      throw new NodeError(
        'dealer',
        'BUSY',
        `${limits.concurrentRuns} runs are under way and ${limits.queuedRuns} wait; try again later`,
        { retryAfterMs: this.retryAfterMs },
      );
    }
    await this.#enqueue(taker, false, wait);
  }

  /** Goes on after `pause`. */
  async resume(taker: Taker, wait: WaitForTurn): Promise<void> {
    if (this.#free(taker)) this.#start(taker);
    else await this.#enqueue(taker, true, wait);
  }

  /** Gives a turn back, for a while or for good; or a place in the queue. */
  leave(taker: Taker): void {
    const at = this.#queue.findIndex((w) => w.taker === taker);
    if (at >= 0) this.#queue.splice(at, 1);
    const since = this.#active.get(taker);
    if (since === undefined) return;
    this.#active.delete(taker);
    this.#usualMs += (performance.now() - since - this.#usualMs) / 8;
    for (let next = this.#next(); next; next = this.#next()) {
      this.#start(next.taker);
      next.turn.resolve();
    }
  }

  /** Is there a turn for this run? One is always left for another client. */
  #free({ subject }: Taker): boolean {
    if (this.#active.size >= limits.concurrentRuns) return false;
    let mine = 0;
    for (const other of this.#active.keys()) if (other.subject === subject) mine++;
    return mine < Math.max(1, limits.concurrentRuns - 1);
  }

  /** Runs that have a turn now. */
  get active(): number {
    return this.#active.size;
  }

  /** When a place in the queue may be free again, in milliseconds. */
  get retryAfterMs(): number {
    const turns = this.#queue.length / (2 * limits.concurrentRuns);
    return Math.round(Math.min(limits.persistMs / 4, Math.max(limits.retryMs, this.#usualMs * turns)));
  }

  async #enqueue(taker: Taker, again: boolean, wait: WaitForTurn): Promise<void> {
    const turn = new Deferred<void>();
    const place = this.#queue.push({ taker, turn, again });
    await wait(turn.promise, place);
  }

  #start(taker: Taker): void {
    this.#active.set(taker, performance.now());
    this.#served.set(taker.subject, ++this.#turns);
  }

  #next(): Waiting | undefined {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    this.#queue.forEach(({ taker, again }, at) => {
      if (!this.#free(taker)) return;
      const rank =
        (again ? 0 : taker.mode === 'spare' || taker.mode === 'pool' ? 2 : 1) * 2 ** 40 +
        (this.#served.get(taker.subject) ?? 0);
      if (rank < least) [best, least] = [at, rank];
    });
    return best < 0 ? undefined : this.#queue.splice(best, 1)[0];
  }
}
