/** The end of a node's life: no run begins any more, and those under way are waited for. */
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import type { NodeRole, NodeRun } from './run.js';

/** The part of an engine that is drained. */
interface Runs<R extends NodeRun> {
  readonly role: NodeRole;
  readonly runs: ReadonlyMap<string, R>;
  abort(run: R, cause: unknown): void;
}

export class Draining<R extends NodeRun> {
  readonly #engine: Runs<R>;
  #drained: Deferred<void> | undefined;
  readonly #left = new Deferred<void>();

  constructor(engine: Runs<R>) {
    this.#engine = engine;
  }

  get began(): boolean {
    return this.#drained !== undefined;
  }

  /**
   * A client hangs up when one node does, so that after a run its links stay until the others' results have come.
   * @returns what resolves when no run is left
   */
  begin(): Promise<void> {
    if (this.#drained) return this.#drained.promise;
    const drained = new Deferred<void>();
    this.#drained = drained;
    // What is prepared waits for its client for an hour; nobody waits for it
    for (const run of [...this.#engine.runs.values()])
      if (run.mode !== 'streamed' && !run.started)
        this.#engine.abort(run, this.#error(run.mode === 'spare' || run.isFree ? 'GAVE_WAY' : 'BUSY'));
    if (this.#engine.runs.size === 0) drained.resolve();
    else
      void this.#left.promise.then(() => {
        setTimeout(() => drained.resolve(), limits.lastResultMs);
      });
    return drained.promise;
  }

  /** To be called before a run begins. @throws NodeError BUSY where none does any more */
  check(): void {
    if (this.#drained) throw this.#error('BUSY');
  }

  /** To be called after each run. */
  ended(): void {
    if (this.#drained && this.#engine.runs.size === 0) this.#left.resolve();
  }

  #error(code: 'BUSY' | 'GAVE_WAY'): NodeError {
    const after = { retryAfterMs: limits.restartMs };
    return new NodeError(nodeName[this.#engine.role], code, 'is being stopped and begins no runs', after);
  }
}
