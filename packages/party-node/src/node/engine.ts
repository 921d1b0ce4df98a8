import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Arena, type Kernels, loadKernels, StoredWords, sizeOf, type Words } from '@secformer/ring';
import { type CheckedProgram, programLimits, readProgram, type ShareType, type StoredOpening, shareType } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { type ErrorReport, errorOf, NodeError, type NodeErrorCode, reportOf } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import { handshake, nodeName, type Peer, type Tokens } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import type { Message, MessageOf } from '../wire/messages.js';
import type { NodeRole, NodeRun, NodeSession, StoredTensor } from './run.js';

const NODES: readonly NodeRole[] = ['party0', 'party1', 'dealer'];

export interface EngineOptions {
  role: NodeRole;
  tokens: Tokens;
  /** that a large kernel, such as a matrix product, may take */
  threads: number;
  /** how to reach the nodes that this one dials */
  dial: Partial<Record<NodeRole, () => Promise<Link>>>;
  log?: (event: string, fields?: Record<string, unknown>) => void;
}

interface Agreement {
  peer: Peer;
  message: MessageOf<'agree'>;
}

/**
 * What a party and a dealer have in common: links to the other nodes, sessions of clients, the agreement on a run and its abort. A failure
 * anywhere ends the run at every node and burns its ticket; the node lives on.
 */
export abstract class Engine<R extends NodeRun> {
  kernels!: Kernels;
  readonly role: NodeRole;
  protected readonly arena: Arena;
  /** bytes of all sessions' tensors */
  #tensorBytes = 0;
  protected readonly runs = new Map<string, R>();
  readonly #options: EngineOptions;
  readonly #peers = new Map<NodeRole, Peer>();
  readonly #peerWaiters = new Map<NodeRole, Deferred<Peer>>();
  /** agreements that came before the client's own message */
  readonly #early = new Map<string, Map<NodeRole, Agreement>>();
  readonly #agreements = new Map<string, Map<NodeRole, Deferred<Agreement>>>();
  /** tickets of finished and aborted runs, with the longest payload that may still come for them */
  readonly #burnt = new Map<string, number>();
  readonly #links = new Set<MessageLink>();
  #stopped = false;

  constructor(options: EngineOptions) {
    this.role = options.role;
    this.#options = options;
    this.arena = new Arena(this.room);
  }

  /** Memory that tensors leave to runs. */
  protected get room(): number {
    return (this.role === 'dealer' ? limits.dealerBytes : limits.partyBytes) - this.#tensorBytes;
  }

