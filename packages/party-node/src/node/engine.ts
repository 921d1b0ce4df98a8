import { Arena, type Kernels, loadKernels, type Words } from '@secformer/ring';
import type { StoredOpening } from '@secformer/secformer-ops';
import { type ErrorReport, errorOf, NodeError, reportOf } from '../errors.js';
import { limits } from '../limits.js';
import type { EngineState } from '../operation/events.js';
import { ModelStore } from '../store/model-store.js';
import { MessageLink } from '../wire/framing.js';
import { nodeName } from '../wire/handshake.js';
import { type BoundInput, jsonBytes, listed, type Message, type MessageOf, readJson } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { Agreements, agree } from './agreements.js';
import { Budget } from './budget.js';
import { BurntTickets } from './burnt-tickets.js';
import { type ClientCommands, ClientLink } from './client-link.js';
import type { DataConnection } from './data/data-connections.js';
import { joinData } from './data/join-data.js';
import { Draining } from './draining.js';
import type { EngineOptions, Welcomed } from './engine-options.js';
import { askedRun } from './models/asked.js';
import { Catalogue } from './models/catalogue.js';
import { DiskKeeper } from './models/disk-keeper.js';
import type { PoolItem } from './models/pool.js';
import { ModelMemory } from './models/publishing.js';
import { nobody } from './nobody.js';
import { lostLink, mostFromNode } from './node-messages.js';
import { ownRun } from './own-run.js';
import { type Peer, Peers } from './peers.js';
import { PublicTensors } from './public-tensors.js';
import { endedRun, newTraffic, planOfModel, stateOf } from './reporting.js';
import { Resting } from './resting.js';
import { gone, type NodeRun, type RunParts } from './run.js';
import type { NodeSession } from './session.js';
import { Subjects } from './subject.js';
import { Tidying } from './tidying.js';

/**
 * What a party and a dealer have in common: links to the other nodes, sessions of clients, the agreement on a run and
 * its abort. A failure anywhere ends the run at every node and burns its ticket; the node lives on.
 */
export abstract class Engine<R extends NodeRun> implements ClientCommands {
  kernels!: Kernels;
  readonly role: NodeRole;
  readonly budget: Budget;
  readonly arena: Arena;
  readonly runs = new Map<string, R>();
  readonly subjects: Subjects;
  readonly catalogue: Catalogue;
  readonly memory: ModelMemory;
  readonly publics = new PublicTensors();
  readonly #options: EngineOptions;
  /** in whose name the pool's runs are prepared */
  readonly #nobody: NodeSession;
  readonly #peers: Peers;
  readonly #agreements = new Agreements();
  readonly #burnt = new BurntTickets();
  readonly #traffic = newTraffic();
  readonly #links = new Set<MessageLink>();
  readonly #clients = new Set<ClientLink>();
  readonly #tidying: Tidying;
  readonly #resting: Resting;
  #keeper: DiskKeeper | undefined;
  readonly #draining = new Draining<R>(this);

  constructor(options: EngineOptions) {
    this.role = options.role;
    this.#options = options;
    this.#peers = new Peers(options.role);
    this.#tidying = new Tidying(options.ownMemory, options.tidied);
    this.#resting = new Resting(this, () => this.#rest());
    this.budget = new Budget(nodeName[options.role], options.memory);
    this.subjects = new Subjects(this.budget);
    this.memory = new ModelMemory(this.budget);
    const pool = options.pool ?? Math.floor(options.memory * limits.poolPart);
    this.#nobody = nobody(this.budget, nodeName[options.role], pool);
    this.catalogue = new Catalogue();
    this.catalogue.found = (model) => this.memory.hold(model);
    this.catalogue.gone = (model) => this.memory.give(model);
    this.catalogue.changed = () => {
      this.#peers.tell({ t: 'have' }, jsonBytes(this.catalogue.mine));
      this.modelsChanged();
    };
    this.arena = new Arena(this.budget.room);
    this.budget.changed = () => {
      this.arena.limit = this.budget.room;
    };
  }

  /** to the other party and back, in milliseconds, where that was measured */
  roundTripMs: number | undefined;

