/** The client's side of a run: preparing it at the three nodes, starting it once, and waiting for its results. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { type Kernels, packedBytes, sizeOf, type Words } from '@secformer/ring';
import { programLimits, type ShareType } from '@secformer/secformer-ops';
import { errorOf, NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { timed } from '../timed.js';
import { nodeName } from '../wire/handshake.js';
import { jsonBytes, type Message, type MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import type { ClientTensors } from './client-tensors.js';
import { inputMasks, KEYS_BYTES, maskInputs } from './input-masks.js';
import type { NodeLinks, RunMessages } from './node-links.js';
import { persist } from './persist.js';
import type { Planned, Planner } from './planner.js';
import { combine, recordOf } from './results.js';
import { keptAs, type RunRequest, type RunResult, tensorOf } from './run-request.js';
import type { Attempt } from './spares.js';
import { type Answer, Waiting } from './waiting.js';

const PARTIES = ['party0', 'party1'] as const;

/** A run that is prepared or being prepared at the nodes; it can be started once. */
export interface Prepare extends Attempt {
  ready: Promise<{ run: string; masks: Words[]; ms: number }>;
  ticket: string;
  waiting: Waiting;
  planned: Planned;
}

export class Runs implements RunMessages {
  /** number of runs whose 'run' messages have begun to be sent */
  started = 0;
  readonly #kernels: Kernels;
  readonly #links: NodeLinks;
  readonly #tensors: ClientTensors;
  readonly #planner: Planner;
  /** runs that are not over, by ticket */
  readonly #waiting = new Map<string, Waiting>();

  constructor(kernels: Kernels, links: NodeLinks, tensors: ClientTensors, planner: Planner) {
    this.#kernels = kernels;
    this.#links = links;
    this.#tensors = tensors;
    this.#planner = planner;
  }

  accept(role: NodeRole, m: Message): number {
    if (m.t !== 'result' && m.t !== 'prepared') return 0;
    const w = this.#waiting.get(m.ticket);
    if (m.t === 'prepared')
      return role === 'dealer' ? KEYS_BYTES * (w?.checked.program.inputs.length ?? programLimits.inputs) : 0;
    if (!w?.results.has(role)) return 0;
    const outputs = w.checked.program.outputs.reduce(
      (n, v) => n + packedBytes(sizeOf(w.checked.types[v]!.shape), (w.checked.types[v] as ShareType).bits),
      0,
    );
    return outputs + (w.traced ? limits.traceBytes : 0);
  }

  receive(role: NodeRole, header: Message, payload: Uint8Array): void {
    if (!('ticket' in header)) return;
    const w = this.#waiting.get(header.ticket);
    if (!w) return;
    if (header.t === 'abort') w.fail(errorOf(header.error));
    else if (header.t === 'prepared') w.prepared.get(role)?.resolve({ header, payload });
    else if (header.t === 'result') w.results.get(role)?.resolve({ header, payload });
    else if (header.t === 'dealt') w.dealt.resolve({ header, payload });
  }

  lost(error: NodeError): void {
    for (const w of this.#waiting.values()) w.fail(error);
  }

  /** Sends the program if the nodes lack it, and has them prepare a run of it. */
  async prepare(planned: Planned, mode: MessageOf<'prepare'>['mode']): Promise<Prepare> {
    const { hash, bytes } = planned;
    if (bytes) {
      await Promise.all(
        NODES.map((role) => persist(() => this.#links.ask(role, (re) => ({ t: 'program', re, hash }), bytes))),
      );
      this.#planner.sent(hash);
    }
    return this.attempt(planned, mode);
  }

  /** Has the nodes prepare a run of a program that they already have. */
  attempt(planned: Planned, mode: MessageOf<'prepare'>['mode']): Prepare {
    const { checked, hash, inputs } = planned;
    const ticket = bytesToHex(randomBytes(16));
    const waiting = new Waiting(checked);
    this.#waiting.set(ticket, waiting);
    const prepared = async () => {
      const start = performance.now();
      try {
        const list = jsonBytes(inputs);
        await Promise.all(
          NODES.map((role) => this.#links.send(role, { t: 'prepare', ticket, program: hash, mode }, list)),
        );
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
        const masks = inputMasks(this.#kernels, planned, answers[2]!.payload);
        return { run: answers[0]!.header.run, masks, ms: performance.now() - start };
      } catch (error) {
        this.#waiting.delete(ticket);
        throw error;
      }
    };
    const tensors = new Set(inputs.flatMap((i) => (i.kind === 'opened' ? [i.tensor] : [])));
    return { planned, ticket, waiting, tensors, ready: prepared(), cancel: () => this.#cancel(ticket, waiting) };
  }

  #cancel(ticket: string, waiting: Waiting): void {
    this.#waiting.delete(ticket);
    waiting.fail(new NodeError('client', 'RUN_FAILED', 'cancelled the run'));
    this.#links.tell({ t: 'cancel', ticket });
  }

  /**
   * Starts a run and waits for its results.
   * @param ones positions of the ones in the request's index inputs
   * @param waited milliseconds that this run has waited for its randomness, if less than it took to prepare
   */
  async online(
    request: RunRequest,
    ones: Int32Array[],
    { planned, ticket, waiting, ready }: Prepare,
    trace = false,
    waited?: number,
  ): Promise<RunResult> {
    const { checked } = waiting;
    try {
      const { run, masks, ms } = await ready;
      waiting.traced = trace;
      const start = performance.now();
      const masked = maskInputs(this.#kernels, ones, planned, masks);
      const inputs = masked.reduce((n, e) => n + e.length, 0);
      const shares = planned.plan.bindings.flatMap((b) => (b.kind === 'share' ? [tensorOf(request, b.slot)] : []));
      const keeps = planned.plan.keeps.map((k) =>
        k.kind === 'output' ? keptAs(request, k.output) : tensorOf(request, k.slot),
      );
      const names = jsonBytes({ shares, keeps });
      const message: Message = { t: 'run', ticket, names: names.length, ...(trace && { trace }) };
      this.started++;
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
      const { outputs, left } = combine(this.#kernels, planned.plan, checked, a.payload, b.payload);
      planned.plan.keeps.forEach((k, i) => {
        if (k.kind === 'opened') this.#tensors.keepOpening(keeps[i]!, k.width, run);
        else this.#tensors.keepOutput(keeps[i]!, checked.types[checked.program.keeps[i]!] as ShareType);
      });
      return { outputs, record: recordOf(a, b, dealt, { prepareMs: waited ?? ms, onlineMs, inputs, trace }), left };
    } catch (error) {
      // If the failure is on this side, the nodes do not know of it; if a party failed, the dealer may have recorded
      // kept tensors
      if (!waiting.error) this.#cancel(ticket, waiting);
      this.#links.tell({ t: 'free', tensors: request.kept.map((k) => k.tensor).filter((t) => !this.#tensors.has(t)) });
      throw error;
    } finally {
      this.#waiting.delete(ticket);
    }
  }
}
