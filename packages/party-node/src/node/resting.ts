/** A node that computes nothing for a while gives back the memory of past runs. */
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import type { NodeRole } from '../wire/tokens.js';
import type { NodeRun } from './run.js';

/** How long aborted runs may take to release what they hold. */
const SETTLE_MS = 200;

/** The part of an engine that comes to rest. */
interface IdleEngine {
  readonly role: NodeRole;
  readonly runs: ReadonlyMap<string, NodeRun>;
  abort(run: NodeRun, cause: unknown): void;
}

export class Resting {
  readonly #engine: IdleEngine;
  readonly #rest: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param rest called after `limits.restMs` without a run, when prefetched runs are discarded */
  constructor(engine: IdleEngine, rest: () => void) {
    this.#engine = engine;
    this.#rest = rest;
  }

  later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#toRest(), limits.restMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #toRest(): void {
    const { role, runs } = this.#engine;
    const all = [...runs.values()];
    if (all.some((run) => run.started || run.mode === 'streamed')) {
      this.later();
      return;
    }
    for (const run of all.filter((r) => r.mode === 'spare'))
      this.#engine.abort(
        run,
        new NodeError(nodeName[role], 'GAVE_WAY', 'nobody has computed anything here for a while'),
      );
    this.#timer = setTimeout(this.#rest, SETTLE_MS).unref();
  }
}
