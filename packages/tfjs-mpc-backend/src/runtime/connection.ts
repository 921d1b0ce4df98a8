import type { OnProgress, Session } from '@secformer/party-node';
import type { Answer, Request, RunJob, Write } from './messages.js';

/** How a prepared run is started. */
export type Start = (trace: boolean, onProgress: OnProgress) => Promise<Answer>;

/**
 * A session and what is under way in it. Requests come as they like, together too: a tensor is written once, whoever
 * asks for it, and one that is given up goes when the last request that uses it is over.
 */
export class Connection {
  readonly session: Session;
  /** tensors that were shared over an earlier connection are gone, and the caller can tell by the number */
  readonly number: number;
  readonly #writing = new Map<number, Promise<void>>();
  readonly #uses = new Map<number, number>();
  readonly #givenUp = new Set<number>();
  #pending = 0;
  #retired = false;

  constructor(session: Session, number: number) {
    this.session = session;
    this.number = number;
  }

  /** Another connection takes the requests to come; this one ends with the last that it has. */
  retire(): void {
    this.#retired = true;
    if (this.#pending === 0) this.session.close();
  }

  /** @returns the answer, or the tensors that the nodes would need and do not have */
  perform(
    request: Exclude<Request, { kind: 'start' | 'free' | 'asking' }>,
    onProgress: OnProgress,
    prepared: (start: Start) => number,
  ): Promise<Answer | number[]> {
    if (request.kind === 'share') return this.#using([], () => this.#share(request.writes));
    const { job } = request;
    const tensors = tensorsOf(job);
    return this.#using(tensors, async () => {
      await Promise.allSettled(tensors.map((t) => this.#writing.get(t)));
      const missing = tensors.filter((t) => !this.session.has(t));
      if (missing.length > 0) return missing;
      if (request.kind === 'run') {
        this.session.prepareAhead = request.configuration.prepareAhead ?? true;
        return { ...(await this.session.run(job, onProgress)), setupMs: 0 };
      }
      const run = await this.session.prepare(job);
      const number = prepared((trace, hear) =>
        this.#using(tensors, async () => ({ ...(await run.run({ trace, onProgress: hear })), setupMs: 0 })),
      );
      return { outputs: [Float32Array.of(number)], record: undefined, setupMs: 0 };
    });
  }

  free(tensors: readonly number[]): void {
    for (const t of tensors) this.#givenUp.add(t);
    this.#freeUnused(tensors);
  }

  async #share(writes: readonly Write[]): Promise<Answer> {
    const start = performance.now();
    let last: Promise<void> = Promise.resolve();
    for (const w of writes) {
      this.#givenUp.delete(w.tensor);
      if (this.session.has(w.tensor) || this.#writing.has(w.tensor)) continue;
      // One after the other, so that one tensor's words are in memory at a time
      last = last.then(() => this.session.write(w.tensor, w.values, w.shape, { fracBits: w.fracBits }));
      const over = () => {
        this.#writing.delete(w.tensor);
        this.#freeUnused([w.tensor]);
      };
      last.then(over, over);
      this.#writing.set(w.tensor, last);
    }
    await Promise.all(writes.map((w) => this.#writing.get(w.tensor)));
    return { outputs: [], record: undefined, setupMs: performance.now() - start };
  }

  async #using<T>(tensors: readonly number[], f: () => Promise<T>): Promise<T> {
    this.#pending++;
    for (const t of tensors) this.#uses.set(t, (this.#uses.get(t) ?? 0) + 1);
    try {
      return await f();
    } finally {
      for (const t of tensors) {
        const left = this.#uses.get(t)! - 1;
        if (left > 0) this.#uses.set(t, left);
        else this.#uses.delete(t);
      }
      this.#freeUnused(tensors);
      if (--this.#pending === 0 && this.#retired) this.session.close();
    }
  }

  #freeUnused(tensors: readonly number[]): void {
    const unused = tensors.filter((t) => !this.#uses.has(t) && !this.#writing.has(t) && this.#givenUp.delete(t));
    if (unused.length > 0) this.session.free(unused);
  }
}

function tensorsOf(job: RunJob): number[] {
  return job.slots.flatMap((s) => ('tensor' in s ? [s.tensor] : []));
}
