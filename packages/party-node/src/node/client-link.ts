import { bytesToHex } from '@noble/hashes/utils.js';
import { type Arena, type Kernels, packedBytes, sizeOf, type Words } from '@secformer/ring';
import { type ProgramInput, programLimits, readProgram, StoredOpening, shareType } from '@secformer/secformer-ops';
import { NodeError, type NodeErrorCode, reportOf } from '../errors.js';
import { limits } from '../limits.js';
import { type MessageLink, Unwanted } from '../wire/framing.js';
import { nodeName } from '../wire/handshake.js';
import { type BoundInput, bindings, type Message, type MessageOf, readJson, startOf } from '../wire/messages.js';
import type { Principal } from '../wire/principal.js';
import type { NodeRole } from '../wire/tokens.js';
import type { Budget } from './budget.js';
import { aboutModels, isAboutModels, type Models, notAllowed, payloadOf } from './models/commands.js';
import { type PublicTensors, wrongPublic } from './public-tensors.js';
import type { NodeRun } from './run.js';
import { NodeSession } from './session.js';
import type { Subjects } from './subject.js';

type ShareInput = Extract<ProgramInput, { kind: 'share' }>;

const bad = (what: string, code: NodeErrorCode = 'BAD_MESSAGE') => new NodeError('client', code, what);

/** Messages whose payloads count while they arrive and are read; a tensor's is counted with the tensor. */
const COUNTED: ReadonlySet<Message['t']> = new Set(['program', 'prepare', 'run', 'upload', 'stage']);

const isWrite = (m: Message): m is MessageOf<'put' | 'putOpened'> => m.t === 'put' || m.t === 'putOpened';

/** Carries out clients' commands: the part of a node's engine that their links need. */
export interface ClientCommands extends Models {
  readonly role: NodeRole;
  readonly subjects: Subjects;
  readonly kernels: Kernels;
  readonly budget: Budget;
  readonly arena: Arena;
  /** public tensors of all sessions */
  readonly publics: PublicTensors;
  /** current runs of all sessions, by ticket */
  readonly runs: ReadonlyMap<string, NodeRun>;
  /** between the parties, where this node is one and that was measured */
  readonly roundTripMs: number | undefined;
  /** Begins a run and returns at once. @throws NodeError if it cannot begin */
  prepare(session: NodeSession, m: MessageOf<'prepare'>, inputs: BoundInput[]): void;
  /** Ends a run at every node. */
  abort(run: NodeRun, cause: unknown): void;
  /** This node's share of a tensor that the client writes; the dealer has none. */
  put(m: MessageOf<'put'>, payload: Uint8Array): Promise<Words | undefined>;
  /** This node's part of an opening that the client writes. */
  putOpened(m: MessageOf<'putOpened'>, payload: Uint8Array): Promise<StoredOpening>;
  /** Bytes that the client sends to write a tensor, and bytes that the tensor then occupies. */
  putBytes(m: MessageOf<'put' | 'putOpened'>): { sent: number; kept: number };
  /** Bytes of masked inputs in the client's message that starts a run. */
  inputBytes(run: NodeRun): number;
  /** Counts a command that was refused. */
  refused(code: string): void;
  /** Largest payload that a client may send for a run; for a run that is over, the limit that it had. */
  acceptInputs(session: NodeSession, ticket: string): number;
}

/** What one client asks of a node. Whatever it sends, and whenever it goes, ends with its own session at most. */
export class ClientLink {
  readonly #engine: ClientCommands;
  readonly #link: MessageLink;
  readonly #principal: Principal;
  #session: NodeSession | undefined;
  #closed = false;

  constructor(engine: ClientCommands, link: MessageLink, principal: Principal) {
    this.#engine = engine;
    this.#link = link;
    this.#principal = principal;
    link.accept = (m, bytes) => this.#accept(m, bytes);
    // One tensor after another is written
    link.room = (m, bytes) => (isWrite(m) || m.t === 'public' ? engine.arena.borrow(bytes) : new Uint8Array(bytes));
    link.dropped = (payload) => engine.arena.release([payload]);
    link.onMessage = (m, payload) => this.#received(m, payload);
    link.onUnwanted = (m, reason) => this.#refuse(m, reason);
  }

