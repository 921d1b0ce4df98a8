import { bytesToHex } from '@noble/hashes/utils.js';
import { deriveRunKey, Purpose, RunStreams, sizeOf } from '@secformer/ring';
import {
  type DealerValue,
  dealerWritten,
  dealOneHot,
  runDealer,
  type StoredOpening,
  writtenBytes,
} from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';
import { breath } from './breath.js';
import { memoryOf } from './budget.js';
import { Engine } from './engine.js';
import type { EngineOptions } from './engine-options.js';
import { holdKept, keepValues } from './kept-values.js';
import { Pool } from './models/pool.js';
import { peakMemory } from './peak-memory.js';
import type { Peer } from './peers.js';
import { type Given, type NodeRole, NodeRun, namesHash, type RunParts } from './run.js';
import { Turns } from './turns.js';

class DealerRunState extends NodeRun {
  /** bytes of corrections that P1 has room for */
  window: number = limits.dealerStartBytes;
  room = new Deferred<void>();
  /** parties that have computed their parts */
  computed = 0;
  /** of each party, what it kept */
  readonly kept = { party0: new Deferred<string>(), party1: new Deferred<string>() };
}

/**
 * The dealer: hands out correlated randomness. It sees programs, shapes, tickets, numbers of tensors and when a run
 * starts, and no share, opening or input of anybody.
 */
export class Dealer extends Engine<DealerRunState> {
  readonly #turns = new Turns();
  readonly pool = new Pool({
    catalogue: this.catalogue,
    busy: () => !this.hasPool || this.isBusy || !this.hasPeers,
    prepare: (ticket, item) => this.preparePooled(ticket, item),
  });

  constructor(options: Omit<EngineOptions, 'role'>) {
    super({ ...options, role: 'dealer' });
    this.modelsChanged = () => this.pool.fill();
  }

  override async stop(): Promise<void> {
    this.pool.stop();
    await super.stop();
  }

  protected override asked(run: DealerRunState): void {
    if (run.model) run.pooled = this.pool.take({ model: run.model, program: bytesToHex(run.checked.hash) });
  }

  protected override over(run: DealerRunState): void {
    const promised = run.pooled === undefined ? undefined : this.runs.get(run.pooled);
    if (promised?.isFree) this.abort(promised, run.error ?? new NodeError('dealer', 'GAVE_WAY', 'nobody came for it'));
    // Its dealing is over, and the parties have begun: preparing another now would slow them down
    if (run.model && run.started && !run.error && !run.handedOver) this.pool.standBack(run.ticket, run.computed);
    this.pool.over(run);
  }

  protected override late({ t, ticket }: Message & { ticket: string }): void {
    if (t === 'computed' || t === 'abort') this.pool.computed(ticket, t === 'abort');
  }

  /** Runs that it is dealing for now. */
  get dealing(): number {
    return this.#turns.active;
  }

  protected newRun(parts: RunParts): DealerRunState {
    const run = new DealerRunState(parts);
    run.othersFirst = () => this.isBusy;
    run.standBack = async (until) => {
      this.#turns.leave(run);
      await until();
      await this.#turn(run, 'resume');
    };
    return run;
  }

  protected release(run: DealerRunState): void {
    this.#turns.leave(run);
  }

  protected acceptPayload(): number {
    return 0;
  }

  protected receive(run: DealerRunState, from: NodeRole, m: Message): void {
    if (m.t === 'ready') {
      this.pool.ready(run.ticket);
    } else if (m.t === 'computed') {
      run.computed++;
    } else if (m.t === 'credit' && from === 'party1') {
      run.window += m.bytes;
      run.room.resolve();
    } else if (m.t === 'kept' && from !== 'dealer') {
      run.kept[from].resolve(m.hash);
    }
  }

  putBytes(m: MessageOf<'put' | 'putOpened'>): { sent: number; kept: number } {
    const n = sizeOf(m.shape);
    return m.t === 'put' ? { sent: 0, kept: 0 } : { sent: writtenBytes('dealer', n, m.width), kept: 8 * n };
  }

  async put(): Promise<undefined> {}

  putOpened({ shape, width }: MessageOf<'putOpened'>, payload: Uint8Array): Promise<StoredOpening> {
    return dealerWritten(this.kernels, sizeOf(shape), width, payload, breath);
  }

  inputBytes(): number {
    return 0;
  }

