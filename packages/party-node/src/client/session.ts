import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';
import { decodeFixed, EncodingError, encodeFixed, type Kernels, KeyStream, loadKernels, packedBytes, Secret, sizeOf } from '@secformer/ring';
import {
  type CheckedProgram,
  combineOutput,
  type Graph,
  type InputState,
  maskOneHot,
  type NodeRanges,
  type Plan,
  plan,
  programLimits,
  readProgram,
  type ShareType,
  suiteOf,
  type TraceEvent,
  writtenTensor,
} from '@secformer/secformer-ops';
import { errorOf, NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import { handshake, nodeName, type WireRole } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import type { BoundInput, BoundKeep, Message, MessageOf } from '../wire/messages.js';

type NodeRole = Exclude<WireRole, 'client'>;
const NODES: readonly NodeRole[] = ['party0', 'party1', 'dealer'];

/** How a client reaches the three nodes. */
export type Dial = (node: NodeRole) => Promise<Link>;

/** An input of a run: a tensor of the session, or indices that stay with the client and reach the parties as a masked one-hot matrix. */
export type RunSlot = { tensor: number } | { indices: Int32Array };

export interface RunRequest {
  graph: Graph;
  slots: RunSlot[];
  /** outputs that are decoded and returned */
  revealed: number[];
  /** outputs that stay at the nodes, and the tensor ids they get */
  kept: { output: number; tensor: number }[];
  suite: string;
  /** what calibration has seen of the graph's nodes */
  ranges?: NodeRanges;
}

/** What a run took, as interfaces.md names it. Milliseconds are those of the client's clock unless a node is named. */
export interface RunRecord {
  prepareMs: number;
  onlineMs: number;
  rounds: number;
  bytes: { p0p1: number; p1p0: number; dealer: number; overhead: number };
  perOp: { op: string; ms: number; bytes: number; rounds: number }[];
  waitMs: number;
  memory: { party0: number; party1: number; dealer: number };
  /** how both parties' time went, if it was asked for */
  traces?: { node: NodeName; events: TraceEvent[] }[];
}

export interface RunResult {
  outputs: Float32Array[];
  record: RunRecord;
}

/** A run whose randomness is dealt, as far as the parties had room for it; the rest is dealt while it runs. */
export interface Prepared {
  run(options?: { trace?: boolean }): Promise<RunResult>;
  /** gives the randomness up */
  cancel(): void;
}

interface Tensor {
  state: InputState;
  shape: readonly number[];
  /** run that made each opening, by width */
  openings: Map<number, string>;
}

class Pending<M> {
  readonly promise: Promise<M>;
  resolve!: (m: M) => void;
  reject!: (e: Error) => void;
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

interface Answer<T extends Message['t']> {
  header: MessageOf<T>;
  payload: Uint8Array;
}

/** One run as its client sees it: what each node has answered. */
class Waiting {
  readonly prepared = new Map<NodeRole, Pending<Answer<'prepared'>>>(NODES.map((r) => [r, new Pending()]));
  readonly results = new Map<NodeRole, Pending<Answer<'result'>>>([
    ['party0', new Pending()],
    ['party1', new Pending()],
  ]);
  readonly dealt = new Pending<Answer<'dealt'>>();
  traced = false;
  constructor(readonly checked: CheckedProgram) {}

  fail(error: Error): void {
    for (const p of [...this.prepared.values(), ...this.results.values(), this.dealt]) p.reject(error);
  }
}

/**
 * A client's connection to the three nodes, browser-safe. It alone sees plaintext: it shares what is written, plans graphs, masks indices and
 * combines outputs. A session dies with any of its links; its tensors at the nodes die with it.
 */
export class Session {
  readonly kernels: Kernels;
  /** why the session is over */
  dead: NodeError | undefined;
  readonly #links: Map<NodeRole, MessageLink>;
  readonly #tensors = new Map<number, Tensor>();
  readonly #plans = new Map<string, { plan: Plan; checked: CheckedProgram; hash: string }>();
  readonly #sent = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #replies = new Map<string, Pending<void>>();
  #nextReply = 1;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(kernels: Kernels, links: Map<NodeRole, MessageLink>) {
    this.kernels = kernels;
    this.#links = links;
    for (const [role, link] of links) {
      link.accept = (m) => this.#accept(role, m);
      link.onMessage = (m, payload) => this.#receive(role, m, payload);
      link.onClose = (why) => this.#lost(new NodeError(nodeName[role], 'LINK_CLOSED', `the connection was lost (${why}); it is used again once it is back`));
    }
  }

  /** @param token what the nodes' --client-token-file holds, through `tokenFrom` */
  static async connect(dial: Dial, token: Secret): Promise<Session> {
    const kernels = await loadKernels();
    const links = new Map<NodeRole, MessageLink>();
    const settled = await Promise.allSettled(
      NODES.map(async (role) => {
        const link = await timed(dial(role), limits.connectMs, nodeName[role], 'a connection');
        const peer = await handshake(link, 'client', { client: token }, 'dial', role);
        links.set(role, peer.link);
      }),
    );
    const failed = settled.find((s) => s.status === 'rejected');
    if (failed) {
      for (const link of links.values()) link.close('another node is not there');
      throw failed.reason;
    }
    const session = new Session(kernels, links);
    const id = bytesToHex(randomBytes(16));
    await Promise.all(NODES.map((role) => session.#ask(role, (re) => ({ t: 'open', re, session: id }))));
    return session;
  }

  close(): void {
    this.#lost(new NodeError('client', 'LINK_CLOSED', 'closed the session'));
  }

  #lost(error: NodeError): void {
    if (this.dead) return;
    this.dead = error;
    for (const w of this.#waiting.values()) w.fail(error);
    for (const r of this.#replies.values()) r.reject(error);
    for (const link of this.#links.values()) link.close(error.message);
  }

  #accept(role: NodeRole, m: Message): number {
    if (m.t !== 'result') return 0;
    const w = this.#waiting.get(m.ticket);
    if (!w?.results.has(role)) return 0;
    const outputs = w.checked.program.outputs.reduce((n, v) => n + packedBytes(sizeOf(w.checked.types[v]!.shape), (w.checked.types[v] as ShareType).bits), 0);
    return outputs + (w.traced ? limits.traceBytes : 0);
  }

  #receive(role: NodeRole, header: Message, payload: Uint8Array): void {
    if (header.t === 'done') this.#replies.get(`${role}:${header.re}`)?.resolve();
    else if (header.t === 'failed') this.#replies.get(`${role}:${header.re}`)?.reject(errorOf(header.error));
    else if ('ticket' in header) {
      const w = this.#waiting.get(header.ticket);
      if (!w) return;
      if (header.t === 'abort') w.fail(errorOf(header.error));
      else if (header.t === 'prepared') w.prepared.get(role)?.resolve({ header, payload });
      else if (header.t === 'result') w.results.get(role)?.resolve({ header, payload });
      else if (header.t === 'dealt') w.dealt.resolve({ header, payload });
    }
  }

  #send(role: NodeRole, m: Message, ...payload: Uint8Array[]): Promise<void> {
    if (this.dead) return Promise.reject(this.dead);
    return this.#links
      .get(role)!
      .send(m, ...payload)
      .catch((cause) => {
        throw this.dead ?? new NodeError(nodeName[role], 'LINK_CLOSED', String(cause), { cause });
      });
  }

  async #ask(role: NodeRole, make: (re: number) => Message, ...payload: Uint8Array[]): Promise<void> {
    const re = this.#nextReply++;
    const reply = new Pending<void>();
    const key = `${role}:${re}`;
    this.#replies.set(key, reply);
    try {
      await this.#send(role, make(re), ...payload);
      await timed(reply.promise, limits.progressMs, nodeName[role], 'an answer');
    } finally {
      this.#replies.delete(key);
    }
  }

  // ---- tensors

  has(tensor: number): boolean {
    return this.#tensors.has(tensor);
  }

  /**
   * Shares a tensor: P0 is sent a seed, P1 the difference, the dealer its type.
   * @throws EncodingError where a value is out of range or not finite
   */
  async write(tensor: number, values: Float32Array, shape: readonly number[], state: Partial<InputState> = {}): Promise<void> {
    const full: InputState = { ...writtenTensor, ...state, stored: [] };
    const { fracBits, bits, magnitude } = full;
    if (values.length > programLimits.elements) throw new EncodingError(`a tensor of ${values.length} elements; the limit is ${programLimits.elements}`);
    const words = encodeFixed(this.kernels, values, fracBits, magnitude, `a tensor of shape [${shape}]`);
    const seed = randomBytes(32);
    const first = new KeyStream(this.kernels, new Secret(seed)).words(words.length, bits);
    this.kernels.sub(words, words, first);
    const bytes = new Uint8Array(packedBytes(words.length, bits));
    this.kernels.pack(bytes, words, bits);
    const put = (re: number, withSeed: boolean): Message => ({ t: 'put', re, tensor, shape: [...shape], fracBits, bits, magnitude, seed: withSeed });
    await Promise.all([this.#ask('party0', (re) => put(re, true), seed), this.#ask('party1', (re) => put(re, false), bytes), this.#ask('dealer', (re) => put(re, false))]);
    this.#tensors.set(tensor, { state: full, shape, openings: new Map() });
  }

  free(tensors: number[]): void {
    const known = tensors.filter((t) => this.#tensors.delete(t));
    for (let i = 0; i < known.length && !this.dead; i += 4000) {
      const part = known.slice(i, i + 4000);
      for (const role of NODES) this.#send(role, { t: 'free', tensors: part }).catch(() => {});
    }
  }

  // ---- runs

  /** Plans, prepares and runs in one go; runs of a session follow one another. */
  async run(request: RunRequest): Promise<RunResult> {
    return this.#inTurn(async () => (await this.#prepare(request, false)).run());
  }

  /** Deals all randomness of a run ahead. */
  async prepare(request: RunRequest): Promise<Prepared> {
    return this.#inTurn(() => this.#prepare(request, true));
  }

  #inTurn<T>(f: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(f, f);
    this.#turn = next.catch(() => {});
    return next;
  }

  #planned(request: RunRequest): { plan: Plan; checked: CheckedProgram; hash: string; bytes: Uint8Array | undefined } {
    const states = request.slots.map((s) => {
      if ('indices' in s) return { ...writtenTensor, stored: [] };
      const t = this.#tensors.get(s.tensor);
      if (!t) throw new NodeError('client', 'TENSOR_LOST', `tensor ${s.tensor} is not at the nodes any more; compute it again`);
      return { ...t.state, stored: [...t.openings.keys()].sort((a, b) => a - b) };
    });
    const kept = request.kept.map((k) => k.output);
    const key = bytesToHex(sha256(new TextEncoder().encode(JSON.stringify([request.graph, states, request.revealed, kept, request.suite, request.ranges]))));
    const known = this.#plans.get(key);
    if (known) return { ...known, bytes: this.#sent.has(known.hash) ? undefined : encodeProgram(known.plan) };
    const made = plan(request.graph, suiteOf(request.suite), states, request.revealed, kept, request.ranges);
    const bytes = encodeProgram(made);
    const checked = readProgram(bytes);
    const entry = { plan: made, checked, hash: bytesToHex(checked.hash) };
    this.#plans.set(key, entry);
    if (this.#plans.size > limits.sessionPrograms) this.#plans.delete(this.#plans.keys().next().value!);
    return { ...entry, bytes };
  }

  async #prepare(request: RunRequest, whole: boolean): Promise<Prepared> {
    if (this.dead) throw this.dead;
    const { plan: planned, checked, hash, bytes } = this.#planned(request);
    if (bytes) {
      await Promise.all(NODES.map((role) => this.#ask(role, (re) => ({ t: 'program', re, hash }), bytes)));
      this.#sent.add(hash);
      // The nodes forget the oldest program too
      if (this.#sent.size > limits.sessionPrograms) this.#sent.delete(this.#sent.values().next().value!);
    }
    const ticket = bytesToHex(randomBytes(16));
    const waiting = new Waiting(checked);
    this.#waiting.set(ticket, waiting);
    const tensorOf = (slot: number) => (request.slots[slot] as { tensor: number }).tensor;
    const inputs: BoundInput[] = planned.bindings.map((b) => {
      if (b.kind === 'oneHot') return { kind: 'oneHot' };
      const tensor = tensorOf(b.slot);
      return b.kind === 'share' ? { kind: 'share', tensor } : { kind: 'opened', tensor, width: b.width, run: this.#tensors.get(tensor)!.openings.get(b.width)! };
    });
    const keeps: BoundKeep[] = planned.keeps.map((k) =>
      k.kind === 'output' ? { kind: 'output', tensor: keptAs(request, k.output) } : { kind: 'opened', tensor: tensorOf(k.slot), width: k.width },
    );
    const start = performance.now();
    try {
      await Promise.all(NODES.map((role) => this.#send(role, { t: 'prepare', ticket, program: hash, inputs, keeps, whole })));
      const answers = await Promise.all(
        NODES.map((role) => timed(waiting.prepared.get(role)!.promise, 2 * limits.progressMs, nodeName[role], 'its word that the run is prepared')),
      );
      const prepareMs = performance.now() - start;
      const keys = answers[2]!.header.slotKeys ?? [];
      let used = false;
      return {
        run: async ({ trace = false } = {}) => {
          if (used) throw new NodeError('client', 'INPUT_REFUSED', 'the randomness of this run is used up; prepare another');
          used = true;
          waiting.traced = trace;
          return this.#online(request, planned, ticket, waiting, keys, answers[0]!.header.run, prepareMs);
        },
        cancel: () => this.#cancel(ticket, waiting),
      };
    } catch (error) {
      this.#waiting.delete(ticket);
      throw error;
    }
  }

  #cancel(ticket: string, waiting: Waiting): void {
    this.#waiting.delete(ticket);
    waiting.fail(new NodeError('client', 'RUN_FAILED', 'cancelled the run'));
    for (const role of NODES) this.#send(role, { t: 'cancel', ticket }).catch(() => {});
  }

  async #online(request: RunRequest, planned: Plan, ticket: string, waiting: Waiting, slotKeys: [string, string][], run: string, prepareMs: number): Promise<RunResult> {
    const { checked } = waiting;
    try {
      const start = performance.now();
      const masked = this.#maskInputs(request, planned, checked, slotKeys);
      const parties = ['party0', 'party1'] as const;
      await Promise.all(parties.map((role) => this.#send(role, { t: 'run', ticket, ...(waiting.traced && { trace: true }) }, ...masked)));
      const [a, b] = (await Promise.all(parties.map((role) => timed(waiting.results.get(role)!.promise, 10 * limits.progressMs, nodeName[role], 'its result')))) as [
        Answer<'result'>,
        Answer<'result'>,
      ];
      const onlineMs = performance.now() - start;
      const dealt = await timed(waiting.dealt.promise, limits.progressMs, 'dealer', 'the end of its part');
      const outputs = this.#combine(checked, a.payload, b.payload);
      planned.keeps.forEach((k, i) => {
        if (k.kind === 'opened') {
          this.#tensors.get((request.slots[k.slot] as { tensor: number }).tensor)?.openings.set(k.width, run);
          return;
        }
        const t = checked.types[checked.program.keeps[i]!] as ShareType;
        const state = { fracBits: t.fracBits, bits: t.bits, magnitude: t.magnitude, stored: [] };
        this.#tensors.set(keptAs(request, k.output), { state, shape: t.shape, openings: new Map() });
      });
      const record: RunRecord = {
        prepareMs,
        onlineMs,
        rounds: a.header.rounds,
        bytes: { p0p1: a.header.bytesSent, p1p0: b.header.bytesSent, dealer: dealt.header.bytes, overhead: a.header.overheadBytes + b.header.overheadBytes },
        perOp: a.header.perOp,
        waitMs: a.header.waitMs,
        memory: { party0: a.header.memory, party1: b.header.memory, dealer: dealt.header.memory },
        ...(waiting.traced && { traces: [a, b].map((answer, i) => ({ node: nodeName[parties[i]!], events: eventsOf(answer) })) }),
      };
      return { outputs, record };
    } finally {
      this.#waiting.delete(ticket);
    }
  }

  #maskInputs(request: RunRequest, planned: Plan, { program }: CheckedProgram, slotKeys: [string, string][]): Uint8Array[] {
    const out: Uint8Array[] = [];
    planned.bindings.forEach((b, i) => {
      if (b.kind !== 'oneHot') return;
      const { shape, width } = program.inputs[i] as { shape: number[]; width: number };
      const { indices } = request.slots[b.slot] as { indices: Int32Array };
      const depth = shape.at(-1)!;
      for (const index of indices) {
        if (!(index >= 0 && index < depth)) throw new NodeError('client', 'INPUT_REFUSED', `looks up index ${index} in a table of ${depth} rows`);
      }
      const keys = slotKeys[out.length];
      if (!keys) throw new NodeError('dealer', 'BAD_MESSAGE', 'sent no keys for an input');
      const e = maskOneHot(this.kernels, indices, depth, width, [new Secret(hexToBytes(keys[0])), new Secret(hexToBytes(keys[1]))]);
      const bytes = new Uint8Array(packedBytes(e.length, width));
      this.kernels.pack(bytes, e, width);
      out.push(bytes);
    });
    return out;
  }

  #combine({ program, types }: CheckedProgram, fromP0: Uint8Array, fromP1: Uint8Array): Float32Array[] {
    let at = 0;
    return program.outputs.map((v) => {
      const t = types[v] as ShareType;
      const n = sizeOf(t.shape);
      const bytes = packedBytes(n, t.bits);
      const [p, q] = [fromP0, fromP1].map((b) => b.subarray(at, at + bytes)) as [Uint8Array, Uint8Array];
      at += bytes;
      return Float32Array.from(decodeFixed(this.kernels, combineOutput(this.kernels, p, q, n, t.bits), t.bits, t.fracBits));
    });
  }
}

/** The timeline behind a result's outputs. */
function eventsOf({ header, payload }: Answer<'result'>): TraceEvent[] {
  return JSON.parse(new TextDecoder().decode(payload.subarray(payload.length - (header.traceBytes ?? 0)))) as TraceEvent[];
}

/** The tensor that a graph output stays as. */
function keptAs(request: RunRequest, output: number): number {
  return request.kept.find((k) => k.output === output)!.tensor;
}

function encodeProgram({ program }: Plan): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(program));
}

async function timed<T>(promise: Promise<T>, ms: number, node: NodeName, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NodeError(node, 'NO_PROGRESS', `${what} did not come within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