  log(event: string, fields?: Record<string, unknown>): void {
    this.#options.log?.(event, fields);
  }

  async start(): Promise<void> {
    this.kernels = await loadKernels();
    this.kernels.threads = this.#options.threads;
    const { models } = this.#options;
    if (!models) return;
    const { folder, key } = models;
    const store = await ModelStore.open(folder, { kernels: this.kernels, node: nodeName[this.role], key });
    this.#keeper = new DiskKeeper(store, this.kernels);
    this.catalogue.keeper = this.#keeper;
    await this.#keeper.restore(this.catalogue, (event, fields) => this.log(event, fields));
  }

  /** Closes all links. @returns when what is written to disk is there */
  async stop(): Promise<void> {
    this.#resting.stop();
    for (const link of this.#links) link.close('the node stops');
    await this.#keeper?.close();
  }

  /** Takes a link whose other end has proved who it is. */
  welcome({ role, principal = { kind: 'owner' }, seed, link: raw, left }: Welcomed): void {
    const link = new MessageLink(raw, () => nodeName[role]);
    this.#links.add(link);
    const closed = (why: string) => {
      this.#links.delete(link);
      left(why);
    };
    if (role === 'client') {
      const client = new ClientLink(this, link, principal);
      this.#clients.add(client);
      link.onClose = (why) => {
        this.#clients.delete(client);
        client.close(why);
        closed(why);
      };
      return;
    }
    const peer: Peer = { role, seed, link };
    this.#peers.add(peer);
    link.send({ t: 'have' }, jsonBytes(this.catalogue.mine)).catch(() => {});
    link.accept = (m) => mostFromNode(role, m, (m) => this.acceptPayload(role, m));
    link.room = (m, bytes) =>
      m.t === 'round' || m.t === 'material' ? this.arena.borrow(bytes) : new Uint8Array(bytes);
    link.dropped = (payload) => this.arena.release([payload]);
    link.onMessage = (m, payload) => this.#fromNode(peer, m, payload);
    link.onClose = (why) => {
      this.#peers.remove(peer);
      peer.data?.close(why);
      for (const run of [...this.runs.values()])
        this.abort(run, lostLink(nodeName[role], nodeName[this.role], why, run.started));
      closed(why);
    };
  }

  async #fromNode(peer: Peer, m: Message, payload: Uint8Array): Promise<void> {
    const { role } = peer;
    if (m.t === 'agree') {
      if (!this.#burnt.has(m.ticket)) this.#agreements.arrived(role, { peer, message: m });
    } else if (m.t === 'abort') {
      const run = this.runs.get(m.ticket);
      if (run) this.abort(run, errorOf(m.error));
      else {
        this.#agreements.forget(m.ticket);
        this.#burnt.early(m.ticket);
        this.late(m);
      }
    } else if (m.t === 'have') {
      const list = readJson(listed, payload, nodeName[role], 'a list of models');
      // What goes wrong on this node's disk is none of the link's
      await this.catalogue.heard(role, list).catch((error: Error) => this.log('model', { why: error.message }));
      this.modelsChanged();
    } else if (m.t === 'pool' && role === 'dealer') {
      this.#pooled(m);
    } else if ('ticket' in m) {
      await this.#toRun(role, m, payload);
    }
  }

  #toRun(role: NodeRole, m: Message & { ticket: string }, payload: Uint8Array): void | Promise<void> {
    const run = this.runs.get(m.ticket);
    if (run) return this.receive(run, role, m, payload);
    this.arena.release([payload]);
    this.late(m);
  }