  /** A turn, for as long as the run has something to do. */
  async #turn(run: DealerRunState, what: 'take' | 'resume'): Promise<void> {
    try {
      await this.#turns[what](run, (turn, place) => {
        if (what === 'take') run.tellPlace(place);
        return run.within(turn, limits.queueMs, 'dealer', 'a turn');
      });
    } catch (cause) {
      run.check();
      if (!(cause instanceof NodeError) || cause.code !== 'NO_PROGRESS') throw cause;
      throw new NodeError('dealer', 'BUSY', `other runs took all of ${limits.queueMs} ms; try again later`, {
        cause,
        retryAfterMs: this.#turns.retryAfterMs,
      });
    }
  }

  /**
   * Waits until P1 has room; another run has the turn meanwhile, if it takes long: P1 may be waiting for its client.
   */
  async #roomFor(run: DealerRunState, bytes: number): Promise<void> {
    const enough = async () => {
      while (run.window < bytes) {
        run.room = new Deferred<void>();
        await run.within(
          run.room.promise,
          Math.max(run.patience, limits.progressMs),
          'party 1',
          'room for more corrections',
        );
      }
    };
    const waiting = enough();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), limits.patienceMs);
    });
    try {
      if (!(await Promise.race([waiting, late]))) return;
      this.#turns.leave(run);
      await waiting;
      await this.#turn(run, 'resume');
    } finally {
      clearTimeout(timer);
    }
  }

  protected async execute(run: DealerRunState, peers: ReadonlyMap<NodeRole, Peer>): Promise<void> {
    const { checked, ticket } = run;
    const { account } = run.session;
    // Only now, when the three have agreed: a client that asks this node alone takes nobody's turn
    await this.#turn(run, 'take');
    const memory = memoryOf(checked.cost.dealerPeak, 0);
    this.budget.reserve(account, memory, limits.retryMs);
    Object.assign(run, { reserved: memory, reservedOn: account });
    const start = run.begin();
    for (const party of ['party0', 'party1'] as const) await peers.get(party)!.link.send({ t: 'turn', ticket });
    const seeds = [peers.get('party0')!.seed, peers.get('party1')!.seed] as const;
    const streams = seeds.map((s) => new RunStreams(this.kernels, deriveRunKey(s, run.runId))) as [
      RunStreams,
      RunStreams,
    ];
    const slotKeys: Uint8Array[] = [];
    const inputs: DealerValue[] = run.inputs.map((b, i) => {
      // Of a public tensor too it has nothing
      if (b.kind === 'share' || b.kind === 'weight' || b.kind === 'public') return {};
      if (b.kind !== 'oneHot') return run.opening(b).atDealer();
      // Issued once, with the one 'prepared' of this run: the keys of this input's mask and of nothing else
      for (const s of streams) slotKeys.push(s.key(Purpose.input, i, 0).bytes);
      const { shape, width } = checked.program.inputs[i] as { shape: number[]; width: number };
      return dealOneHot(this.kernels, sizeOf(shape), width, streams, i);
    });
    const { dealer: bytes } = checked.cost;
    const announced = run.announce({ run: bytesToHex(run.runId), ms: 0, bytes }, ...slotKeys);
    announced.catch(() => {});
    // What is prepared for whoever asks is dealt before anybody does
    if (run.mode !== 'pool') await announced;
    run.check();
    // All of a run's go the same way, which keeps their order
    const party1 = peers.get('party1')!;
    const link = party1.data ?? party1.link;
    // Small corrections travel together
    const buffer = new Uint8Array(limits.frameBytes - 1024);
    let filled = 0;
    const send = async (bytes: Uint8Array) => {
      if (run.window < bytes.length) await this.#roomFor(run, bytes.length);
      run.window -= bytes.length;
      await link.send({ t: 'material', ticket }, bytes);
    };
    const flush = async () => {
      if (filled > 0) await send(buffer.subarray(0, filled));
      filled = 0;
    };
    const room = async (bytes: number) => {
      if (filled + bytes > buffer.length) await flush();
      if (bytes > buffer.length) return undefined;
      filled += bytes;
      return buffer.subarray(filled - bytes, filled);
    };
    const values = await runDealer({
      kernels: this.kernels,
      arena: this.arena,
      checked,
      inputs,
      streams,
      pause: run.pause,
      room,
      emit: async (correction) => {
        const own = await room(correction.length);
        if (own) own.set(correction);
        else
          for (let at = 0; at < correction.length; at += buffer.length)
            await send(correction.subarray(at, at + buffer.length));
      },
    });
    await flush();
    const ms = performance.now() - start;
    // All is dealt: another run's turn, while this one waits for its client
    this.#turns.leave(run);
    await announced;
    const given = await run.start();
    if (checked.program.keeps.length > 0) await this.#keepWith(run, given, values);
    run.check();
    await run.session.link.send({ t: 'dealt', ticket: run.clientTicket, ms, bytes, memory: peakMemory() });
  }

  /** Keeps its part of what stays once both parties have kept theirs, and the same. */
  async #keepWith(run: DealerRunState, given: Given, values: DealerValue[]): Promise<void> {
    const mine = namesHash(given);
    for (const role of ['party0', 'party1'] as const) {
      const theirs = await run.within(
        run.kept[role].promise,
        10 * limits.progressMs,
        nodeName[role],
        'its word that it is done',
      );
      if (theirs !== mine)
        throw new NodeError('client', 'INPUT_REFUSED', `named other tensors to the dealer than to ${nodeName[role]}`);
    }
    keepValues(this.kernels, run, given.keeps, values, holdKept(run, values));
  }
}
