import { createHash } from 'node:crypto';
import { bytesToHex } from '@noble/hashes/utils.js';
import { type Arena, deriveRunKey, KeyStream, packedBytes, RunStreams, Secret, scratch, sizeOf, type Words, zeros } from '@secformer/ring';
import {
  type CheckedProgram,
  giveUp,
  newTrace,
  oneHotMask,
  openOneHot,
  type PartyValue,
  type PreparedParty,
  prepareParty,
  type Role,
  releaseOutputs,
  reshareOutput,
  runParty,
  type ShareType,
} from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { nodeName, type Peer } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';
import { type AheadRoom, aheadRoom } from './ahead.js';
import { Engine, type EngineOptions, peakMemory } from './engine.js';
import { MaterialQueue } from './material-queue.js';
import { type Given, type NodeRole, NodeRun, type NodeSession, type StoredTensor } from './run.js';

class PartyRunState extends NodeRun implements AheadRoom {
  readonly material: MaterialQueue;
  readonly frames = new Map<number, Uint8Array>();
  frameArrived = new Deferred<void>();
  readonly theirInputs = new Deferred<string>();
  nextRound = 0;
  // Of a prepared run
  ahead = 0;
  window = 0;
  prepared: PreparedParty | undefined;
  /** words for the masked inputs, of the arena */
  inputRoom: Words[] = [];

  constructor(arena: Arena, ...run: ConstructorParameters<typeof NodeRun>) {
    super(...run);
    this.material = new MaterialQueue(arena);
  }
}

/** A party: holds one share of everything and computes on it. */
export class Party extends Engine<PartyRunState> {
  readonly #index: Role;
  readonly #other: NodeRole;
  /** memory promised to prepared runs */
  #reserved = 0;

  constructor(index: Role, options: Omit<EngineOptions, 'role'>) {
    super({ ...options, role: index === 0 ? 'party0' : 'party1' });
    this.#index = index;
    this.#other = index === 0 ? 'party1' : 'party0';
  }

  protected newRun(session: NodeSession, m: MessageOf<'prepare'>, checked: CheckedProgram): PartyRunState {
    return new PartyRunState(this.arena, m.ticket, session, checked, m.inputs, m.mode);
  }

