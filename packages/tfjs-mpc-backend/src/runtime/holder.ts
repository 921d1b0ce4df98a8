import { type Dial, NodeError, type OnProgress, reportOf, Session } from '@secformer/party-node';
import type { Secret } from '@secformer/ring';
import type { Resolved } from '../config.js';
import { Askers } from './askers.js';
import { Connection, type Start } from './connection.js';
import type { Answer, Reply, Request } from './messages.js';

/** How the session's holder gets to the nodes in this environment. */
export interface Reach {
  dial: Dial;
  token: Secret;
}

/** A connection, or one under way. */
interface Current {
  /** what it was configured with */
  where: string;
  ready: Promise<Connection>;
  made?: Connection;
}

type Configured = Exclude<Request, { kind: 'start' | 'free' | 'asking' }>;

/** Keeps one connection to the nodes: made on the first request, and again after a loss or another configuration. */
export class SessionHolder {
  readonly #reach: (c: Resolved) => Reach;
  readonly #askers: Askers;
  /** the connection, or the one under way, which all requests that come meanwhile wait for */
  #current: Current | undefined;
  #number = 0;
  readonly #prepared = new Map<number, Start>();
  #nextPrepared = 1;

  /** @param askers connections of clients who ask published models */
  constructor(reach: (c: Resolved) => Reach, askers = new Askers()) {
    this.#reach = reach;
    this.#askers = askers;
  }

  /** Handles a request; never throws. */
  async handle(request: Request, onProgress?: OnProgress): Promise<Reply> {
    const { id } = request;
    const by = { session: this.#number };
    try {
      const answer = await this.#answer(request, by, onProgress);
      return Array.isArray(answer) ? { id, ...by, missing: answer } : { id, ...by, answer };
    } catch (error) {
      return { id, ...by, error: { ...reportOf(error, 'client'), name: (error as Error).name } };
    }
  }

  async #answer(
    request: Request,
    by: { session: number },
    onProgress: OnProgress = () => {},
  ): Promise<Answer | number[]> {
    if (request.kind === 'free') {
      // After the requests that wait for the same connection, and came before
      const connection = await this.#current?.ready.catch(() => undefined);
      connection?.free(request.tensors);
      return { outputs: [], record: undefined, setupMs: 0 };
    }
    if (request.kind === 'asking') {
      const published = await this.#askers.perform(request.access, request.call, onProgress);
      return { outputs: [], record: undefined, setupMs: 0, published };
    }
    if (request.kind === 'start') {
      const start = this.#prepared.get(request.prepared);
      this.#prepared.delete(request.prepared);
      if (!start)
        throw new NodeError(
          'client',
          'INPUT_REFUSED',
          'this run was not prepared, or its randomness is used up; prepare another',
        );
      return start(request.trace, onProgress);
    }
    const connection = await this.#connected(request.configuration, onProgress);
    by.session = connection.number;
    const { session } = connection;
    const started = session.runsStarted;
    try {
      return await this.#perform(connection, request, onProgress);
    } catch (error) {
      // Where no run was started the nodes have heard nothing that depends on this read's inputs but fresh shares of
      // them, so it may be asked again, over a new connection. Once started it is the caller's to decide: whoever cuts
      // links shall not have a read repeated
      const lost = isLost(error) && session.dead !== undefined && session.runsStarted === started;
      const reconfigured = this.#current !== undefined && this.#current.where !== whereOf(request.configuration);
      if (!lost || reconfigured) throw error;
    }
    const again = await this.#connected(request.configuration, onProgress);
    by.session = again.number;
    return this.#perform(again, request, onProgress);
  }

  #perform(connection: Connection, request: Configured, onProgress: OnProgress): Promise<Answer | number[]> {
    return connection.perform(request, onProgress, (start) => {
      const number = this.#nextPrepared++;
      this.#prepared.set(number, start);
      return number;
    });
  }

  #connected(c: Resolved, onProgress: OnProgress): Promise<Connection> {
    const where = whereOf(c);
    const current = this.#current;
    if (current?.where === where && !current.made?.session.dead) return current.ready;
    if (current) this.#leave(current);
    onProgress({ phase: 'connecting' });
    const next: Current = { where, ready: this.#connect(c) };
    this.#current = next;
    next.ready.then(
      (made) => {
        next.made = made;
      },
      () => {
        if (this.#current === next) this.#current = undefined;
      },
    );
    return next.ready;
  }

  async #connect(c: Resolved): Promise<Connection> {
    const { dial, token } = this.#reach(c);
    return new Connection(await Session.connect(dial, token), ++this.#number);
  }

  /** What was prepared over a connection ends with it. */
  #leave({ ready, made }: Current): void {
    const why =
      made?.session.dead ??
      new NodeError(
        'client',
        'INPUT_REFUSED',
        'the configuration has changed since this run was prepared; prepare another',
      );
    for (const number of this.#prepared.keys()) this.#prepared.set(number, () => Promise.reject(why));
    ready.then(
      (connection) => connection.retire(),
      () => {},
    );
  }
}

/** What a connection depends on. */
function whereOf(c: Resolved): string {
  return JSON.stringify([c.parties, c.dealer, c.token, c.ca, c.caFile]);
}

/** Is this how a session ends whose link is gone? */
function isLost(error: unknown): boolean {
  return error instanceof NodeError && ['LINK_CLOSED', 'UNREACHABLE', 'NO_PROGRESS'].includes(error.code);
}