  #hold(s: NodeSession, bytes: number): void {
    s.bytes += bytes;
    this.#tensorBytes += bytes;
    this.arena.limit = this.room;
    if (bytes > 0) this.roomShrank();
  }

  /** Tensors have taken memory that runs could have. */
  protected roomShrank(): void {}

  protected log(event: string, fields?: Record<string, unknown>): void {
    this.#options.log?.(event, fields);
  }

  async start(): Promise<void> {
    this.kernels = await loadKernels();
    this.kernels.threads = this.#options.threads;
    for (const role of NODES) if (this.#options.dial[role]) void this.#keepDialing(role);
  }

  stop(): void {
    this.#stopped = true;
    for (const link of this.#links) link.close('the node stops');
  }

  /** Takes a new connection, of a node or a client. */
  accept(link: Link): void {
    if (this.#links.size >= limits.connections) {
      link.close('too many connections');
      return;
    }
    handshake(link, this.role, this.#options.tokens, 'accept', undefined, (peer) => this.#welcome(peer)).catch((error: Error) => this.log('refused', { why: error.message }));
  }

  async #keepDialing(role: NodeRole): Promise<void> {
    while (!this.#stopped) {
      try {
        const link = await this.#options.dial[role]!();
        const closed = new Deferred<void>();
        await handshake(link, this.role, this.#options.tokens, 'dial', role, (peer) => this.#welcome(peer, () => closed.resolve()));
        await closed.promise;
      } catch (error) {
        this.log('unreachable', { node: nodeName[role], why: (error as Error).message });
      }
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, limits.redialMs));
    }
  }

  #welcome(peer: Peer, closed: () => void = () => {}): void {
    const { link, role } = peer;
    this.#links.add(link);
    this.log('connected', { node: nodeName[role] });
    if (role === 'client') {
      this.#client(link);
      return;
    }
    // A node that restarted comes back before its old link is known to be dead
    this.#peers.get(role)?.link.close('the node connected again');
    this.#peers.set(role, peer);
    this.#peerWaiters.get(role)?.resolve(peer);
    this.#peerWaiters.delete(role);
    link.accept = (m) => this.#acceptFromNode(role, m);
    link.room = (m, bytes) => (m.t === 'round' || m.t === 'material' ? this.arena.borrow(bytes) : new Uint8Array(bytes));
    link.onMessage = (m, payload) => this.#fromNode(peer, m, payload);
    link.onClose = (why) => {
      this.#links.delete(link);
      if (this.#peers.get(role) === peer) this.#peers.delete(role);
      this.log('disconnected', { node: nodeName[role], why });
      for (const run of [...this.runs.values()]) this.abort(run, new NodeError(nodeName[role], 'LINK_CLOSED', `the link from ${nodeName[this.role]} was lost (${why})`));
      closed();
    };
  }

  protected peer(role: NodeRole): Peer | undefined {
    return this.#peers.get(role);
  }

  #acceptFromNode(role: NodeRole, m: Message): number {
    if (m.t === 'agree' || m.t === 'abort' || m.t === 'confirm' || m.t === 'credit') return 0;
    if (m.t === 'round' || m.t === 'material') {
      const burnt = this.#burnt.get(m.ticket);
      return burnt ?? this.acceptPayload(role, m);
    }
    throw new NodeError(nodeName[role], 'BAD_MESSAGE', `sent '${m.t}', which nodes do not send each other`);
  }

  async #fromNode(peer: Peer, m: Message, payload: Uint8Array): Promise<void> {
    const role = peer.role as NodeRole;
    if (m.t === 'agree') {
      this.#agreed(role, { peer, message: m });
    } else if (m.t === 'abort') {
      const run = this.runs.get(m.ticket);
      if (run) this.abort(run, errorOf(m.error));
      else this.#burnEarly(m.ticket);
    } else if ('ticket' in m) {
      const run = this.runs.get(m.ticket);
      if (run) await this.receive(run, role, m, payload);
      // It came for a run that is over
      else this.arena.release([payload]);
    }
  }

  /** Largest payload of a run's message that fits its schedule now. */
  protected abstract acceptPayload(role: NodeRole, m: MessageOf<'round'> | MessageOf<'material'>): number;
  /** A message of a run from another node. */
  protected abstract receive(run: R, from: NodeRole, m: Message, payload: Uint8Array): void | Promise<void>;
  protected abstract newRun(session: NodeSession, m: MessageOf<'prepare'>, checked: CheckedProgram): R;
  /** The run itself, once it is agreed; throws to abort. */
  protected abstract execute(run: R, peers: ReadonlyMap<NodeRole, Peer>): Promise<void>;
  /** Waits until this node takes on another run. */
  protected abstract admit(run: R): Promise<void>;
  /** Gives up what `admit` took. */
  protected abstract release(run: R): void;
  /** This node's share of a tensor that the client writes, if it has one. */
  protected abstract put(m: MessageOf<'put'>, payload: Uint8Array): Words | undefined;
  protected abstract putBytes(m: MessageOf<'put'>): number;
  /** Bytes of masked inputs that the client starts a run with. */
  protected abstract runBytes(run: R): number;

  // ---- agreement

  #agreed(role: NodeRole, a: Agreement): void {
    const { ticket } = a.message;
    const waiting = this.#agreements.get(ticket)?.get(role);
    if (waiting) {
      waiting.resolve(a);
      return;
    }
    if (this.#burnt.has(ticket)) return;
    const early = this.#early.get(ticket) ?? new Map<NodeRole, Agreement>();
    early.set(role, a);
    this.#early.set(ticket, early);
    // A client that never asks this node leaves its ticket here; the oldest go
    if (this.#early.size > 1000) this.#early.delete(this.#early.keys().next().value!);
  }

  #burnEarly(ticket: string): void {
    this.#early.delete(ticket);
    // A second abort of a run that was here says nothing new: what is still on its way must go on being let in
    if (!this.#burnt.has(ticket)) this.#burnt.set(ticket, 0);
  }

  /** Nonces and hashes are exchanged; the run id follows from all three. */
  async #agree(run: R): Promise<Map<NodeRole, Peer>> {
    const others = NODES.filter((r) => r !== this.role);
    const program = bytesToHex(run.checked.hash);
    const pending = new Map(others.map((r) => [r, new Deferred<Agreement>()] as const));
    this.#agreements.set(run.ticket, pending);
    for (const [role, a] of this.#early.get(run.ticket) ?? []) pending.get(role)?.resolve(a);
    this.#early.delete(run.ticket);
    try {
      await this.admit(run);
      for (const role of others) {
        const peer = await this.#connected(run, role);
        await peer.link.send({ t: 'agree', ticket: run.ticket, session: run.session.id, program, nonce: bytesToHex(run.nonce) });
      }
      const nonces = new Map<NodeRole, string>([[this.role, bytesToHex(run.nonce)]]);
      const peers = new Map<NodeRole, Peer>();
      for (const [role, deferred] of pending) {
        const { peer, message } = await run.within(deferred.promise, limits.progressMs, nodeName[role], 'its agreement to the run');
        if (message.program !== program || message.session !== run.session.id)
          throw new NodeError('client', 'BAD_MESSAGE', `asked ${nodeName[this.role]} and ${nodeName[role]} for different programs`);
        nonces.set(role, message.nonce);
        peers.set(role, peer);
      }
      const id = [run.ticket, ...NODES.map((r) => nonces.get(r)!), program].join('');
      run.runId = sha256(hexToBytes(id)).slice(0, 16);
      return peers;
    } finally {
      this.#agreements.delete(run.ticket);
    }
  }

  async #connected(run: R, role: NodeRole): Promise<Peer> {
    const there = this.#peers.get(role);
    if (there) return there;
    const waiter = this.#peerWaiters.get(role) ?? new Deferred<Peer>();
    this.#peerWaiters.set(role, waiter);
    try {
      return await run.within(waiter.promise, limits.reconnectMs, nodeName[role], 'a connection');
    } catch (error) {
      if (run.error) throw run.error;
      throw new NodeError(nodeName[role], 'UNREACHABLE', `${nodeName[this.role]} has no connection to it`, { cause: error });
    }
  }

  // ---- clients

  #client(link: MessageLink): void {
    let session: NodeSession | undefined;
    const mine = (): NodeSession => {
      if (!session) throw new NodeError('client', 'BAD_MESSAGE', "sent a command before 'open'");
      return session;
    };
    link.accept = (m) => {
      if (m.t === 'put') {
        const s = mine();
        const bytes = sizeOf(m.shape) * 8;
        if (sizeOf(m.shape) > programLimits.elements)
          throw new NodeError('client', 'LIMIT_EXCEEDED', `a tensor of ${sizeOf(m.shape)} elements; the limit is ${programLimits.elements}`);
        if (s.bytes + bytes > limits.sessionBytes)
          throw new NodeError('client', 'LIMIT_EXCEEDED', `tensors of ${s.bytes + bytes} bytes in one session; the limit is ${limits.sessionBytes}`);
        return this.putBytes(m);
      }
      if (m.t === 'program') return programLimits.bytes;
      if (m.t === 'run') {
        const run = this.runs.get(m.ticket);
        return run && run.session === session ? this.runBytes(run) : (this.#burnt.get(m.ticket) ?? 0);
      }
      return 0;
    };
    link.onMessage = async (m, payload) => {
      try {
        await this.#command(m, payload, link, mine, (s) => {
          session = s;
        });
      } catch (error) {
        const report = reportOf(error, nodeName[this.role]);
        if ('re' in m) await link.send({ t: 'failed', re: m.re, error: report });
        else if ('ticket' in m) await link.send({ t: 'abort', ticket: m.ticket, error: report });
        else link.close(report.message);
      }
    };
    link.onClose = (why) => {
      this.#links.delete(link);
      for (const run of [...this.runs.values()]) if (run.session === session) this.abort(run, new NodeError('client', 'LINK_CLOSED', `left (${why})`));
      if (!session) return;
      this.#hold(session, -session.bytes);
      session.tensors.clear();
      session.programs.clear();
    };
  }

  async #command(m: Message, payload: Uint8Array, link: MessageLink, mine: () => NodeSession, open: (s: NodeSession) => void): Promise<void> {
    switch (m.t) {
      case 'open':
        open({ id: m.session, link, tensors: new Map(), programs: new Map(), bytes: 0 });
        return link.send({ t: 'done', re: m.re });
      case 'program': {
        const checked = readProgram(payload);
        if (bytesToHex(checked.hash) !== m.hash) throw new NodeError('client', 'BAD_MESSAGE', 'sent a program with the wrong hash');
        const { programs } = mine();
        if (programs.size >= limits.sessionPrograms) programs.delete(programs.keys().next().value!);
        programs.set(m.hash, checked);
        return link.send({ t: 'done', re: m.re });
      }
      case 'put': {
        const s = mine();
        if (s.tensors.has(m.tensor)) throw new NodeError('client', 'BAD_MESSAGE', `tensor ${m.tensor} exists already`);
        if (s.tensors.size >= limits.sessionTensors) throw new NodeError('client', 'LIMIT_EXCEEDED', `more than ${limits.sessionTensors} tensors in one session`);
        this.#store(s, m.tensor, shareType(m.shape, m.fracBits, m.bits, m.magnitude), this.put(m, payload));
        return link.send({ t: 'done', re: m.re });
      }
      case 'free':
        for (const id of m.tensors) this.#forget(mine(), id);
        return;
      case 'prepare':
        return this.#prepare(mine(), m);
      case 'run': {
        const run = this.runs.get(m.ticket);
        if (!run || run.session !== mine()) throw new NodeError('client', 'BAD_MESSAGE', 'started a run that is not prepared here');
        try {
          this.#begin(run, m, payload);
        } catch (error) {
          this.abort(run, error);
        }
        return;
      }
      case 'cancel': {
        const run = this.runs.get(m.ticket);
        if (run && run.session === mine()) this.abort(run, new NodeError('client', 'RUN_FAILED', 'cancelled the run'));
        return;
      }
      default:
        throw new NodeError('client', 'BAD_MESSAGE', `sent '${m.t}', which clients do not send`);
    }
  }

  #store(s: NodeSession, id: number, type: ShareType, share: Words | undefined): void {
    const t: StoredTensor = { type, ...(share && { share: new StoredWords(this.kernels, share) }), openings: new Map(), bytes: share?.byteLength ?? 0 };
    s.tensors.set(id, t);
    this.#hold(s, t.bytes);
  }

  #storeOpening(s: NodeSession, id: number, run: string, opening: StoredOpening): void {
    const t = s.tensors.get(id);
    if (!t) return;
    t.openings.set(`${opening.width}:${run}`, opening);
    t.bytes += opening.byteLength;
    this.#hold(s, opening.byteLength);
  }

  #forget(s: NodeSession, id: number): void {
    const t = s.tensors.get(id);
    if (!t) return;
    s.tensors.delete(id);
    this.#hold(s, -t.bytes);
  }

  #prepare(session: NodeSession, m: MessageOf<'prepare'>): void {
    if (this.runs.has(m.ticket) || this.#burnt.has(m.ticket)) throw new NodeError('client', 'BAD_MESSAGE', 'used a ticket twice');
    const checked = session.programs.get(m.program);
    if (!checked) throw new NodeError('client', 'BAD_MESSAGE', 'asked for a program that this node does not have');
    this.#checkBindings(session, m, checked);
    const run = this.newRun(session, m, checked);
    this.runs.set(m.ticket, run);
    this.#agree(run)
      .then((peers) => this.execute(run, peers))
      .then(
        () => this.#finish(run),
        (error: unknown) => this.abort(run, error),
      );
  }

  #checkBindings(session: NodeSession, m: MessageOf<'prepare'>, { program }: CheckedProgram): void {
    const bad = (what: string, code: NodeErrorCode = 'BAD_MESSAGE') => new NodeError('client', code, what);
    if (m.inputs.length !== program.inputs.length) throw bad(`bound ${m.inputs.length} inputs of ${program.inputs.length}`);
    m.inputs.forEach((b, i) => {
      const wants = program.inputs[i]!;
      if (b.kind !== wants.kind) throw bad(`bound input ${i} to '${b.kind}', the program wants '${wants.kind}'`);
      if (b.kind !== 'opened' || wants.kind !== 'opened') return;
      const t = this.#bound(session, b.tensor, wants);
      if (b.width !== wants.width) throw bad(`bound input ${i} to an opening of ${b.width} bits`);
      if (!t.openings.has(`${b.width}:${b.run}`)) throw new NodeError(nodeName[this.role], 'TENSOR_LOST', `the opening of tensor ${b.tensor} is not here any more`);
    });
  }

  /** A tensor of the session, if it is what the program wants. */
  #bound(session: NodeSession, tensor: number, wants: Pick<ShareType, 'shape' | 'fracBits' | 'bits' | 'magnitude'>): StoredTensor {
    const t = session.tensors.get(tensor);
    if (!t) throw new NodeError(nodeName[this.role], 'TENSOR_LOST', `tensor ${tensor} is not here any more`);
    const { shape, fracBits, bits, magnitude } = t.type;
    if (shape.join() !== wants.shape.join() || fracBits !== wants.fracBits || bits !== wants.bits || magnitude !== wants.magnitude)
      throw new NodeError('client', 'BAD_MESSAGE', `bound an input to tensor ${tensor}, which is of another type`);
    return t;
  }

  /** The client's word to start. A second one would put other inputs under the same masks and give away their difference, so it ends the run. */
  #begin(run: R, m: MessageOf<'run'>, payload: Uint8Array): void {
    const bad = (what: string, code: NodeErrorCode = 'BAD_MESSAGE') => new NodeError('client', code, what);
    const { session, checked } = run;
    const { program, types } = checked;
    if (run.started) throw bad('sent the inputs of a run twice', 'INPUT_REFUSED');
    if (payload.length !== this.runBytes(run)) throw bad(`sent ${payload.length} bytes of inputs, the program takes ${this.runBytes(run)}`, 'BAD_FRAME');
    const wanted = program.inputs.filter((i) => i.kind === 'share');
    if (m.shares.length !== wanted.length) throw bad(`bound ${m.shares.length} shares of ${wanted.length}`);
    if (m.keeps.length !== program.keeps.length) throw bad(`bound ${m.keeps.length} kept values of ${program.keeps.length}`);
    m.shares.forEach((tensor, i) => {
      this.#bound(session, tensor, wanted[i]!);
    });
    m.keeps.forEach((tensor, i) => {
      const isOutput = types[program.keeps[i]!]!.kind === 'share';
      if (!isOutput && !session.tensors.has(tensor)) throw bad(`keeps an opening of tensor ${tensor}, which does not exist`);
      if (isOutput && session.tensors.has(tensor)) throw bad(`keeps an output as tensor ${tensor}, which exists`);
    });
    run.started = true;
    run.given.resolve({ payload, shares: m.shares, keeps: m.keeps, traced: m.trace === true });
  }

  /** What a run leaves at this node: outputs that stay become tensors, openings go to the tensor they are of. */
  protected keep({ checked, session, runId }: R, tensors: readonly number[], values: readonly { share?: Words; stored?: StoredOpening }[]): void {
    tensors.forEach((tensor, i) => {
      const v = checked.program.keeps[i]!;
      const type = checked.types[v]!;
      if (type.kind === 'share') this.#store(session, tensor, type, values[v]!.share);
      else this.#storeOpening(session, tensor, bytesToHex(runId), values[v]!.stored!);
    });
  }

  // ---- the end of a run

  #finish(run: R): void {
    this.runs.delete(run.ticket);
    this.#burn(run);
    this.release(run);
  }

  #burn(run: R): void {
    const longest = Math.max(limits.frameBytes, this.runBytes(run), ...run.checked.rounds.map((r) => r.bytes));
    this.#burnt.set(run.ticket, longest);
    if (this.#burnt.size > 10_000) this.#burnt.delete(this.#burnt.keys().next().value!);
  }

  /** Ends a run everywhere. What was computed of it is dropped, and nothing more is opened. */
  protected abort(run: R, cause: unknown): void {
    if (run.error || !this.runs.has(run.ticket)) return;
    const report: ErrorReport = reportOf(cause, nodeName[this.role]);
    run.error = errorOf(report);
    this.log('aborted', { ...report });
    this.runs.delete(run.ticket);
    this.#burn(run);
    run.aborted.reject(run.error);
    this.release(run);
    const message: Message = { t: 'abort', ticket: run.ticket, error: report };
    for (const peer of this.#peers.values()) peer.link.send(message).catch(() => {});
    run.session.link.send(message).catch(() => {});
  }
}

/** The peak of this process's memory, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
