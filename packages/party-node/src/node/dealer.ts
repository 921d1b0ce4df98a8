import { bytesToHex } from '@noble/hashes/utils.js';
import { deriveRunKey, Purpose, RunStreams, sizeOf } from '@secformer/ring';
import { type CheckedProgram, type DealerValue, dealOneHot, runDealer } from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { Peer } from '../wire/handshake.js';
import type { Message, MessageOf } from '../wire/messages.js';
import { Engine, peakMemory } from './engine.js';
import { type NodeRole, NodeRun, type NodeSession } from './run.js';

class DealerRunState extends NodeRun {
  /** bytes of corrections that P1 has room for */
  window = 0;
  room = new Deferred<void>();
}

/** The dealer: hands out correlated randomness. It sees programs, shapes, tickets, numbers of tensors and when a run starts, and no share, opening or input of anybody. */
export class Dealer extends Engine<DealerRunState> {
  readonly #active = new Set<DealerRunState>();
  readonly #queue: { run: DealerRunState; turn: Deferred<void> }[] = [];

  protected newRun(session: NodeSession, m: MessageOf<'prepare'>, checked: CheckedProgram): DealerRunState {
    return new DealerRunState(m.ticket, session, checked, m.inputs, m.mode);
  }

  protected async admit(run: DealerRunState): Promise<void> {
    if (this.#active.size < limits.concurrentRuns) {
      this.#active.add(run);
      return;
    }
    if (this.#queue.length >= limits.queuedRuns)
      throw new NodeError('dealer', 'BUSY', `${limits.concurrentRuns} runs are under way and ${limits.queuedRuns} wait; try again later`);
    const turn = new Deferred<void>();
    this.#queue.push({ run, turn });
    await run.within(turn.promise, limits.progressMs, 'dealer', 'a turn');
  }

  protected release(run: DealerRunState): void {
    const waiting = this.#queue.findIndex((q) => q.run === run);
    if (waiting >= 0) this.#queue.splice(waiting, 1);
    if (!this.#active.delete(run)) return;
    const next = this.#queue.shift();
    if (!next) return;
    this.#active.add(next.run);
    next.turn.resolve();
  }

  protected acceptPayload(): number {
    return 0;
  }

  protected receive(run: DealerRunState, from: NodeRole, m: Message): void {
    if (m.t === 'credit' && from === 'party1') {
      run.window += m.bytes;
      run.room.resolve();
    }
  }

  protected putBytes(): number {
    return 0;
  }

  protected put(): undefined {
    return undefined;
  }

  protected runBytes(): number {
    return 0;
  }

  protected async execute(run: DealerRunState, peers: ReadonlyMap<NodeRole, Peer>): Promise<void> {
    const start = performance.now();
    const { checked, session, ticket } = run;
    const seeds = [peers.get('party0')!.seed, peers.get('party1')!.seed] as const;
    const streams = seeds.map((s) => new RunStreams(this.kernels, deriveRunKey(s, run.runId))) as [RunStreams, RunStreams];
    const slotKeys: [string, string][] = [];
    const inputs: DealerValue[] = run.inputs.map((b, i) => {
      if (b.kind === 'share') return {};
      if (b.kind === 'opened') return session.tensors.get(b.tensor)!.openings.get(`${b.width}:${b.run}`)!.atDealer();
      // Issued once, with the one 'prepared' of this run: the keys of this input's mask and of nothing else
      slotKeys.push(streams.map((s) => bytesToHex(s.key(Purpose.input, i, 0).bytes)) as [string, string]);
      const { shape, width } = checked.program.inputs[i] as { shape: number[]; width: number };
      return dealOneHot(this.kernels, sizeOf(shape), width, streams, i);
    });
    const { dealer: bytes } = checked.cost;
    await session.link.send({ t: 'prepared', ticket, run: bytesToHex(run.runId), slotKeys, ms: 0, bytes });
    const { link } = peers.get('party1')!;
    run.window += limits.dealerLeadBytes;
    // Small corrections travel together
    const buffer = new Uint8Array(limits.frameBytes - 1024);
    let filled = 0;
    const send = async (bytes: Uint8Array) => {
      while (run.window < bytes.length) {
        run.room = new Deferred<void>();
        await run.within(run.room.promise, limits.progressMs, 'party 1', 'room for more corrections');
      }
      run.window -= bytes.length;
      await link.send({ t: 'material', ticket }, bytes);
    };
    const flush = async () => {
      if (filled > 0) await send(buffer.subarray(0, filled));
      filled = 0;
    };
    const values = await runDealer({
      kernels: this.kernels,
      arena: this.arena,
      checked,
      inputs,
      streams,
      pause: run.pause,
      emit: async (correction) => {
        if (filled + correction.length > buffer.length) await flush();
        if (correction.length < buffer.length) {
          buffer.set(correction, filled);
          filled += correction.length;
        } else {
          for (let at = 0; at < correction.length; at += buffer.length) await send(correction.subarray(at, at + buffer.length));
        }
      },
    });
    await flush();
    const ms = performance.now() - start;
    // All is dealt: another run's turn, while this one waits for its client
    this.release(run);
    const { keeps } = await run.start();
    if (run.error) throw run.error;
    this.keep(run, keeps, values);
    await session.link.send({ t: 'dealt', ticket, ms, bytes, memory: peakMemory() });
  }
}