  /** The dealer admits runs; a party only finds room for what it stores of prepared ones. */
  protected async admit(run: PartyRunState): Promise<void> {
    if (run.mode === 'streamed') return;
    if (run.mode === 'ahead') this.#makeRoom(2 * limits.dealerLeadBytes);
    const left = this.room - this.#reserved;
    if (left < 2 * limits.dealerLeadBytes) {
      throw new NodeError(
        nodeName[this.role],
        'LIMIT_EXCEEDED',
        `the randomness of prepared runs (${this.#reserved} bytes) and tensors leave ${left} bytes of ${limits.partyBytes}: run without preparing, or run or cancel what is prepared`,
      );
    }
    Object.assign(run, aheadRoom(this.#index, run.checked.cost, left));
    this.#reserved += run.ahead + run.window;
  }

  protected override roomShrank(): void {
    this.#makeRoom(0);
  }

  /** What was prepared for programs that may repeat gives way, the oldest first, until so many bytes are left for runs. */
  #makeRoom(bytes: number): void {
    for (const run of [...this.runs.values()]) {
      if (this.room - this.#reserved >= bytes) return;
      if (run.mode !== 'spare' || run.started) continue;
      this.abort(run, new NodeError(nodeName[this.role], 'GAVE_WAY', 'what was prepared for the next run had to give its memory to what is waited for'));
    }
  }

  protected release(run: PartyRunState): void {
    this.#reserved -= run.ahead + run.window;
    run.ahead = 0;
    run.window = 0;
    giveUp(this.arena, run.prepared);
    run.material.clear();
    this.arena.release(run.frames.values());
    this.arena.release(run.inputRoom.splice(0));
    run.frames.clear();
  }

  protected acceptPayload(role: NodeRole, m: MessageOf<'round'> | MessageOf<'material'>): number {
    const run = this.runs.get(m.ticket);
    if (!run) return m.t === 'material' ? limits.frameBytes : 0;
    if (m.t === 'material') {
      if (role !== 'dealer' || this.#index !== 1) throw new NodeError(nodeName[role], 'BAD_MESSAGE', 'sent corrections to a node that takes none from it');
      return Math.min(limits.frameBytes, run.checked.cost.dealer - run.material.received);
    }
    if (role !== this.#other || m.round < run.nextRound || m.round > run.nextRound + 1 || run.frames.has(m.round))
      throw new NodeError(nodeName[role], 'BAD_MESSAGE', `sent round ${m.round} out of order`);
    return run.checked.rounds[m.round]?.bytes ?? 0;
  }

  protected receive(run: PartyRunState, from: NodeRole, m: Message, payload: Uint8Array): void {
    if (m.t === 'round' && from === this.#other) {
      run.frames.set(m.round, payload);
      run.frameArrived.resolve();
    } else if (m.t === 'material' && from === 'dealer') {
      run.material.push(payload);
    } else if (m.t === 'confirm' && from === this.#other) {
      run.theirInputs.resolve(m.hash);
    }
  }

  protected putBytes(m: MessageOf<'put'>): number {
    return m.seed ? 32 : packedBytes(sizeOf(m.shape), m.bits);
  }

  protected put(m: MessageOf<'put'>, payload: Uint8Array): Words {
    const n = sizeOf(m.shape);
    if (payload.length !== this.putBytes(m)) throw new NodeError('client', 'BAD_FRAME', `sent ${payload.length} bytes for a share of ${n} words modulo 2^${m.bits}`);
    if (m.seed) return new KeyStream(this.kernels, new Secret(payload.slice())).words(n, m.bits);
    const share = zeros(n);
    this.kernels.unpack(share, payload, m.bits);
    return share;
  }

  protected runBytes(run: PartyRunState): number {
    return run.checked.program.inputs.reduce((n, i) => n + (i.kind === 'oneHot' ? packedBytes(sizeOf(i.shape), i.width) : 0), 0);
  }

  protected async execute(run: PartyRunState, peers: ReadonlyMap<NodeRole, Peer>): Promise<void> {
    const { checked, session, ticket, material } = run;
    const prepareStart = performance.now();
    const dealer = peers.get('dealer')!;
    const other = peers.get(this.#other)!;
    const streams = new RunStreams(this.kernels, deriveRunKey(dealer.seed, run.runId));
    const pair = new RunStreams(this.kernels, deriveRunKey(other.seed, run.runId));
    const waitForMaterial = (p: Promise<void>) => run.within(p, limits.progressMs, 'dealer', 'a correction');
    const masks = this.#inputMasks(run, streams);
    // Where the masked inputs will lie: taken now, while nobody waits
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
    if (run.window > limits.dealerLeadBytes) credit(run.window - limits.dealerLeadBytes);
    if (run.mode !== 'streamed') {
      run.prepared = await prepareParty(from, run.ahead);
      if (this.#index === 1) await material.filled(run.window, checked.cost.dealer, waitForMaterial);
    }
    await session.link.send({ t: 'prepared', ticket, run: bytesToHex(run.runId), ms: performance.now() - prepareStart, bytes: checked.cost.dealer });

    const given = await run.start();
    const start = performance.now();
    const overhead = other.link.overheadBytes;
    // Different inputs at the two parties would make the output depend on one share of the weights alone
    const hash = createHash('sha256')
      .update(JSON.stringify([given.shares, given.keeps]))
      .update(given.payload)
      .digest('hex');
    await other.link.send({ t: 'confirm', ticket, hash });
    const trace = newTrace(given.traced);
    const inputs = this.#inputs(run, given, masks, room);
    const values = await runParty({
      ...from,
      inputs,
      trace,
      ...(run.prepared && { prepared: run.prepared }),
      exchange: (round, mine) => this.#exchange(run, other, round, mine),
    });
    let outputs: Uint8Array[];
    try {
      const theirs = await run.within(run.theirInputs.promise, limits.progressMs, nodeName[this.#other], 'its word on the inputs');
      if (theirs !== hash) throw new NodeError('client', 'INPUT_REFUSED', 'sent different inputs to the two parties');
      if (run.error) throw run.error;
      outputs = checked.program.outputs.map((v, i) => reshareOutput(this.kernels, this.#index, values[v]!.share!, (checked.types[v] as ShareType).bits, pair, i));
      this.keep(run, given.keeps, values);
    } finally {
      releaseOutputs(this.arena, checked, values);
    }
    const record: MessageOf<'result'> = {
      t: 'result',
      ticket,
      ms: performance.now() - start,
      waitMs: trace.waitMs,
      bytesSent: trace.bytesSent,
      overheadBytes: other.link.overheadBytes - overhead,
      rounds: trace.rounds,
      perOp: [...trace.perOp.values()],
      memory: peakMemory(),
    };
    const events = trace.events ? new TextEncoder().encode(JSON.stringify(trace.events)) : undefined;
    if (!events) await session.link.send(record, ...outputs);
    else await session.link.send({ ...record, traceBytes: events.length }, ...outputs, events);
  }

  /** This party's masks of one-hot inputs, by input. */
  #inputMasks(run: PartyRunState, streams: RunStreams): Map<number, Words> {
    const masks = new Map<number, Words>();
    run.checked.program.inputs.forEach((input, i) => {
      if (input.kind === 'oneHot') masks.set(i, oneHotMask(sizeOf(input.shape), input.width, streams, i));
    });
    return masks;
  }

  #inputs(run: PartyRunState, { payload, shares }: Given, masks: Map<number, Words>, room: Map<number, Words>): PartyValue[] {
    let [at, share] = [0, 0];
    return run.inputs.map((b, i) => {
      if (b.kind === 'oneHot') {
        const { shape, width } = run.checked.program.inputs[i] as { shape: number[]; width: number };
        const packed = payload.subarray(at, at + packedBytes(sizeOf(shape), width));
        at += packed.length;
        return openOneHot(this.kernels, packed, width, masks.get(i)!, room.get(i)!);
      }
      if (b.kind === 'share') return sharedValue(run.session.tensors.get(shares[share++]!)!);
      return run.session.tensors.get(b.tensor)!.openings.get(`${b.width}:${b.run}`)!.atParty();
    });
  }

  async #exchange(run: PartyRunState, other: Peer, round: number, mine: Uint8Array): Promise<Uint8Array> {
    run.nextRound = round;
    const sent = other.link.send({ t: 'round', ticket: run.ticket, round }, mine);
    sent.catch(() => {});
    for (;;) {
      const theirs = run.frames.get(round);
      if (theirs) {
        run.frames.delete(round);
        await run.within(sent, limits.progressMs, nodeName[this.#other], 'room for a frame');
        return theirs;
      }
      run.frameArrived = new Deferred<void>();
      await run.within(run.frameArrived.promise, limits.progressMs, nodeName[this.#other], `round ${round}`);
    }
  }
}

/** A tensor's share; a program names those of its weights too, and mostly needs their openings' only. */
function sharedValue({ share }: StoredTensor): PartyValue {
  return {
    get share() {
      return share!.words;
    },
  };
}
