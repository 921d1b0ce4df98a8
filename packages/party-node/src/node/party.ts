import { createHash } from 'node:crypto';
import { bytesToHex } from '@noble/hashes/utils.js';
import { type Arena, deriveRunKey, packedBytes, RunStreams, scratch, sizeOf, type Words } from '@secformer/ring';
import {
  giveUp,
  newTrace,
  type PartyValue,
  type PreparedParty,
  partyWritten,
  prepareParty,
  programLimits,
  type Role,
  releaseOutputs,
  reshareOutput,
  runParty,
  type ShareType,
  type StoredOpening,
  writtenBytes,
} from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import { nodeName } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';
import { type AheadRoom, aheadRoom, leastRoom } from './ahead.js';
import { breath } from './breath.js';
import { type Account, memoryOf } from './budget.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';
import { holdKept, keepValues } from './kept-values.js';
import { MaterialQueue } from './material-queue.js';
import { inputMasks, inputsOf } from './party-inputs.js';
import { peakMemory } from './peak-memory.js';
import type { Peer } from './peers.js';
import { type Given, type NodeRole, NodeRun, namesHash, type RunParts } from './run.js';
import { spending } from './spent.js';
import { shareBytes, writtenShare } from './written-share.js';

class PartyRunState extends NodeRun implements AheadRoom {
  readonly material: MaterialQueue;
  readonly frames = new Map<number, Uint8Array>();
  frameArrived = new Deferred<void>();
  /** resolves when the dealer begins with this run */
  readonly turn = new Deferred<void>();
  readonly theirInputs = new Deferred<string>();
  readonly theirsKept = new Deferred<string>();
  nextRound = 0;
  /** bytes of randomness drawn before the run starts, and bytes of corrections that may wait for it */
  ahead = 0;
  window = 0;
  prepared: PreparedParty | undefined;
  /** words for the masked inputs, of the arena */
  inputRoom: Words[] = [];

  constructor(arena: Arena, parts: RunParts) {
    super(parts);
    this.material = new MaterialQueue(arena);
  }
}

/** A party: holds one share of everything and computes on it. */
export class Party extends Engine<PartyRunState> {
  readonly #index: Role;
  readonly #other: NodeRole;

  constructor(index: Role, options: Omit<EngineOptions, 'role'>) {
    super({ ...options, role: index === 0 ? 'party0' : 'party1' });
    this.#index = index;
    this.#other = index === 0 ? 'party1' : 'party0';
    this.budget.makeRoom = (bytes, account) => this.#makeRoom(bytes, account);
  }

  protected newRun(parts: RunParts): PartyRunState {
    const run = new PartyRunState(this.arena, parts);
    run.othersFirst = () => this.isBusy;
    return run;
  }

  /** Reserves a run's memory, when the dealer begins with it and before any of that memory is used. */
  #admit(run: PartyRunState): void {
    const { cost } = run.checked;
    const { account } = run.session;
    const isPool = run.mode === 'pool';
    const values = memoryOf(cost.peak, this.inputBytes(run) + cost.outputBytes);
    let room: AheadRoom = { ahead: 0, window: this.#index === 1 ? Math.min(limits.dealerLeadBytes, cost.dealer) : 0 };
    if (run.mode !== 'streamed') {
      const randomness = leastRoom(cost);
      const least = values + randomness;
      if (run.mode === 'ahead' && this.budget.leftFor(account, false) < least) this.#makeRoom(least, account);
      const all = this.budget.leftFor(account, false);
      const left = (isPool ? Math.min(all, account.most - account.reserved) : all) - values;
      if (left < randomness) {
        throw new NodeError(
          nodeName[this.role],
          'LIMIT_EXCEEDED',
          `tensors and other runs leave ${Math.max(0, left)} of ${this.budget.bytes} bytes ` +
            'for the randomness of a prepared run: run without preparing, or run or cancel what is prepared',
        );
      }
      room = aheadRoom(this.#index, cost, left);
    }
    const bytes = values + room.ahead + room.window;
    this.budget.reserve(account, bytes, limits.retryMs);
    Object.assign(run, room, { reserved: bytes, reservedOn: account });
  }

  /**
   * Discards prefetched runs, the oldest of this session first and then those of others, until one more run may have so
   * many bytes. The pool's own make no room for another of the pool.
   */
  #makeRoom(bytes: number, account: Account): void {
    const spares = [...this.runs.values()].filter(
      (run) => (run.mode === 'spare' && !run.started) || (run.isFree && run.session.account !== account),
    );
    const mine = spares.filter((run) => run.session.account === account);
    for (const run of [...mine, ...spares.filter((run) => !mine.includes(run))]) {
      if (this.budget.leftFor(account, account.runs === 0) >= bytes) return;
      this.abort(
        run,
        new NodeError(
          nodeName[this.role],
          'GAVE_WAY',
          'what was prepared for the next run had to give its memory to what is waited for',
        ),
      );
    }
  }

