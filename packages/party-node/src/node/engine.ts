import { createHash } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Arena, type Kernels, loadKernels, type Secret, type Words } from '@secformer/ring';
import type { CheckedProgram, StoredOpening } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { type ErrorReport, errorOf, NodeError, reportOf } from '../errors.js';
import { limits } from '../limits.js';
import { MessageLink } from '../wire/framing.js';
import { nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import type { BoundInput, Message, MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole, type WireRole } from '../wire/tokens.js';
import { Agreements } from './agreements.js';
import { Budget } from './budget.js';
import { ClientLink } from './client-link.js';
import { giveUpMemory } from './garbage.js';
import type { Log } from './log.js';
import type { NodeRun } from './run.js';
import type { NodeSession } from './session.js';

export interface EngineOptions {
  role: NodeRole;
  /** that a large kernel, such as a matrix product, may take */
  threads: number;
  /** bytes that tensors and runs of all clients may take together */
  memory: number;
  log?: Log;
  /** what this process had before it did anything, in bytes, if it does nothing else */
  ownMemory?: number;
  /** called when this thread has given memory back to the machine */
  tidied?: () => void;
}

/** How long aborted runs may take to let go of what they hold. */
const SETTLE_MS = 200;

/** Another node: a link that it has proved to be at the other end of, and the seed that the two share. */
export interface Peer {
  role: NodeRole;
  seed: Secret;
  link: MessageLink;
}

/** Where a link goes that has been proved, and what to tell when it ends. */
export interface Welcomed {
  role: WireRole;
  seed: Secret;
  link: Link;
  left: (why: string) => void;
}

/**
 * What a party and a dealer have in common: links to the other nodes, sessions of clients, the agreement on a run and
 * its abort. A failure anywhere ends the run at every node and burns its ticket; the node lives on.
 */
export abstract class Engine<R extends NodeRun> {
  kernels!: Kernels;
  readonly role: NodeRole;
  readonly budget: Budget;
  readonly arena: Arena;
  readonly runs = new Map<string, R>();
  readonly #options: EngineOptions;
  readonly #peers = new Map<NodeRole, Peer>();
  readonly #peerWaiters = new Map<NodeRole, Deferred<Peer>>();
  readonly #agreements = new Agreements();
  /** tickets of runs that are over, with the longest payload that their client may still send for them */
  readonly #burnt = new Map<string, number>();
  readonly #links = new Set<MessageLink>();
  readonly #clients = new Set<ClientLink>();
  #tidied = performance.now();
  #tidyMs: number = limits.tidyMs;
  #rest: ReturnType<typeof setTimeout> | undefined;

  constructor(options: EngineOptions) {
    this.role = options.role;
    this.#options = options;
    this.budget = new Budget(nodeName[options.role], options.memory);
    this.arena = new Arena(this.budget.room);
    this.budget.changed = () => {
      this.arena.limit = this.budget.room;
    };
  }

  log(event: string, fields?: Record<string, unknown>): void {
    this.#options.log?.(event, fields);
  }

  async start(): Promise<void> {
    this.kernels = await loadKernels();
    this.kernels.threads = this.#options.threads;
  }

  stop(): void {
    clearTimeout(this.#rest);
    for (const link of this.#links) link.close('the node stops');
  }

  /** Takes a link whose other end has proved who it is. */
  welcome({ role, seed, link: raw, left }: Welcomed): void {
    const link = new MessageLink(raw, () => nodeName[role]);
    this.#links.add(link);
    const closed = (why: string) => {
      this.#links.delete(link);
      left(why);
    };
    if (role === 'client') {
      const client = new ClientLink(this, link);
      this.#clients.add(client);
      link.onClose = (why) => {
        this.#clients.delete(client);
        client.close(why);
        closed(why);
      };
      return;
    }
    const peer: Peer = { role, seed, link };
    this.#peers.get(role)?.link.close('the node connected again');
    this.#peers.set(role, peer);
    this.#peerWaiters.get(role)?.resolve(peer);
    this.#peerWaiters.delete(role);
    link.accept = (m) => this.#acceptFromNode(role, m);
    link.room = (m, bytes) =>
      m.t === 'round' || m.t === 'material' ? this.arena.borrow(bytes) : new Uint8Array(bytes);
    link.dropped = (payload) => this.arena.release([payload]);
    link.onMessage = (m, payload) => this.#fromNode(peer, m, payload);
    link.onClose = (why) => {
      if (this.#peers.get(role) === peer) this.#peers.delete(role);
      for (const run of [...this.runs.values()])
        this.abort(
          run,
          new NodeError(nodeName[role], 'LINK_CLOSED', `the link from ${nodeName[this.role]} was lost (${why})`),
        );
      closed(why);
    };
  }

  #acceptFromNode(role: NodeRole, m: Message): number {
    if (m.t === 'agree' || m.t === 'abort' || m.t === 'turn' || m.t === 'confirm' || m.t === 'credit' || m.t === 'kept')
      return 0;
    if (m.t === 'round' || m.t === 'material') return this.acceptPayload(role, m);
    throw new NodeError(nodeName[role], 'BAD_MESSAGE', `sent '${m.t}', which nodes do not send each other`);
  }

  async #fromNode(peer: Peer, m: Message, payload: Uint8Array): Promise<void> {
    const { role } = peer;
    if (m.t === 'agree') {
      if (!this.#burnt.has(m.ticket)) this.#agreements.arrived(role, { peer, message: m });
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
  protected abstract newRun(
    session: NodeSession,
    m: MessageOf<'prepare'>,
    inputs: BoundInput[],
    checked: CheckedProgram,
  ): R;
  /** The run itself, once it is agreed; throws to abort. */
  protected abstract execute(run: R, peers: ReadonlyMap<NodeRole, Peer>): Promise<void>;
  /** Gives up what the run holds: called once, when nothing of it is under way any more. */
  protected abstract release(run: R): void;
  /** This node's share of a tensor that the client writes, if it has one. */
  abstract put(m: MessageOf<'put'>, payload: Uint8Array): Promise<Words | undefined>;
  /** Bytes that the client sends to write a tensor, and those that it then takes. */
  abstract putBytes(m: MessageOf<'put'>): { sent: number; kept: number };
  /** Bytes of masked inputs that the client starts a run with. */
  abstract inputBytes(run: R): number;

  // ---- agreement

  #burnEarly(ticket: string): void {
    this.#agreements.forget(ticket);
    // A second abort of a run that was here says nothing new: what is still on its way must go on being let in
    if (!this.#burnt.has(ticket)) this.#burn(ticket, 0);
  }

  #burn(ticket: string, longest: number): void {
    this.#burnt.set(ticket, longest);
    if (this.#burnt.size > limits.burntTickets) this.#burnt.delete(this.#burnt.keys().next().value!);
  }

  /** Nonces and hashes are exchanged; the run id follows from all three. */
  async #agree(run: R): Promise<Map<NodeRole, Peer>> {
    const others = NODES.filter((r) => r !== this.role);
    const program = bytesToHex(run.checked.hash);
    // What the run is bound to too: parties bound to different tensors would compute a function of single shares
    const bindings = createHash('sha256')
      .update(JSON.stringify([run.mode, run.inputs]))
      .digest('hex');
    const pending = this.#agreements.expect(run.ticket, run.session.id, others);
    try {
      for (const role of others) {
        const peer = await this.#connected(run, role);
        await peer.link.send({
          t: 'agree',
          ticket: run.ticket,
          session: run.session.id,
          program,
          bindings,
          nonce: bytesToHex(run.nonce),
        });
        run.check();
      }
      const nonces = new Map<NodeRole, string>([[this.role, bytesToHex(run.nonce)]]);
      const peers = new Map<NodeRole, Peer>();
      for (const [role, deferred] of pending) {
        const { peer, message } = await run.within(
          deferred.promise,
          limits.agreeMs,
          nodeName[role],
          'its agreement to the run',
        );
        const same = message.program === program && message.session === run.session.id && message.bindings === bindings;
        if (!same)
          throw new NodeError(
            'client',
            'BAD_MESSAGE',
            `asked ${nodeName[this.role]} and ${nodeName[role]} for different programs, inputs or modes`,
          );
        nonces.set(role, message.nonce);
        peers.set(role, peer);
      }
      const id = [run.ticket, ...NODES.map((r) => nonces.get(r)!), program].join('');
      run.runId = sha256(hexToBytes(id)).slice(0, 16);
      return peers;
    } finally {
      this.#agreements.done(run.ticket);
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
      run.check();
      throw new NodeError(nodeName[role], 'UNREACHABLE', `${nodeName[this.role]} has no connection to it`, {
        cause: error,
      });
    }
  }

  // ---- runs

  /** Largest payload that the client of a run may send for it; of one that is over, what was allowed then. */
  acceptInputs(session: NodeSession, ticket: string): number {
    const run = this.runs.get(ticket);
    if (run) return run.session === session ? limits.listBytes + this.inputBytes(run) : 0;
    return this.#burnt.get(ticket) ?? 0;
  }

  prepare(session: NodeSession, m: MessageOf<'prepare'>, inputs: BoundInput[]): void {
    if (this.runs.has(m.ticket) || this.#burnt.has(m.ticket))
      throw new NodeError('client', 'BAD_MESSAGE', 'used a ticket twice');
    if (session.runs >= limits.sessionRuns) {
      const what = `${session.runs} runs of this session are prepared or under way; run or cancel some of them`;
      throw new NodeError(nodeName[this.role], 'BUSY', what, { retryAfterMs: limits.retryMs });
    }
    const checked = session.program(m.program);
    session.checkBindings(inputs, checked.program);
    const run = this.newRun(session, m, inputs, checked);
    this.runs.set(m.ticket, run);
    session.runs++;
    this.#restLater();
    this.#agree(run)
      .then((peers) => this.execute(run, peers))
      .then(
        () => this.#finish(run),
        (error: unknown) => this.abort(run, error),
      )
      // Only now is nothing of it under way: an aborted run's memory is not another's while a send of it still waits
      .then(() => {
        this.release(run);
        session.runs--;
        this.arena.ended();
        this.#tidy();
        if (run.error?.code !== 'GAVE_WAY') this.#restLater();
      })
      .catch((error: Error) => this.log('failed', { why: error.stack }));
  }

  /** Takes back what a run was promised. */
  protected unreserve(run: R): void {
    if (run.reserved === 0) return;
    this.budget.unreserve(run.session.account, run.reserved);
    run.reserved = 0;
  }

  /** What a run leaves at this node, counted before it is kept. @throws NodeError LIMIT_EXCEEDED */
  protected holdKept({ checked, session }: R, values: readonly { share?: Words; stored?: StoredOpening }[]): number[] {
    const bytes = checked.program.keeps.map((v) => values[v]!.share?.byteLength ?? values[v]!.stored?.byteLength ?? 0);
    const total = bytes.reduce((a, b) => a + b, 0);
    if (total > 0) session.hold(total, 'what the run keeps');
    return bytes;
  }

  /** Outputs that stay become tensors, openings go to the tensor they are of. @param bytes what `holdKept` counted */
  protected keep(
    { checked, session, runId }: R,
    tensors: readonly number[],
    values: readonly { share?: Words; stored?: StoredOpening }[],
    bytes: readonly number[],
  ): void {
    tensors.forEach((tensor, i) => {
      const v = checked.program.keeps[i]!;
      const type = checked.types[v]!;
      if (type.kind === 'share') session.store(this.kernels, tensor, type, values[v]!.share, bytes[i]!);
      else session.storeOpening(tensor, bytesToHex(runId), values[v]!.stored!, bytes[i]!);
    });
  }

  #finish(run: R): void {
    const { ticket, mode, born, checked } = run;
    this.runs.delete(ticket);
    this.unreserve(run);
    this.#burn(ticket, limits.listBytes + this.inputBytes(run));
    this.log('run', {
      mode,
      ms: Math.round(performance.now() - born),
      rounds: checked.cost.rounds,
      instructions: checked.program.instructions.length,
    });
  }

  /** Ends a run everywhere. What was computed of it is dropped, and nothing more is opened. */
  abort(run: R, cause: unknown): void {
    if (run.error || !this.runs.has(run.ticket)) return;
    const report: ErrorReport = reportOf(cause, nodeName[this.role]);
    run.error = errorOf(report);
    // A spare that nobody came for is no event, nor one whose client has left
    const nobodys = run.mode === 'spare' && (report.code === 'GAVE_WAY' || report.node === 'client');
    if (run.started || !nobodys) this.log('aborted', { ...report });
    this.runs.delete(run.ticket);
    this.unreserve(run);
    this.#burn(run.ticket, limits.listBytes + this.inputBytes(run));
    run.aborted.reject(run.error);
    const message: Message = { t: 'abort', ticket: run.ticket, error: report };
    for (const peer of this.#peers.values()) peer.link.send(message).catch(() => {});
    run.session.link.send(message).catch(() => {});
  }

  /** Between runs: where the process has much more than what is counted here, that is garbage. */
  #tidy(): void {
    const { ownMemory } = this.#options;
    if (ownMemory === undefined || performance.now() - this.#tidied < this.#tidyMs) return;
    const counted = ownMemory + this.budget.bytes - this.budget.room + this.arena.usedBytes + this.arena.spareBytes;
    const before = process.memoryUsage.rss();
    if (before <= (1 + limits.untidyPart) * counted + limits.untidyBytes) return;
    this.#giveUpMemory();
    const useful = process.memoryUsage.rss() < (1 - limits.tidyUse) * before;
    this.#tidyMs = useful ? limits.tidyMs : Math.min(limits.tidyMostMs, 2 * this.#tidyMs);
  }

  #giveUpMemory(): void {
    this.#tidied = performance.now();
    giveUpMemory();
    this.#options.tidied?.();
  }

  #restLater(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#toRest(), limits.restMs).unref();
  }

  /**
   * Nobody has computed anything for a while: what was made ready for programs that may repeat goes, and memory back to
   * the machine.
   */
  #toRest(): void {
    const all = [...this.runs.values()];
    if (all.some((run) => run.started || run.mode === 'streamed')) {
      this.#restLater();
      return;
    }
    for (const run of all.filter((r) => r.mode === 'spare'))
      this.abort(run, new NodeError(nodeName[this.role], 'GAVE_WAY', 'nobody has computed anything here for a while'));
    this.#rest = setTimeout(() => {
      this.arena.rest();
      for (const client of this.#clients) client.rest();
      this.#giveUpMemory();
      this.log('rest', { kept: this.budget.bytes - this.budget.room });
    }, SETTLE_MS).unref();
  }
}

/** The peak of this process's memory, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
