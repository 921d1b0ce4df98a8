import { type Dial, type Prepared, reportOf, Session } from '@secformer/party-node';
import type { Secret } from '@secformer/ring';
import type { Resolved } from '../config.js';
import type { Answer, Reply, Request, RunJob, Write } from './messages.js';

/** How the session's holder gets to the nodes in this environment. */
export interface Reach {
  dial: Dial;
  token: Secret;
}

/** Keeps one session to the nodes, made on the first request and made again after a link was lost. */
export class SessionHolder {
  readonly #reach: (c: Resolved) => Reach;
  #session: Session | undefined;
  #number = 0;
  #where = '';
  readonly #prepared = new Map<number, Prepared>();
  #nextPrepared = 1;

  constructor(reach: (c: Resolved) => Reach) {
    this.#reach = reach;
  }

  async #connected(c: Resolved): Promise<Session> {
    const where = JSON.stringify([c.parties, c.dealer, c.token, c.ca, c.caFile]);
    if (this.#session && !this.#session.dead && this.#where === where) return this.#session;
    this.#session?.close();
    this.#prepared.clear();
    const { dial, token } = this.#reach(c);
    this.#session = await Session.connect(dial, token);
    this.#where = where;
    this.#number++;
    return this.#session;
  }

  /** Handles a request; never throws. */
  async handle(request: Request): Promise<Reply> {
    const { id } = request;
    try {
      const answer = await this.#perform(request);
      return Array.isArray(answer) ? { id, session: this.#number, missing: answer } : { id, session: this.#number, answer };
    } catch (error) {
      return { id, session: this.#number, error: { ...reportOf(error, 'client'), name: (error as Error).name } };
    }
  }

  async #perform(request: Request): Promise<Answer | number[]> {
    if (request.kind === 'free') {
      this.#session?.free(request.tensors);
      return none;
    }
    if (request.kind === 'start') {
      const prepared = this.#prepared.get(request.prepared);
      this.#prepared.delete(request.prepared);
      if (!prepared) throw this.#session?.dead ?? new Error('this run was not prepared, or its randomness is used up');
      const { outputs, record } = await prepared.run({ trace: request.trace });
      return { outputs, record, setupMs: 0 };
    }
    const session = await this.#connected(request.configuration);
    if (request.kind === 'share') {
      const start = performance.now();
      for (const w of request.writes) await this.#write(session, w);
      return { ...none, setupMs: performance.now() - start };
    }
    const missing = tensorsOf(request.job).filter((t) => !session.has(t));
    if (missing.length > 0) return missing;
    if (request.kind === 'prepare') {
      const prepared = await session.prepare(request.job);
      const number = this.#nextPrepared++;
      this.#prepared.set(number, prepared);
      return { outputs: [Float32Array.of(number)], record: undefined, setupMs: 0 };
    }
    session.prepareAhead = request.configuration.prepareAhead ?? true;
    const { outputs, record } = await session.run(request.job);
    return { outputs, record, setupMs: 0 };
  }

  async #write(session: Session, w: Write): Promise<void> {
    if (!session.has(w.tensor)) await session.write(w.tensor, w.values, w.shape, { fracBits: w.fracBits });
  }
}

const none: Answer = { outputs: [], record: undefined, setupMs: 0 };

function tensorsOf(job: RunJob): number[] {
  return job.slots.flatMap((s) => ('tensor' in s ? [s.tensor] : []));
}
