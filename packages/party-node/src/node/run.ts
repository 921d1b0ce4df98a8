import { createHash } from 'node:crypto';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { CheckedProgram, PublicWords, RunTrace, StoredOpening } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageOf } from '../wire/messages.js';
import type { Account } from './budget.js';
import type { PublishedModel } from './models/model.js';
import type { RunInput } from './run-input.js';
import type { NodeSession, PublicInput } from './session.js';
import type { Subject } from './subject.js';

export type { NodeRole } from '../wire/tokens.js';

/**
 * How long instructions may follow one another before messages are looked at: most take microseconds, and a turn of the
 * event loop as much.
 */
const BREATH_MS = 2;

/**
 * What the client says when a run starts: its masked inputs, the tensors that are the program's shares, and those that
 * kept values belong to.
 */
export interface Given {
  payload: Uint8Array;
  shares: number[];
  keeps: number[];
  traced: boolean;
}

/** The tensors that a run was started with, as the nodes compare them. */
export function namesHash({ shares, keeps }: Given): string {
  return createHash('sha256')
    .update(JSON.stringify([shares, keeps]))
    .digest('hex');
}

/** What a run is of. */
export interface RunParts {
  ticket: string;
  session: NodeSession;
  checked: CheckedProgram;
  inputs: RunInput[];
  mode: RunMode;
  /** the published model that is asked */
  model?: PublishedModel | undefined;
}

/** As a client says, or 'pool': prepared for whoever asks for it. */
export type RunMode = MessageOf<'prepare'>['mode'] | 'pool';

/** How long each kind of run may wait for its client. */
const STARTS = {
  streamed: limits.startMs,
  ahead: limits.preparedMs,
  spare: limits.spareMs,
  pool: limits.startMs,
} as const;

/** What a client is told whose prepared run is not there. */
export const gone = (node: NodeName): NodeError =>
  new NodeError(node, 'BUSY', 'what was prepared for this model is gone; try again', { retryAfterMs: limits.retryMs });

/**
 * One attempt to run a Program. Its id is made of nonces of all three nodes, so another attempt never meets its streams
 * again.
 */
export abstract class NodeRun {
  readonly aborted = new Deferred<never>();
  error: NodeError | undefined;
  runId = new Uint8Array(0);
  /** what the client starts the run with; once */
  readonly given = new Deferred<Given>();
  started = false;
  /** memory that it was promised, in bytes, and in whose name */
  reserved = 0;
  reservedOn: Account | undefined;
  /** whether it counts among the runs of its client and of its model */
  counted = false;
  /** of a pool's run: whether somebody waits for another run, and how this one stands back until nobody does */
  othersFirst: () => boolean = () => false;
  standBack: (until: () => Promise<void>) => Promise<void> = (until) => until();
  /** whether one that the pool has prepared goes on in its place */
  handedOver = false;
  /** of a pool's run: whether it is prepared, at a party here, at the dealer at both parties */
  isReady = false;
  /** of a client's run at the dealer: the prepared run that serves it */
  pooled: string | undefined;
  /** of a pool's run: resolves when a client has it */
  readonly #claimed = new Deferred<void>();
  #taken = false;
  readonly nonce = randomBytes(16);
  /** when it was announced; of a pool's run, when the client that has it asked */
  born = performance.now();
  /** when it got its turn, was prepared, and was started by its client; 0 before */
  readonly times = { begun: 0, prepared: 0, started: 0 };
  /** of a party, once it computes: how its time goes */
  trace: RunTrace | undefined;
  #breathed = 0;
  /** when its client was told last how far it is */
  #told = 0;
  /** by which the nodes name it to each other */
  readonly ticket: string;
  /** by which its client does */
  clientTicket: string;
  session: NodeSession;
  readonly checked: CheckedProgram;
  readonly inputs: RunInput[];
  readonly mode: RunMode;
  readonly model: PublishedModel | undefined;

  constructor({ ticket, session, checked, inputs, mode, model }: RunParts) {
    this.ticket = ticket;
    this.clientTicket = ticket;
    this.session = session;
    this.checked = checked;
    this.inputs = inputs;
    this.mode = mode;
    this.model = model;
  }

  /** Is it there for whoever asks first? */
  get isFree(): boolean {
    return this.mode === 'pool' && !this.#taken;
  }

  /** Could it go on as another run, of a client? */
  isFreeFor(run: NodeRun): boolean {
    return this.isFree && this.model === run.model && bytesToHex(this.checked.hash) === bytesToHex(run.checked.hash);
  }

