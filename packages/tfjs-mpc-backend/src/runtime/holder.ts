import {
  type Dial,
  NodeError,
  type OnProgress,
  reportOf,
  Session,
  throwIfAborted,
  unless,
} from '@secformer/party-node';
import type { Secret } from '@secformer/ring';
import type { Resolved } from '../config.js';
import { Askers } from './askers.js';
import { Connection, type Hearing, type PreparedRun } from './connection.js';
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

type Configured = Exclude<Request, { kind: 'start' | 'free' | 'discard' | 'asking' }>;

/** Keeps one connection to the nodes: made on the first request, and again after a loss or another configuration. */
export class SessionHolder {
  readonly #reach: (c: Resolved) => Reach;
  readonly #askers: Askers;
  /** the connection, or the one under way, which all requests that come meanwhile wait for */
  #current: Current | undefined;
  #number = 0;
  readonly #prepared = new Map<number, PreparedRun>();
  #nextPrepared = 1;

  /** @param askers connections of clients who ask published models */
  constructor(reach: (c: Resolved) => Reach, askers = new Askers()) {
    this.#reach = reach;
    this.#askers = askers;
  }

  /** Handles a request; never throws. @param signal gives it up: its run ends at the nodes, the reply is an error */
  async handle(request: Request, onProgress: OnProgress = () => {}, signal?: AbortSignal): Promise<Reply> {
    const { id } = request;
    const by = { session: this.#number };
    const late = (answer: Answer | number[]) => {
      if (request.kind === 'prepare' && !Array.isArray(answer)) this.#discard(answer.outputs[0]![0]!);
    };
    try {
      const answer = await unless(signal, () => this.#answer(request, by, { onProgress, signal }), { late });
      return Array.isArray(answer) ? { id, ...by, missing: answer } : { id, ...by, answer };
    } catch (error) {
      return { id, ...by, error: { ...reportOf(error, 'client'), name: (error as Error).name } };
    }
  }

  async #answer(request: Request, by: { session: number }, hearing: Hearing): Promise<Answer | number[]> {
    const { onProgress, signal } = hearing;
    if (request.kind === 'free') {
      // After the requests that wait for the same connection, and came before
      const connection = await this.#current?.ready.catch(() => undefined);
      connection?.free(request.tensors);
      return { outputs: [], record: undefined, setupMs: 0 };
    }
    if (request.kind === 'discard') {
      this.#discard(request.prepared);
      return { outputs: [], record: undefined, setupMs: 0 };
    }
    if (request.kind === 'asking') {
      const published = await this.#askers.perform(request.access, request.call, hearing);
      return { outputs: [], record: undefined, setupMs: 0, published };
    }
    if (request.kind === 'start') {
      const prepared = this.#prepared.get(request.prepared);
      this.#prepared.delete(request.prepared);
      if (!prepared)
        throw new NodeError(
          'client',
          'INPUT_REFUSED',
          'this run was not prepared, or its randomness is used up; prepare another',
        );
      return prepared.start(request.trace, hearing);
    }
    const connection = await this.#connected(request.configuration, onProgress);
    by.session = connection.number;
    const { session } = connection;
    const started = session.runsStarted;
    try {
      return await this.#perform(connection, request, hearing);
    } catch (error) {
      throwIfAborted(signal);
      // Where no run was started the nodes have heard nothing that depends on this read's inputs but fresh shares of
      // them, so it may be asked again, over a new connection. Once started it is the caller's to decide: whoever cuts
      // links shall not have a read repeated
      const lost = isLost(error) && session.dead !== undefined && session.runsStarted === started;
      const reconfigured = this.#current !== undefined && this.#current.where !== whereOf(request.configuration);
      if (!lost || reconfigured) throw error;
    }
    const again = await this.#connected(request.configuration, onProgress);
    by.session = again.number;
    return this.#perform(again, request, hearing);
  }

  #perform(connection: Connection, request: Configured, hearing: Hearing): Promise<Answer | number[]> {
    return connection.perform(request, hearing, (prepared) => {
      const number = this.#nextPrepared++;
      this.#prepared.set(number, prepared);
      return number;
    });
  }

  /** What was prepared is used up, and another run has other randomness. */
  #discard(number: number): void {
    this.#prepared.get(number)?.cancel();
    this.#prepared.delete(number);
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
    const gone: PreparedRun = { start: () => Promise.reject(why), cancel: () => {} };
    for (const number of this.#prepared.keys()) this.#prepared.set(number, gone);
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