  close(why: string): void {
    this.#closed = true;
    const session = this.#session;
    if (!session) return;
    for (const run of [...this.#engine.runs.values()])
      if (run.session === session) this.#engine.abort(run, new NodeError('client', 'LINK_CLOSED', `left (${why})`));
    session.close();
    this.#engine.subjects.leave(session.subject);
    for (const generation of session.staged) this.#engine.catalogue.abandoned(generation);
  }

  rest(): void {
    this.#session?.rest();
  }

  get #mine(): NodeSession {
    if (!this.#session) throw bad("sent a command before 'open'");
    return this.#session;
  }

  /**
   * Before any memory is taken: what a message takes, and what a tensor will take, is counted here. @param bytes of its
   * payload, as its header says
   */
  #accept(m: Message, bytes: number): number {
    const refusal = notAllowed(this.#principal, m);
    if (refusal) throw new Unwanted(refusal, limits.frameBytes);
    if (m.t === 'open') return 0;
    const session = this.#mine;
    if (isWrite(m)) {
      const n = sizeOf(m.shape);
      const { sent, kept } = this.#engine.putBytes(m);
      if (n > programLimits.elements)
        throw new Unwanted(
          bad(`a tensor of ${n} elements; the limit is ${programLimits.elements}`, 'LIMIT_EXCEEDED'),
          sent,
        );
      this.#hold(session, sent + kept, `a tensor of shape [${m.shape}]`, sent);
      return sent;
    }
    if (m.t === 'offer' || m.t === 'public') {
      const sent = m.t === 'public' ? packedBytes(m.count, m.bits) : 0;
      const wrong = wrongPublic(this.#engine.role, m);
      if (wrong) throw new Unwanted(wrong, sent);
      this.#hold(session, sent, 'a public tensor', sent);
      return sent;
    }
    const most = this.#most(session, m);
    if (COUNTED.has(m.t) && bytes <= most) this.#hold(session, bytes, `a message '${m.t}'`, most);
    return most;
  }

  #most(session: NodeSession, m: Message): number {
    if (m.t === 'program') return programLimits.bytes;
    if (m.t === 'prepare') return limits.listBytes;
    if (m.t === 'run') return this.#engine.acceptInputs(session, m.ticket);
    if (isAboutModels(m)) return payloadOf(m);
    return 0;
  }

  /** @param most bytes of the payload that are passed over where there is no room */
  #hold(session: NodeSession, bytes: number, what: string, most: number): void {
    try {
      session.hold(bytes, what);
    } catch (error) {
      throw new Unwanted(error as NodeError, most);
    }
  }

  async #received(m: Message, payload: Uint8Array): Promise<void> {
    try {
      await this.#command(m, payload);
    } catch (error) {
      await this.#refuse(m, error);
    } finally {
      if (COUNTED.has(m.t)) this.#session?.give(payload.length);
    }
  }

