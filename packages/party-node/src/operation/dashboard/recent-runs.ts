import { limits } from '../../limits.js';
import type { RunEnded } from '../events.js';
import { shownCode, shownMs } from './shown.js';

/** A run that is over, as pages show it. Times are milliseconds. */
export interface ShownRun {
  /** numbers them at this node since it started */
  id: number;
  /** milliseconds since 1970 */
  ended: number;
  /** absent for programs of owners, and for runs that open weights to be published */
  model?: string;
  /** the beginning of its Program's hash */
  program: string;
  /** 'OK', or the code of what ended it */
  outcome: string;
  ms: number;
  waitMs: number;
  prepareMs: number;
  onlineMs: number;
  bytes: number;
  rounds: number;
}

/** A run with what its trace is made of. */
export interface TracedRun extends ShownRun {
  peerMs: number | undefined;
  work: RunEnded['work'];
}

/** Enough to tell the Programs of a session apart. */
const HASH_CHARACTERS = 12;

/** The last runs, and how the last few of them spent their time. */
export class RecentRuns {
  readonly #runs: TracedRun[] = [];
  #count = 0;

  /** @param now when it ended, in milliseconds since 1970 */
  add(e: RunEnded, now = Date.now()): ShownRun {
    const run: ShownRun = {
      id: ++this.#count,
      ended: now,
      ...(e.model !== undefined && { model: e.model }),
      program: e.program.slice(0, HASH_CHARACTERS),
      outcome: shownCode(e.outcome),
      ms: shownMs(e.ms),
      waitMs: shownMs(e.waitMs),
      prepareMs: shownMs(e.prepareMs),
      onlineMs: shownMs(e.onlineMs),
      bytes: e.bytes,
      rounds: e.rounds,
    };
    this.#runs.push({ ...run, peerMs: e.peerMs, work: e.work });
    if (this.#runs.length > limits.dashboardRuns) this.#runs.shift();
    const old = this.#runs.at(-1 - limits.dashboardTraces);
    if (old) old.work = undefined;
    return run;
  }

  /** The last runs, oldest first. */
  get all(): ShownRun[] {
    return this.#runs.map(({ peerMs: _peer, work: _work, ...run }) => run);
  }

  /** A run whose trace is still there. */
  traced(id: number): TracedRun | undefined {
    return this.#runs.slice(-limits.dashboardTraces).find((run) => run.id === id);
  }
}