  protected override over(run: PartyRunState): void {
    if (run.model && run.started && !run.handedOver) this.tell({ t: 'computed', ticket: run.ticket });
  }

  protected release(run: PartyRunState): void {
    giveUp(this.arena, run.prepared);
    run.material.clear();
    this.arena.release(run.frames.values());
    this.arena.release(run.inputRoom.splice(0));
    run.frames.clear();
  }

  protected acceptPayload(role: NodeRole, m: MessageOf<'round'> | MessageOf<'material'>): number {
    const run = this.runs.get(m.ticket);
    // For a run that is over: what was in flight is accepted and discarded
    if (!run) return m.t === 'material' ? limits.frameBytes : programLimits.roundBytes;
    if (m.t === 'material') {
      if (role !== 'dealer' || this.#index !== 1)
        throw new NodeError(nodeName[role], 'BAD_MESSAGE', 'sent corrections to a node that takes none from it');
      return Math.min(limits.frameBytes, run.checked.cost.dealer - run.material.received);
    }
    if (role !== this.#other || m.round < run.nextRound || m.round > run.nextRound + 1 || run.frames.has(m.round))
      throw new NodeError(nodeName[role], 'BAD_MESSAGE', `sent round ${m.round} out of order`);
    return run.checked.rounds[m.round]?.bytes ?? 0;
  }

  protected receive(run: PartyRunState, from: NodeRole, m: Message, payload: Uint8Array): void {
    if (run.error) {
      this.arena.release([payload]);
    } else if (m.t === 'round' && from === this.#other) {
      run.frames.set(m.round, payload);
      run.frameArrived.resolve();
    } else if (m.t === 'material' && from === 'dealer') {
      run.material.push(payload);
    } else if (m.t === 'turn' && from === 'dealer') {
      run.turn.resolve();
    } else if (m.t === 'confirm' && from === this.#other) {
      run.theirInputs.resolve(m.hash);
    } else if (m.t === 'kept' && from === this.#other) {
      run.theirsKept.resolve(m.hash);
    }
  }

  putBytes(m: MessageOf<'put' | 'putOpened'>): { sent: number; kept: number } {
    const n = sizeOf(m.shape);
    if (m.t === 'putOpened') return { sent: writtenBytes(this.#index, n, m.width), kept: 8 * n };
    return { sent: shareBytes(m), kept: 8 * n };
  }

  put(m: MessageOf<'put'>, payload: Uint8Array): Promise<Words> {
    return writtenShare(this.kernels, m, payload);
  }

  putOpened({ shape, width }: MessageOf<'putOpened'>, payload: Uint8Array): Promise<StoredOpening> {
    return partyWritten(this.kernels, sizeOf(shape), width, payload, breath);
  }

  inputBytes(run: PartyRunState): number {
    return run.checked.program.inputs.reduce(
      (n, i) => n + (i.kind === 'oneHot' ? packedBytes(sizeOf(i.shape), i.width) : 0),
      0,
    );
  }

  protected async execute(run: PartyRunState, peers: ReadonlyMap<NodeRole, Peer>): Promise<void> {
    const { checked, ticket, material } = run;
    await run.within(run.turn.promise, limits.queueMs + limits.progressMs, 'dealer', 'its turn');
    this.#admit(run);
    const prepareStart = run.begin();
    const [dealer, other] = [peers.get('dealer')!, peers.get(this.#other)!];
    const streams = new RunStreams(this.kernels, deriveRunKey(dealer.seed, run.runId));
    const pair = new RunStreams(this.kernels, deriveRunKey(other.seed, run.runId));
    const waitForMaterial = (p: Promise<void>) => run.within(p, limits.progressMs, 'dealer', 'a correction');
    const masks = inputMasks(run.checked, streams);
    // Memory for the masked inputs: borrowed now, off the online path
    const room = this.arena.during(
      () => new Map([...masks].map(([i, mask]) => [i, scratch(mask.length)])),
      (made) => made.values(),
    );
    run.inputRoom = [...room.values()];
    const from = {
      kernels: this.kernels,
      arena: this.arena,
      role: this.#index,
      checked,
      streams,
      pause: run.pause,
      material: (bytes: number) => material.take(bytes, waitForMaterial),
    };
    const credit = (bytes: number) => void dealer.link.send({ t: 'credit', ticket, bytes }).catch(() => {});
    material.onTaken = credit;
    if (run.window > limits.dealerStartBytes) credit(run.window - limits.dealerStartBytes);
    if (run.mode !== 'streamed') {
      run.prepared = await prepareParty(from, run.ahead);
      if (this.#index === 1) await material.filled(run.window, checked.cost.dealer, waitForMaterial);
    }
    if (run.mode === 'pool') {
      await dealer.link.send({ t: 'ready', ticket });
      run.isReady = true;
    }
    await run.announce({
      run: bytesToHex(run.runId),
      ms: performance.now() - prepareStart,
      bytes: checked.cost.dealer,
    });

    const given = await run.start();
    const [start, spent] = [performance.now(), spending()];
    const link = other.data ?? other.link;
    const overhead = link.overheadBytes;
    // Different inputs at the two parties would make the output depend on one share of the weights alone
    const hash = createHash('sha256').update(namesHash(given)).update(given.payload).digest('hex');
    await link.send({ t: 'confirm', ticket, hash });
    // A wait that an abort does not end: what follows writes into the run's memory
    run.check();
    const sameInputs = async () => {
      const theirs = await run.within(
        run.theirInputs.promise,
        limits.progressMs,
        nodeName[this.#other],
        'its word on the inputs',
      );
      if (theirs !== hash) throw new NodeError('client', 'INPUT_REFUSED', 'sent different inputs to the two parties');
    };
    const trace = newTrace(given.traced);
    run.trace = trace;
    const inputs = inputsOf(this.kernels, run, given, masks, room);
    const values = await runParty({
      ...from,
      inputs,
      trace,
      ...(run.prepared && { prepared: run.prepared }),
      exchange: (round, mine) => this.#exchange(run, link, round, mine, sameInputs),
    });
    let outputs: Uint8Array[];
    try {
      // A run without rounds has not waited for this yet
      await sameInputs();
      run.check();
      outputs = checked.program.outputs.map((v, i) =>
        reshareOutput(this.kernels, this.#index, values[v]!.share!, (checked.types[v] as ShareType).bits, pair, i),
      );
      if (checked.program.keeps.length > 0) await this.#keepTogether(run, given, values, [other, dealer]);
    } finally {
      releaseOutputs(this.arena, checked, values);
    }
    const record: MessageOf<'result'> = {
      t: 'result',
      ticket: run.clientTicket,
      ms: performance.now() - start,
      waitMs: trace.waitMs,
      bytesSent: trace.bytesSent,
      overheadBytes: link.overheadBytes - overhead,
      rounds: trace.rounds,
      perOp: [...trace.perOp.values()],
      memory: peakMemory(),
      ...spent(),
    };
    const events = trace.events ? new TextEncoder().encode(JSON.stringify(trace.events)) : undefined;
    const client = run.session.link;
    if (!events) await client.send(record, ...outputs);
    else await client.send({ ...record, traceBytes: events.length }, ...outputs, events);
  }

  /**
   * Stores what is kept once the other party has got as far: if only some of the nodes stored it, no later run could
   * use it.
   */
  async #keepTogether(run: PartyRunState, given: Given, values: PartyValue[], others: readonly Peer[]): Promise<void> {
    const bytes = holdKept(run, values);
    try {
      const hash = namesHash(given);
      for (const { link } of others) await link.send({ t: 'kept', ticket: run.ticket, hash });
      await run.within(run.theirsKept.promise, limits.progressMs, nodeName[this.#other], 'its word that it is done');
      run.check();
    } catch (error) {
      for (const n of bytes) run.session.give(n);
      throw error;
    }
    keepValues(this.kernels, run, given.keeps, values, bytes);
  }

  /**
   * Exchanges a round's frames. The other party's frame belongs to the run until it is returned, so that it is released
   * however the run ends.
   * @param sameInputs to be waited for before the first frame is used
   */
  async #exchange(
    run: PartyRunState,
    link: MessageLink,
    round: number,
    mine: Uint8Array,
    sameInputs: () => Promise<void>,
  ): Promise<Uint8Array> {
    run.nextRound = round;
    // Every round takes both parties, so one of them says it
    if (this.#index === 0) run.tellRounds(round);
    const sent = link.send({ t: 'round', ticket: run.ticket, round }, mine);
    sent.catch(() => {});
    for (;;) {
      const theirs = run.frames.get(round);
      if (theirs) {
        await run.within(sent, limits.progressMs, nodeName[this.#other], 'room for a frame');
        if (round === 0) await sameInputs();
        run.check();
        run.frames.delete(round);
        return theirs;
      }
      run.frameArrived = new Deferred<void>();
      await run.within(run.frameArrived.promise, limits.progressMs, nodeName[this.#other], `round ${round}`);
    }
  }
}