  /** A data connection of another node, which has yet to prove itself. @param opened called when it has */
  connect(connection: DataConnection, opened: () => void): void {
    const { role } = connection;
    joinData(connection, this.#peers.of(role), {
      arena: this.arena,
      traffic: this.#traffic[role],
      accept: (m) => this.acceptPayload(role, m),
      take: (m, payload) => this.#toRun(role, m, payload),
      between: this.#options.between,
      opened,
    });
  }

  /** The dealer has a run prepared, of what this node serves as well. */
  #pooled({ ticket, program, model: { generation } }: MessageOf<'pool'>): void {
    if (this.runs.has(ticket) || this.#burnt.has(ticket)) return;
    const model = this.catalogue.all.find((m) => m.ref.generation === generation);
    const unknown = () => reportOf(new Error('does not serve that model'), nodeName[this.role]);
    if (model) this.preparePooled(ticket, { model, program });
    else this.#peers.tell({ t: 'abort', ticket, error: unknown() });
  }

  /** Largest payload of a run's message that fits its schedule now. */
  protected abstract acceptPayload(role: NodeRole, m: MessageOf<'round'> | MessageOf<'material'>): number;
  /** A message of a run from another node. */
  protected abstract receive(run: R, from: NodeRole, m: Message, payload: Uint8Array): void | Promise<void>;
  /** A message of a run that is over here, without its payload. */
  protected late(_m: Message & { ticket: string }): void {}
  protected abstract newRun(parts: RunParts): R;
  /** The run itself, once it is agreed; throws to abort. */
  protected abstract execute(run: R, peers: ReadonlyMap<NodeRole, Peer>): Promise<void>;
  /** Gives up what the run holds: called once, when nothing of it is under way any more. */
  protected abstract release(run: R): void;
  abstract put(m: MessageOf<'put'>, payload: Uint8Array): Promise<Words | undefined>;
  abstract putOpened(m: MessageOf<'putOpened'>, payload: Uint8Array): Promise<StoredOpening>;
  abstract putBytes(m: MessageOf<'put' | 'putOpened'>): { sent: number; kept: number };
  abstract inputBytes(run: R): number;

  // ---- runs

  acceptInputs(session: NodeSession, ticket: string): number {
    const run = this.runs.get(ticket);
    if (run) return run.session === session ? limits.listBytes + this.inputBytes(run) : 0;
    return this.#burnt.longest(ticket);
  }

  prepare(session: NodeSession, m: MessageOf<'prepare'>, inputs: BoundInput[]): void {
    if (this.runs.has(m.ticket) || this.#burnt.has(m.ticket))
      throw new NodeError('client', 'BAD_MESSAGE', 'used a ticket twice');
    const { subject } = session;
    subject.checkRuns(nodeName[this.role], session.principal);
    this.#draining.check();
    const run = this.newRun(m.model ? askedRun(this.catalogue, session, m, inputs) : ownRun(session, m, inputs));
    run.counted = true;
    subject.runs++;
    if (run.model) run.model.runs++;
    this.asked(run);
    this.#begin(run);
  }

  /** Prepares a run of a published Program for whoever asks for it: the dealer does, and has the parties do it. */
  protected preparePooled(ticket: string, { model, program }: PoolItem): R {
    if (this.role === 'dealer') this.#peers.tell({ t: 'pool', ticket, program, model: model.ref });
    const { checked, published } = model.program(program);
    const inputs = model.inputs(published);
    const run = this.newRun({ ticket, session: this.#nobody, checked, inputs, mode: 'pool', model });
    this.#begin(run);
    return run;
  }

  /** Called when a client's run begins. */
  protected asked(_run: R): void {}
  /** Called when nothing of a run is left. */
  protected over(_run: R): void {}
  /** Called when the models that are served may be others. */
  protected modelsChanged: () => void = () => {};

  protected tell(message: Message): void {
    this.#peers.tell(message);
  }

  /** Does somebody wait for a run? */
  protected get isBusy(): boolean {
    for (const run of this.runs.values()) if (run.isWaitedFor) return true;
    return false;
  }

  /** Are runs of published models prepared before anybody asks for them? */
  protected get hasPool(): boolean {
    return this.#nobody.account.most > 0 && !this.#draining.began;
  }

  protected get hasPeers(): boolean {
    return this.#peers.count === NODES.length - 1;
  }

  #begin(run: R): void {
    this.runs.set(run.ticket, run);
    this.#resting.later();
    agree(run, this.role, this.#peers, this.#agreements)
      .then(async ({ peers, pooled }) => {
        if (pooled !== undefined) this.#adopt(run, pooled);
        else {
          await this.execute(run, peers);
          this.#finish(run);
        }
      })
      .catch((error: unknown) => this.abort(run, error))
      // Only now is nothing of the run pending: memory of an aborted run is not reused while one of its sends waits
      .then(() => {
        this.release(run);
        if (run.counted) {
          run.subject.runs--;
          if (run.model) run.model.runs--;
          // Its client comes again by itself
          if (run.model && !run.started && run.error?.code === 'BUSY') run.subject.refund();
        }
        const ended = endedRun(run, this.role);
        if (ended) this.#options.report?.(ended);
        this.#draining.ended();
        this.over(run);
        this.arena.ended();
        this.#tidying.afterRun(() => this.#countedMemory);
        if (run.error?.code !== 'GAVE_WAY') this.#resting.later();
      })
      .catch((error: Error) => this.log('failed', { why: error.stack }));
  }

  /** A client's run goes on as one that is prepared. */
  #adopt(run: R, pooled: string): void {
    const prepared = this.runs.get(pooled);
    if (!prepared?.isFreeFor(run)) throw gone(nodeName[this.role]);
    run.counted = false;
    run.handedOver = true;
    prepared.claim(run);
    this.runs.set(run.ticket, prepared);
  }

  /** Takes back what a run was promised. */
  protected unreserve(run: R): void {
    if (run.reserved === 0) return;
    this.budget.unreserve(run.reservedOn!, run.reserved);
    run.reserved = 0;
  }

  #finish(run: R): void {
    const { mode, born, checked } = run;
    this.#forget(run);
    this.log('run', {
      mode,
      ms: Math.round(performance.now() - born),
      rounds: checked.cost.rounds,
      instructions: checked.program.instructions.length,
    });
  }

  /** A run is over, under both of its tickets. */
  #forget(run: R): void {
    this.unreserve(run);
    for (const ticket of new Set([run.ticket, run.clientTicket])) {
      this.runs.delete(ticket);
      this.#burnt.add(ticket, limits.listBytes + this.inputBytes(run));
    }
  }

  /** Ends a run everywhere. What was computed of it is dropped, and nothing more is opened. */
  abort(run: R, cause: unknown): void {
    if (run.error || !this.runs.has(run.ticket)) return;
    const report: ErrorReport = reportOf(cause, nodeName[this.role]);
    run.error = errorOf(report);
    // A spare that nobody came for is no event, nor one whose client has left
    const nobodys = (run.mode === 'spare' || run.isFree) && (report.code === 'GAVE_WAY' || report.node === 'client');
    if (run.started || !nobodys) this.log('aborted', { ...report });
    this.#forget(run);
    run.aborted.reject(run.error);
    this.#peers.tell({ t: 'abort', ticket: run.ticket, error: report });
    run.session.link.send({ t: 'abort', ticket: run.clientTicket, error: report }).catch(() => {});
  }

  /** A client's command was not carried out. */
  refused(code: string): void {
    this.#options.report?.({ kind: 'refused', code, rule: 'command' });
  }

  /** How things stand, for whoever watches this node. */
  state(): EngineState {
    return stateOf(this.budget, this.runs.values(), this.catalogue, this.#traffic);
  }

  /** What a served model's Program costs, for whoever watches this node. */
  plan(title: string, program: number) {
    return planOfModel(this.catalogue, title, program);
  }

  /**
   * Takes no new run, and gives up those that are prepared and not started. Resolves when no run is left; it has no
   * time limit.
   */
  async drain(): Promise<void> {
    await this.#draining.begin();
    // Their results are on their way to the thread that holds the connections
    await Promise.all([...this.#links].map((link) => link.taken()));
  }

  /** Bytes that this node accounts for, without what its process had at the start. */
  get #countedMemory(): number {
    return this.budget.bytes - this.budget.room + this.arena.usedBytes + this.arena.spareBytes;
  }

  /** Returns memory to the system, while nothing is computed. */
  #rest(): void {
    this.arena.rest();
    for (const client of this.#clients) client.rest();
    this.#tidying.tidy();
    this.log('rest', { kept: this.budget.bytes - this.budget.room });
  }
}
