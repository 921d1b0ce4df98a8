import { FormsLacking, type OnProgress, type Session, throwIfAborted } from '@secformer/party-node';
import { Joined } from '../joined.js';
import { type ChosenNetwork, chosenNetwork, forNetwork } from './chosen-network.js';
import type { Answer, Fresh, Request, RunJob, Write } from './messages.js';

/** How a request is waited for. */
export interface Hearing {
  onProgress: OnProgress;
  signal: AbortSignal | undefined;
}

/** A run that is prepared. */
export interface PreparedRun {
  start(trace: boolean, hearing: Hearing): Promise<Answer>;
  cancel(): void;
}

/**
 * A session and what is under way in it. Requests come as they like, together too: a tensor is written once, whoever
 * asks for it, and one that is given up goes when the last request that uses it is over.
 */
export class Connection {
  readonly session: Session;
  /** tensors that were shared over an earlier connection are gone, and the caller can tell by the number */
  readonly number: number;
  /** what Programs are planned for where nobody has said: measured once, for they depend on it */
  network: ChosenNetwork | undefined;
  readonly #writing = new Map<number, Joined<void>>();
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
    request: Exclude<Request, { kind: 'start' | 'free' | 'discard' | 'asking' }>,
    { onProgress, signal }: Hearing,
    prepared: (run: PreparedRun) => number,
  ): Promise<Answer | number[]> {
    if (request.kind === 'share') return this.#using([], () => this.#share(request.writes, signal));
    const { configuration } = request;
    this.network ??= chosenNetwork(undefined, configuration.parties, this.session.roundTripMs);
    const network = configuration.network
      ? chosenNetwork(configuration.network, undefined, this.session.roundTripMs)
      : this.network;
    // What was said is in the graph already
    const job = configuration.network ? request.job : { ...request.job, graph: forNetwork(request.job.graph, network) };
    const tensors = tensorsOf(job);
    if (request.kind === 'forms') return this.#using(tensors, async () => this.#forms(job, request.fresh));
    return this.#using(tensors, async () => {
      // One that fails is missing afterwards
      const writing = tensors.flatMap((t) => this.#writing.get(t) ?? []);
      await Joined.allOver(writing, signal);
      const missing = tensors.filter((t) => !this.session.has(t));
      if (missing.length > 0) return missing;
      if (request.kind === 'run') {
        this.session.prepareAhead = request.configuration.prepareAhead ?? true;
        const result = await orLacking(this.session.run(job, { onProgress, signal }));
        return Array.isArray(result) ? result : { ...result, setupMs: 0, network };
      }
      const run = await orLacking(this.session.prepare(job, { signal }));
      if (Array.isArray(run)) return run;
      const start: PreparedRun['start'] = (trace, hearing) =>
        this.#using(tensors, async () => ({ ...(await run.run({ trace, ...hearing })), setupMs: 0, network }));
      const number = prepared({ start, cancel: run.cancel });
      return { outputs: [Float32Array.of(number)], record: undefined, setupMs: 0 };
    });
  }

  free(tensors: readonly number[]): void {
    for (const t of tensors) this.#givenUp.add(t);
    this.#freeUnused(tensors);
  }

  /** What a job would open of tensors that are not there: none where it takes others that are not there either. */
  #forms(job: RunJob, fresh: readonly Fresh[]): Answer {
    const unknown = new Map(fresh.flatMap((f) => (this.session.has(f.tensor) ? [] : [[f.tensor, f] as const])));
    const known = tensorsOf(job).every((t) => unknown.has(t) || this.session.has(t));
    const forms = known && unknown.size > 0 ? [...this.session.forms(job, statesOf(unknown))] : [];
    return { outputs: [], record: undefined, setupMs: 0, forms };
  }

  async #share(writes: readonly Write[], signal: AbortSignal | undefined): Promise<Answer> {
    throwIfAborted(signal);
    const start = performance.now();
    const mine: Joined<void>[] = [];
    for (const w of writes) {
      this.#givenUp.delete(w.tensor);
      if (this.#has(w)) continue;
      let writing = this.#writing.get(w.tensor);
      if (!writing || writing.isGivenUp) {
        writing = this.#write(w);
      }
      mine.push(writing);
    }
    await Joined.all(mine, signal);
    return { outputs: [], record: undefined, setupMs: performance.now() - start };
  }

  /** A share, or all of a public tensor, serves whatever is asked for. */
  #has({ tensor, forms }: Write): boolean {
    const there = this.session.formsOf(tensor);
    if (!there || there.share) return there !== undefined;
    return forms !== undefined && !forms.share && forms.widths.every((w) => there.widths.includes(w));
  }

  #write({ tensor, values, shape, fracBits, forms, known }: Write): Joined<void> {
    const writing = new Joined<void>((signal) =>
      known
        ? this.session.writePublic(tensor, values, shape, { signal })
        : this.session.write(tensor, values, shape, { fracBits }, { signal, forms }),
    );
    this.#writing.set(tensor, writing);
    void writing.over().then(() => {
      if (this.#writing.get(tensor) !== writing) return;
      this.#writing.delete(tensor);
      this.#freeUnused([tensor]);
    });
    return writing;
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

/** Tensors that are taken in a form which they were not written in are missing, for whoever asks. */
async function orLacking<T>(result: Promise<T>): Promise<T | number[]> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof FormsLacking) return [...error.tensors];
    throw error;
  }
}

function statesOf(fresh: ReadonlyMap<number, Fresh>): Map<number, { fracBits: number }> {
  return new Map([...fresh].map(([tensor, { fracBits }]) => [tensor, { fracBits }]));
}

function tensorsOf(job: RunJob): number[] {
  return job.slots.flatMap((s) => ('tensor' in s ? [s.tensor] : []));
}