  /** Says why; a client that does not take it any more has left. */
  async #refuse(m: Message, error: unknown): Promise<void> {
    const report = reportOf(error, nodeName[this.#engine.role]);
    this.#engine.refused(report.code);
    if (!('re' in m) && !('ticket' in m)) {
      this.#link.close(report.message);
      return;
    }
    await this.#link
      .send('re' in m ? { t: 'failed', re: m.re, error: report } : { t: 'abort', ticket: m.ticket, error: report })
      .catch(() => {});
  }

  async #command(m: Message, payload: Uint8Array): Promise<void> {
    switch (m.t) {
      case 'open': {
        if (this.#session) throw bad("sent 'open' twice; a session is one connection");
        this.#open(m.session);
        const { roundTripMs } = this.#engine;
        return this.#link.send({ t: 'done', re: m.re, ...(roundTripMs !== undefined && { roundTripMs }) });
      }
      case 'program': {
        const session = this.#mine;
        const checked = readProgram(payload);
        if (bytesToHex(checked.hash) !== m.hash) throw bad('sent a program with the wrong hash');
        session.addProgram(m.hash, checked, payload);
        return this.#link.send({ t: 'done', re: m.re });
      }
      case 'put':
      case 'putOpened':
        await this.#put(m, payload);
        return this.#link.send({ t: 'done', re: m.re });
      case 'offer':
        return this.#link.send({ t: 'answer', re: m.re }, this.#engine.publics.offered(this.#mine, m));
      case 'public':
        try {
          await this.#engine.publics.sent(this.#engine.kernels, this.#mine, m, payload);
        } finally {
          // As much as was held for it, whatever came
          this.#mine.give(packedBytes(m.count, m.bits));
          this.#engine.arena.release([payload]);
        }
        return this.#link.send({ t: 'done', re: m.re });
      case 'free':
        for (const id of m.tensors) this.#mine.forget(id);
        return;
      case 'prepare':
        return this.#engine.prepare(this.#mine, m, readJson(bindings, payload, 'client', 'inputs of a run'));
      case 'run': {
        const run = this.#engine.runs.get(m.ticket);
        if (!run || run.session !== this.#mine) throw bad('started a run that is not prepared here');
        try {
          this.#begin(run, m, payload);
        } catch (error) {
          this.#engine.abort(run, error);
        }
        return;
      }
      case 'cancel': {
        const run = this.#engine.runs.get(m.ticket);
        if (run && run.session === this.#mine) this.#engine.abort(run, bad('cancelled the run', 'RUN_FAILED'));
        return;
      }
      default: {
        if (!isAboutModels(m)) throw bad(`sent '${m.t}', which clients do not send`);
        const answer = await aboutModels(this.#engine, this.#mine, m, payload);
        return answer ? this.#link.send({ t: 'answer', re: m.re }, answer) : this.#link.send({ t: 'done', re: m.re });
      }
    }
  }

  #open(id: string): void {
    const { budget, role, subjects } = this.#engine;
    const subject = subjects.enter(this.#principal);
    this.#session = new NodeSession(id, this.#link, budget, nodeName[role], this.#principal, subject);
  }

  async #put(m: MessageOf<'put' | 'putOpened'>, payload: Uint8Array): Promise<void> {
    const session = this.#mine;
    const { sent, kept } = this.#engine.putBytes(m);
    const { t, tensor, bits } = m;
    let over = sent + kept;
    try {
      const type = shareType(m.shape, m.fracBits, bits, m.magnitude);
      const check = () =>
        t === 'put' ? session.checkNew(tensor, type) : session.checkNewOpening(tensor, type, m.width);
      check();
      const width = t === 'put' ? bits : m.width;
      if (width > bits) throw bad(`sent an opening of ${width} bits of a tensor modulo 2^${bits}`);
      if (payload.length !== sent)
        throw bad(
          `sent ${payload.length} bytes for ${t === 'put' ? 'a share' : 'an opening'} of ${sizeOf(m.shape)} words ` +
            `modulo 2^${width}; expected ${sent}`,
          'BAD_FRAME',
        );
      const made = t === 'put' ? await this.#engine.put(m, payload) : await this.#engine.putOpened(m, payload);
      if (this.#closed) return;
      check();
      if (made instanceof StoredOpening)
        session.storeWritten(tensor, type, (m as MessageOf<'putOpened'>).opening, made, kept);
      else session.store(this.#engine.kernels, tensor, type, made, kept);
      over = sent;
    } finally {
      session.give(over);
      this.#engine.arena.release([payload]);
    }
  }

  /**
   * The client's word to start. A second one would put other inputs under the same masks and give away their
   * difference, so it ends the run.
   */
  #begin(run: NodeRun, m: MessageOf<'run'>, payload: Uint8Array): void {
    const { session, checked } = run;
    const { program, types } = checked;
    // Inputs that are the client's to bind: of a model's Program the values that it has shared
    const mine = program.inputs.filter((_, i) => run.inputs[i]!.kind === 'share');
    const expected = this.#engine.inputBytes(run);
    if (run.started) throw bad('sent the inputs of a run twice', 'INPUT_REFUSED');
    if (payload.length !== m.names + expected)
      throw bad(`sent ${payload.length - m.names} bytes of inputs, the program takes ${expected}`, 'BAD_FRAME');
    const { shares, keeps } = readJson(startOf, payload.subarray(0, m.names), 'client', 'tensors of a run');
    if (shares.length !== mine.length) throw bad(`bound ${shares.length} shares of ${mine.length}`);
    if (keeps.length !== program.keeps.length)
      throw bad(`bound ${keeps.length} kept values of ${program.keeps.length}`);
    shares.forEach((tensor, i) => {
      session.boundShare(tensor, mine[i] as ShareInput);
    });
    // A tensor may have been freed since the run was prepared
    for (const b of run.inputs) if (b.kind === 'opened') session.opening(b);
    const fresh = new Set<number>();
    keeps.forEach((tensor, i) => {
      const isOutput = types[program.keeps[i]!]!.kind === 'share';
      if (!isOutput && !session.tensors.has(tensor))
        throw bad(`keeps an opening of tensor ${tensor}, which does not exist`);
      if (isOutput && (session.has(tensor) || fresh.has(tensor)))
        throw bad(`keeps an output as tensor ${tensor}, which exists`);
      if (isOutput) fresh.add(tensor);
    });
    run.started = true;
    run.given.resolve({ payload: payload.subarray(m.names), shares, keeps, traced: m.trace === true });
  }
}
