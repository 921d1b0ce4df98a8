/** The client's side of a run: preparing it at the three nodes, starting it once, and waiting for its results. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import type { Kernels, Words } from '@secformer/ring';
import { programLimits } from '@secformer/secformer-ops/limits';
import { errorOf, NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { timed } from '../timed.js';
import { nodeName } from '../wire/handshake.js';
import { jsonBytes, type Message, type MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { inputMasks, KEYS_BYTES, maskInputs } from './input-masks.js';
import type { NodeLinks, RunMessages } from './node-links.js';
import { persist } from './persist.js';
import { combine, recordOf } from './results.js';
import type { RunResult } from './run-request.js';
import { outputBytes, type Runnable } from './runnable.js';
import type { Attempt } from './spares.js';
import { type Answer, Waiting } from './waiting.js';

const PARTIES = ['party0', 'party1'] as const;

/** A run that is prepared or being prepared at the nodes; it can be started once. */
export interface Prepare extends Attempt {
  ready: Promise<{ run: string; masks: Words[]; ms: number }>;
  ticket: string;
  waiting: Waiting;
}

/** What a run is started with, and how. */
export interface Start {
  /** positions of the ones in its index inputs */
  ones: Int32Array[];
  /** tensors of the session that are the Program's shares, in order */
  shares: number[];
  /** the tensor that each kept value stays as, or whose opening it is */
  keeps: number[];
  /** whether the parties send their timelines */
  trace?: boolean;
  /** milliseconds that this run has waited for its randomness, if less than it took to prepare */
  waited?: number;
}

export class Runs implements RunMessages {
  /** number of runs whose 'run' messages have begun to be sent */
  started = 0;
  readonly #kernels: Kernels;
  readonly #links: NodeLinks;
  /** runs that are not over, by ticket */
  readonly #waiting = new Map<string, Waiting>();

  constructor(kernels: Kernels, links: NodeLinks) {
    this.#kernels = kernels;
    this.#links = links;
  }

  accept(role: NodeRole, m: Message): number {
    if (m.t !== 'result' && m.t !== 'prepared') return 0;
    const w = this.#waiting.get(m.ticket);
    if (m.t === 'prepared')
      return role === 'dealer' ? KEYS_BYTES * (w?.runnable.oneHots.length ?? programLimits.inputs) : 0;
    if (!w?.results.has(role)) return 0;
    return outputBytes(w.runnable) + (w.traced ? limits.traceBytes : 0);
  }

  receive(role: NodeRole, header: Message, payload: Uint8Array): void {
    if (!('ticket' in header)) return;
    const w = this.#waiting.get(header.ticket);
    if (!w) return;
    if (header.t === 'abort') w.fail(errorOf(header.error));
    else if (header.t === 'waiting') w.onProgress({ phase: 'waiting', place: header.place });
    else if (header.t === 'opened' && role === 'party0') w.opened(header.rounds);
    else if (header.t === 'prepared') w.prepared.get(role)?.resolve({ header, payload });
    else if (header.t === 'result') w.results.get(role)?.resolve({ header, payload });
    else if (header.t === 'dealt') w.dealt.resolve({ header, payload });
  }

  lost(error: NodeError): void {
    for (const w of this.#waiting.values()) w.fail(error);
  }

  /** Sends the nodes a Program that they lack. @param signal ends the pauses between attempts */
  async send(hash: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await Promise.all(
      NODES.map((role) => persist(() => this.#links.ask(role, (re) => ({ t: 'program', re, hash }), bytes), signal)),
    );
  }

  /** Has the nodes prepare a run of a Program that they have. */
  attempt(runnable: Runnable, mode: MessageOf<'prepare'>['mode']): Prepare {
    const { hash, inputs, model } = runnable;
    const ticket = bytesToHex(randomBytes(16));
    const waiting = new Waiting(runnable);
    this.#waiting.set(ticket, waiting);
    const list = jsonBytes(inputs);
    const message: Message = { t: 'prepare', ticket, program: hash, mode, ...(model && { model }) };
    const asked = Promise.all(NODES.map((role) => this.#links.send(role, message, list)));
    const prepared = async () => {
      const start = performance.now();
      try {
        await asked;
        const answers = await Promise.all(
          NODES.map((role) =>
            timed(
              waiting.prepared.get(role)!.promise,
              2 * limits.progressMs,
              nodeName[role],
              'its word that the run is prepared',
            ),
          ),
        );
        const masks = inputMasks(this.#kernels, runnable.oneHots, answers[2]!.payload);
        return { run: answers[0]!.header.run, masks, ms: performance.now() - start };
      } catch (error) {
        this.#waiting.delete(ticket);
        throw error;
      }
    };
    const tensors = new Set(inputs.flatMap((i) => (i.kind === 'opened' ? [i.tensor] : [])));
    return { ticket, waiting, tensors, ready: prepared(), cancel: this.#cancelling(ticket, waiting, asked) };
  }

  /** How a run is cancelled, once its nodes have been `asked` for it: one that knows of no run has none to end. */
  #cancelling(ticket: string, waiting: Waiting, asked: Promise<unknown>): () => void {
    let [isAsked, cancelled] = [false, false];
    const sent = asked.then(
      () => {
        isAsked = true;
      },
      () => {},
    );
    const tell = () => this.#links.tell({ t: 'cancel', ticket });
    return () => {
      if (cancelled) return;
      cancelled = true;
      this.#waiting.delete(ticket);
      waiting.fail(new NodeError('client', 'RUN_FAILED', 'cancelled the run'));
      // At once where it can be, before whatever is said next
      if (isAsked) tell();
      else void sent.then(tell);
    };
  }

  /** Starts a run and waits for its results. @returns them, and the run's id, which names the openings that it kept */
  async online(
    { ones, shares, keeps, trace = false, waited }: Start,
    { ticket, waiting, ready, cancel }: Prepare,
  ): Promise<RunResult & { run: string }> {
    const { runnable } = waiting;
    try {
      const { run, masks, ms } = await ready;
      // Of what was cancelled since, no input leaves
      if (waiting.error) throw waiting.error;
      waiting.traced = trace;
      const start = performance.now();
      const masked = maskInputs(this.#kernels, ones, runnable.oneHots, masks);
      const inputs = masked.reduce((n, e) => n + e.length, 0);
      const names = jsonBytes({ shares, keeps });
      const message: Message = { t: 'run', ticket, names: names.length, ...(trace && { trace }) };
      this.started++;
      const of = runnable.rounds;
      waiting.onProgress({ phase: 'running', done: 0, of });
      await Promise.all(
        NODES.map((role) => this.#links.send(role, message, names, ...(role === 'dealer' ? [] : masked))),
      );
      const [a, b] = (await Promise.all(
        PARTIES.map((role) =>
          timed(waiting.results.get(role)!.promise, 10 * limits.progressMs, nodeName[role], 'its result'),
        ),
      )) as [Answer<'result'>, Answer<'result'>];
      const onlineMs = performance.now() - start;
      const dealt = await timed(waiting.dealt.promise, limits.progressMs, 'dealer', 'the end of its part');
      const { outputs, left } = combine(this.#kernels, runnable, a.payload, b.payload);
      waiting.onProgress({ phase: 'done', done: of, of });
      return {
        run,
        outputs,
        left,
        record: recordOf(a, b, dealt, { prepareMs: waited ?? ms, onlineMs, inputs, trace }),
      };
    } catch (error) {
      // If the failure is on this side, the nodes do not know of it
      if (!waiting.error) cancel();
      throw error;
    } finally {
      this.#waiting.delete(ticket);
    }
  }
}