  /** Does its client wait for it? Not for what is prepared and has yet to be started. */
  get isWaitedFor(): boolean {
    if (this.mode === 'pool') return !this.isFree;
    return this.mode === 'streamed' || this.started || (this.mode === 'ahead' && this.times.prepared === 0);
  }

  /**
   * Hands what the pool has prepared to one client's run, once: its masks are that client's from here on.
   * @throws NodeError RUN_FAILED where another has it
   */
  claim({ session, ticket, born }: NodeRun): void {
    if (!this.isFree) throw new NodeError('dealer', 'RUN_FAILED', 'gave one prepared run to two clients');
    this.#taken = true;
    this.session = session;
    this.clientTicket = ticket;
    this.counted = true;
    // What it took before anybody asked, and how long it lay there, is no time of this client's
    this.born = born;
    this.times.begun = performance.now();
    this.#claimed.resolve();
  }

  /** Tells the client that the run is prepared; a pool's run waits until there is one. */
  async announce(message: Omit<MessageOf<'prepared'>, 't' | 'ticket'>, ...payload: Uint8Array[]): Promise<void> {
    if (this.mode === 'pool') await this.within(this.#claimed.promise, limits.preparedMs, 'client', 'an ask');
    await this.session.link.send({ t: 'prepared', ticket: this.clientTicket, ...message }, ...payload);
  }

  /** Tells a client that its run waits for others. */
  tellPlace(place: number): void {
    this.session.link.send({ t: 'waiting', ticket: this.clientTicket, place }).catch(() => {});
  }

  /** Tells a client now and then how many rounds of its run are over. */
  tellRounds(rounds: number): void {
    const now = performance.now();
    if (now - Math.max(this.times.started, this.#told) < limits.tellMs) return;
    this.#told = now;
    this.session.link.send({ t: 'opened', ticket: this.clientTicket, rounds }).catch(() => {});
  }

  /** In whose name it is run. */
  get subject(): Subject {
    return this.session.subject;
  }

  /** A stored opening that an input is bound to. */
  opening(b: Extract<RunInput, { width: number }>): StoredOpening {
    if (b.kind === 'opened') return this.session.opening(b);
    return this.model!.opening(b.tensor, b.width);
  }

  /** A public input, by the digest that the Program names. @throws NodeError TENSOR_LOST */
  public(input: number): PublicWords {
    return this.session.public(this.checked.program.inputs[input] as PublicInput).words;
  }

  /** The longest wait for the client's word to start, in milliseconds. */
  get patience(): number {
    return this.isFree ? limits.preparedMs : STARTS[this.mode];
  }

  /** It has its turn. @returns when, as `performance.now` says */
  begin(): number {
    this.times.begun = performance.now();
    return this.times.begun;
  }

  /** The client's word to start, which a prepared run waits for. */
  async start(): Promise<Given> {
    this.times.prepared = performance.now();
    try {
      const given = await this.within(this.given.promise, this.patience, 'client', 'the start of the run');
      this.times.started = performance.now();
      return given;
    } catch (cause) {
      if (this.mode !== 'spare') throw cause;
      throw (
        this.error ??
        new NodeError('client', 'GAVE_WAY', 'did not come for what was prepared in the background', { cause })
      );
    }
  }

  /** Waits for `promise`, an abort or the time limit, whichever is first. */
  async within<T>(promise: Promise<T>, ms: number, node: NodeName, what: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NodeError(node, 'NO_PROGRESS', `${what} did not come within ${ms} ms`)), ms);
    });
    try {
      return await Promise.race([promise, this.aborted.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Stops here after an abort: to be called after every wait that an abort does not end, before anything is read or
   * written for the run.
   */
  check(): void {
    if (this.error) throw this.error;
  }

  /** Lets the event loop breathe between instructions, now and then, and stops here after an abort. */
  readonly pause = async (): Promise<void> => {
    if (performance.now() - this.#breathed > BREATH_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#breathed = performance.now();
    }
    // What nobody has asked for makes way for what somebody has
    if (this.#givesWay()) await this.standBack(() => this.#othersDone());
    this.check();
  };

  #givesWay(): boolean {
    return this.isFree && !this.error && this.othersFirst();
  }

  async #othersDone(): Promise<void> {
    while (this.#givesWay()) await new Promise<void>((resolve) => setTimeout(resolve, limits.patienceMs));
  }
}
