import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import {
  decodeFixed,
  EncodingError,
  encodeFixed,
  type Kernels,
  KeyStream,
  loadKernels,
  packedBytes,
  Secret,
  sizeOf,
  type Words,
} from '@secformer/ring';
import {
  type CheckedProgram,
  clientMask,
  combineOutput,
  type Graph,
  type InputState,
  maskOneHot,
  type NodeRanges,
  onesOf,
  type Plan,
  plan,
  programLimits,
  readProgram,
  type ShareType,
  saltOf,
  suiteOf,
  type TraceEvent,
  type Watched,
  writtenTensor,
} from '@secformer/secformer-ops';
import { Deferred } from '../deferred.js';
import { errorOf, NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { MessageLink } from '../wire/framing.js';
import { handshake, nodeName } from '../wire/handshake.js';
import type { Link } from '../wire/link.js';
import { type BoundInput, FREED, jsonBytes, type Message, type MessageOf } from '../wire/messages.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import { checkSize } from './check-size.js';
import { persist } from './persist.js';
import { type Attempt, Spares } from './spares.js';
import { type Answer, Waiting } from './waiting.js';

const PARTIES = ['party0', 'party1'] as const;

/** Keys of the two halves of an input's mask. */
const KEYS_BYTES = 64;

/** How a client reaches the three nodes. */
export type Dial = (node: NodeRole) => Promise<Link>;

/**
 * An input of a run: a tensor of the session, or indices that stay with the client and reach the parties as a masked
 * one-hot matrix.
 */
export type RunSlot = { tensor: number } | { indices: Int32Array };

/** A graph to be run, and what becomes of its outputs. `slots` are its 'input' nodes, in order. */
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
  /** whether the result tells which operations' values have left the domain of their protocol */
  watched?: boolean;
}

/** What a run took, as interfaces.md names it. Milliseconds are those of the client's clock unless a node is named. */
export interface RunRecord {
  /** what the read waited for before it started: next to nothing where its randomness was there */
  prepareMs: number;
  onlineMs: number;
  rounds: number;
  /** between the parties, from the dealer, headers, and what the client sends to each party */
  bytes: { p0p1: number; p1p0: number; dealer: number; overhead: number; inputs: number };
  perOp: { op: string; ms: number; bytes: number; rounds: number }[];
  waitMs: number;
  memory: { party0: number; party1: number; dealer: number };
  /** how both parties' time went, if it was asked for */
  traces?: { node: NodeName; events: TraceEvent[] }[];
}

/** What a run gives the client: the revealed outputs, in the order of `revealed`, as reals in row-major order. */
export interface RunResult {
  outputs: Float32Array[];
  record: RunRecord;
  /**
   * operations whose values have left the domain of their protocol, of a run that is watched: what comes of them is
   * wrong
   */
  left: Watched[];
}

/** A run whose randomness is dealt, as far as the parties had room for it; the rest is dealt while it runs. */
export interface Prepared {
  /**
   * Runs it, once.
   * @param options `trace` asks both parties how their time went, for `record.traces`
   * @throws NodeError naming the node that failed, and why
   */
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

/** A run that is under way at the nodes: its randomness, to be started once. */
interface Prepare extends Attempt {
  ready: Promise<{ run: string; masks: Words[]; ms: number }>;
  ticket: string;
  waiting: Waiting;
  planned: Planned;
}

/** A request's Program as the nodes know it. */
interface Planned {
  plan: Plan;
  checked: CheckedProgram;
  hash: string;
  /** to be sent, if the nodes do not have it yet */
  bytes: Uint8Array | undefined;
  inputs: BoundInput[];
  /** equal for requests that one prepared run serves alike */
  key: string;
}

/**
 * A client's connection to the three nodes, browser-safe. It alone sees plaintext: it shares what is written, plans
 * graphs, masks indices and combines outputs. A session dies with any of its links; its tensors at the nodes die with
 * it.
 */
export class Session {
  readonly kernels: Kernels;
  /** why the session is over */
  dead: NodeError | undefined;
  /** whether the randomness for a program that repeats is dealt ahead, in the background */
  prepareAhead = true;
  /** runs whose 'run' messages began to be sent: nothing of a run's inputs has left this side before */
  runsStarted = 0;
  readonly #links: Map<NodeRole, MessageLink>;
  readonly #tensors = new Map<number, Tensor>();
  readonly #plans = new Map<string, { plan: Plan; checked: CheckedProgram; hash: string }>();
  readonly #sent = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #replies = new Map<string, Deferred<void>>();
  readonly #spares = new Spares<Prepare>();
  /** of lookups in buckets, drawn before any index is known: nobody can choose indices that find no place */
  readonly #salt = saltOf(randomBytes(7));
  #nextReply = 1;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(kernels: Kernels, links: ReadonlyMap<NodeRole, Link>) {
    this.kernels = kernels;
    this.#links = new Map([...links].map(([role, link]) => [role, new MessageLink(link, () => nodeName[role])]));
    for (const [role, link] of this.#links) {
      link.accept = (m) => this.#accept(role, m);
      link.onMessage = (m, payload) => this.#receive(role, m, payload);
      link.onClose = (why) =>
        this.#lost(
          new NodeError(
            nodeName[role],
            'LINK_CLOSED',
            `the connection was lost (${why}); it is used again once it is back`,
          ),
        );
    }
  }

  /**
   * Connects to the three nodes; where one of them has no room at present, it tries again for some seconds.
   * @param token what the nodes' --client-token-file holds, through `tokenFrom`
   * @throws NodeError UNREACHABLE, NOT_AUTHENTICATED, TOO_MANY_CONNECTIONS and others, naming the node
   */
  static async connect(dial: Dial, token: Secret): Promise<Session> {
    const kernels = await loadKernels();
    const process = bytesToHex(randomBytes(16));
    const links = new Map<NodeRole, Link>();
    const closed = new Map<NodeRole, string>();
    const settled = await Promise.allSettled(
      NODES.map((role) =>
        persist(async () => {
          const link = await timed(dial(role), limits.connectMs, nodeName[role], 'a connection');
          await handshake(link, {
            mine: 'client',
            process,
            tokens: { client: token },
            side: 'dial',
            expect: role,
            ready: (p) => {
              links.set(role, p.link);
              // Until all three are there
              p.link.onClose = (why) => closed.set(role, why);
            },
          });
        }),
      ),
    );
    const failed = settled.find((s) => s.status === 'rejected');
    if (failed) {
      for (const link of links.values()) link.close('another node is not there');
      throw failed.reason;
    }
    const session = new Session(kernels, links);
    for (const [role, why] of closed)
      session.#lost(new NodeError(nodeName[role], 'LINK_CLOSED', `the connection was lost (${why})`));
    const id = bytesToHex(randomBytes(16));
    await Promise.all(NODES.map((role) => session.#ask(role, (re) => ({ t: 'open', re, session: id }))));
    return session;
  }

  /** Ends the session: runs under way are rejected with NodeError LINK_CLOSED, and the nodes free its tensors. */
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

  /** Says what needs no answer to all nodes. */
  #tell(m: Message): void {
    for (const role of NODES) this.#send(role, m).catch(() => {});
  }

  async #ask(role: NodeRole, make: (re: number) => Message, ...payload: Uint8Array[]): Promise<void> {
    const re = this.#nextReply++;
    const reply = new Deferred<void>();
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

  /** Whether a tensor of this id is at the nodes. */
  has(tensor: number): boolean {
    return this.#tensors.has(tensor);
  }

  /**
   * Shares a tensor: P0 is sent a seed, P1 the difference, the dealer its type.
   * @throws EncodingError where a value is out of range or not finite
   */
  async write(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    state: Partial<InputState> = {},
  ): Promise<void> {
    const full: InputState = { ...writtenTensor, ...state, stored: [] };
    const { fracBits, bits, magnitude } = full;
    if (values.length > programLimits.elements)
      throw new EncodingError(`a tensor of ${values.length} elements; the limit is ${programLimits.elements}`);
    const words = encodeFixed(this.kernels, values, fracBits, magnitude, `a tensor of shape [${shape}]`);
    const seed = randomBytes(32);
    const first = new KeyStream(this.kernels, new Secret(seed)).words(words.length, bits);
    this.kernels.sub(words, words, first);
    const bytes = new Uint8Array(packedBytes(words.length, bits));
    this.kernels.pack(bytes, words, bits);
    const put = (re: number, withSeed: boolean): Message => ({
      t: 'put',
      re,
      tensor,
      shape: [...shape],
      fracBits,
      bits,
      magnitude,
      seed: withSeed,
    });
    const share = (role: NodeRole, ...payload: Uint8Array[]) =>
      persist(() => this.#ask(role, (re) => put(re, role === 'party0'), ...payload));
    await Promise.all([share('party0', seed), share('party1', bytes), share('dealer')]);
    this.#tensors.set(tensor, { state: full, shape, openings: new Map() });
  }

  /** Frees tensors at all three nodes; ids that are not there are passed over. */
  free(tensors: number[]): void {
    const known = tensors.filter((t) => this.#tensors.delete(t));
    this.#spares.freed(known);
    for (let i = 0; i < known.length && !this.dead; i += FREED) {
      const part = known.slice(i, i + FREED);
      this.#tell({ t: 'free', tensors: part });
    }
  }

  // ---- runs

  /**
   * Plans, prepares and runs in one go; runs of a session follow one another. A program's third run finds its
   * randomness dealt.
   * @throws NodeError naming the node that failed, and why; ProgramError where the graph cannot be planned
   */
  async run(request: RunRequest): Promise<RunResult> {
    return this.#inTurn(async () => {
      const planned = this.#planned(request);
      // Refused here, where it is, before the nodes hear of it: what they see of a run must not depend on its inputs
      const ones = this.#ones(request, planned);
      // Another run has other masks, so trying again gives nothing away
      const afresh = () => persist(async () => this.#online(request, ones, await this.#prepare(planned, 'streamed')));
      const result = (await this.#runSpare(request, ones, planned)) ?? (await afresh());
      if (this.prepareAhead && !this.dead)
        this.#spares.over(planned.key, planned.checked.cost.dealer + planned.checked.cost.online, () =>
          this.#spare(planned),
        );
      return result;
    });
  }

  /** Deals all randomness of a run ahead. */
  async prepare(request: RunRequest): Promise<Prepared> {
    return this.#inTurn(async () => {
      this.#spares.take();
      const planned = this.#planned(request);
      const ones = this.#ones(request, planned);
      const attempt = await persist(async () => {
        const made = await this.#prepare(planned, 'ahead');
        await made.ready;
        return made;
      });
      let used = false;
      return {
        run: async ({ trace = false } = {}) => {
          if (used)
            throw new NodeError('client', 'INPUT_REFUSED', 'the randomness of this run is used up; prepare another');
          used = true;
          return this.#online(request, ones, attempt, trace);
        },
        cancel: attempt.cancel,
      };
    });
  }

  /** Runs what was prepared in the background, if it was and is still there. */
  async #runSpare(request: RunRequest, ones: Int32Array[], planned: Planned): Promise<RunResult | undefined> {
    const spare = this.#spares.take(planned.key);
    if (!spare) return undefined;
    const start = performance.now();
    try {
      await spare.ready;
      return await this.#online(request, ones, spare, false, performance.now() - start);
    } catch (error) {
      // Whatever a party has sent of it was masked with what is given up: another run has other masks
      if (
        spare.waiting.error instanceof NodeError &&
        ['GAVE_WAY', 'LIMIT_EXCEEDED', 'BUSY'].includes(spare.waiting.error.code)
      )
        return undefined;
      throw error;
    }
  }

  #inTurn<T>(f: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(f, f);
    this.#turn = next.catch(() => {});
    return next;
  }

  #planned(request: RunRequest): Planned {
    if (this.dead) throw this.dead;
    const states = request.slots.map((s) => {
      if ('indices' in s) return { ...writtenTensor, stored: [] };
      const t = this.#tensors.get(s.tensor);
      if (!t)
        throw new NodeError(
          'client',
          'TENSOR_LOST',
          `tensor ${s.tensor} is not at the nodes any more; compute it again`,
        );
      return { ...t.state, stored: [...t.openings.keys()].sort((a, b) => a - b) };
    });
    const kept = request.kept.map((k) => k.output);
    const key = bytesToHex(
      sha256(
        new TextEncoder().encode(
          JSON.stringify([
            request.graph,
            states,
            request.revealed,
            kept,
            request.suite,
            request.ranges,
            request.watched,
          ]),
        ),
      ),
    );
    let entry = this.#plans.get(key);
    let bytes: Uint8Array | undefined;
    if (!entry) {
      const made = plan(
        request.graph,
        suiteOf(request.suite),
        states,
        request.revealed,
        kept,
        request.ranges,
        this.#salt,
        request.watched,
      );
      checkSize(made.program);
      bytes = encodeProgram(made);
      const checked = readProgram(bytes);
      entry = { plan: made, checked, hash: bytesToHex(checked.hash) };
      this.#plans.set(key, entry);
      if (this.#plans.size > limits.sessionPrograms) this.#plans.delete(this.#plans.keys().next().value!);
    } else if (!this.#sent.has(entry.hash)) {
      bytes = encodeProgram(entry.plan);
    }
    const inputs = entry.plan.bindings.map((b): BoundInput => {
      if (b.kind !== 'opened') return { kind: b.kind };
      const tensor = tensorOf(request, b.slot);
      return { kind: 'opened', tensor, width: b.width, run: this.#tensors.get(tensor)!.openings.get(b.width)! };
    });
    return { ...entry, bytes, inputs, key: `${key} ${JSON.stringify(inputs)}` };
  }

  /** Has the nodes begin a run; it needs no more than its program and openings that are there. */
  async #prepare(planned: Planned, mode: MessageOf<'prepare'>['mode']): Promise<Prepare> {
    const { hash, bytes } = planned;
    if (bytes) {
      await Promise.all(
        NODES.map((role) => persist(() => this.#ask(role, (re) => ({ t: 'program', re, hash }), bytes))),
      );
      this.#sent.add(hash);
      // The nodes forget the oldest program too
      if (this.#sent.size > limits.sessionPrograms) this.#sent.delete(this.#sent.values().next().value!);
    }
    return this.#attempt(planned, mode);
  }

  #attempt(planned: Planned, mode: MessageOf<'prepare'>['mode']): Prepare {
    const { checked, hash, inputs } = planned;
    const ticket = bytesToHex(randomBytes(16));
    const waiting = new Waiting(checked);
    this.#waiting.set(ticket, waiting);
    const prepared = async () => {
      const start = performance.now();
      try {
        const list = jsonBytes(inputs);
        await Promise.all(NODES.map((role) => this.#send(role, { t: 'prepare', ticket, program: hash, mode }, list)));
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
        const masks = this.#inputMasks(planned, answers[2]!.payload);
        return { run: answers[0]!.header.run, masks, ms: performance.now() - start };
      } catch (error) {
        this.#waiting.delete(ticket);
        throw error;
      }
    };
    const tensors = new Set(inputs.flatMap((i) => (i.kind === 'opened' ? [i.tensor] : [])));
    return { planned, ticket, waiting, tensors, ready: prepared(), cancel: () => this.#cancel(ticket, waiting) };
  }

  #spare(planned: Planned): Prepare {
    const attempt = this.#attempt(planned, 'spare');
    attempt.waiting.onFail = () => this.#spares.lost(attempt);
    return attempt;
  }

  #cancel(ticket: string, waiting: Waiting): void {
    this.#waiting.delete(ticket);
    waiting.fail(new NodeError('client', 'RUN_FAILED', 'cancelled the run'));
    this.#tell({ t: 'cancel', ticket });
  }

  /**
   * Starts a run and waits for its results. @param waited milliseconds that were spent on its randomness, if not all
   * since it was asked for
   */
  async #online(
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
      const masked = this.#maskInputs(ones, planned, masks);
      const inputs = masked.reduce((n, e) => n + e.length, 0);
      const shares = planned.plan.bindings.flatMap((b) => (b.kind === 'share' ? [tensorOf(request, b.slot)] : []));
      const keeps = planned.plan.keeps.map((k) =>
        k.kind === 'output' ? keptAs(request, k.output) : tensorOf(request, k.slot),
      );
      const names = jsonBytes({ shares, keeps });
      const message: Message = { t: 'run', ticket, names: names.length, ...(trace && { trace }) };
      this.runsStarted++;
      await Promise.all(NODES.map((role) => this.#send(role, message, names, ...(role === 'dealer' ? [] : masked))));
      const [a, b] = (await Promise.all(
        PARTIES.map((role) =>
          timed(waiting.results.get(role)!.promise, 10 * limits.progressMs, nodeName[role], 'its result'),
        ),
      )) as [Answer<'result'>, Answer<'result'>];
      const onlineMs = performance.now() - start;
      const dealt = await timed(waiting.dealt.promise, limits.progressMs, 'dealer', 'the end of its part');
      const { outputs, left } = this.#combine(planned.plan, checked, a.payload, b.payload);
      planned.plan.keeps.forEach((k, i) => {
        if (k.kind === 'opened') {
          this.#tensors.get(keeps[i]!)?.openings.set(k.width, run);
          return;
        }
        const t = checked.types[checked.program.keeps[i]!] as ShareType;
        const state = { fracBits: t.fracBits, bits: t.bits, magnitude: t.magnitude, stored: [] };
        this.#tensors.set(keeps[i]!, { state, shape: t.shape, openings: new Map() });
      });
      const record: RunRecord = {
        prepareMs: waited ?? ms,
        onlineMs,
        rounds: a.header.rounds,
        bytes: {
          p0p1: a.header.bytesSent,
          p1p0: b.header.bytesSent,
          dealer: dealt.header.bytes,
          overhead: a.header.overheadBytes + b.header.overheadBytes,
          inputs,
        },
        perOp: a.header.perOp,
        waitMs: a.header.waitMs,
        memory: { party0: a.header.memory, party1: b.header.memory, dealer: dealt.header.memory },
        ...(trace && {
          traces: [a, b].map((answer, i) => ({ node: nodeName[PARTIES[i]!], events: eventsOf(answer) })),
        }),
      };
      return { outputs, record, left };
    } catch (error) {
      // Where it was refused here, the nodes have not heard of it; where a party failed, the dealer may have noted what
      // stays
      if (!waiting.error) this.#cancel(ticket, waiting);
      this.#tell({ t: 'free', tensors: request.kept.map((k) => k.tensor).filter((t) => !this.#tensors.has(t)) });
      throw error;
    } finally {
      this.#waiting.delete(ticket);
    }
  }

  /**
   * The masks of a run's indices, from the keys that the dealer gave for them: those of both halves, one input after
   * another.
   */
  #inputMasks({ plan: { bindings }, checked: { program } }: Planned, keys: Uint8Array): Words[] {
    const inputs = bindings.flatMap((b, i) =>
      b.kind === 'oneHot' ? [program.inputs[i] as { shape: number[]; width: number }] : [],
    );
    if (keys.length !== inputs.length * KEYS_BYTES)
      throw new NodeError('dealer', 'BAD_MESSAGE', `sent ${keys.length} bytes of keys for ${inputs.length} inputs`);
    return inputs.map(({ shape, width }, i) => {
      const [a, b] = [0, 1].map(
        (half) =>
          new Secret(
            keys.slice(i * KEYS_BYTES + (half * KEYS_BYTES) / 2, i * KEYS_BYTES + ((half + 1) * KEYS_BYTES) / 2),
          ),
      );
      return clientMask(this.kernels, sizeOf(shape), width, [a!, b!]);
    });
  }

  /** Where the ones are of every index input. @throws SecformerError INPUT_REFUSED, LOOKUP_UNPLACED */
  #ones(request: RunRequest, { plan: { bindings } }: Planned): Int32Array[] {
    return bindings.flatMap((b) =>
      b.kind === 'oneHot' ? [onesOf(b, (request.slots[b.slot] as { indices: Int32Array }).indices)] : [],
    );
  }

  /** Indices under their masks, which are used up. */
  #maskInputs(ones: Int32Array[], { plan: { bindings }, checked: { program } }: Planned, masks: Words[]): Uint8Array[] {
    const widths = bindings.flatMap((b, i) =>
      b.kind === 'oneHot' ? [(program.inputs[i] as { width: number }).width] : [],
    );
    return widths.map((width, i) => maskOneHot(this.kernels, ones[i]!, width, masks[i]!));
  }

  /** What is revealed, and after it the digests that are zero where nothing is to be told. */
  #combine(
    { checks }: Plan,
    { program, types }: CheckedProgram,
    fromP0: Uint8Array,
    fromP1: Uint8Array,
  ): Pick<RunResult, 'outputs' | 'left'> {
    let at = 0;
    const words = program.outputs.map((v) => {
      const t = types[v] as ShareType;
      const n = sizeOf(t.shape);
      const bytes = packedBytes(n, t.bits);
      const [p, q] = [fromP0, fromP1].map((b) => b.subarray(at, at + bytes)) as [Uint8Array, Uint8Array];
      at += bytes;
      return combineOutput(this.kernels, p, q, n, t.bits);
    });
    const digests = words.splice(words.length - checks.length);
    const decoded = (w: Words, i: number) => {
      const t = types[program.outputs[i]!] as ShareType;
      return Float32Array.from(decodeFixed(this.kernels, w, t.bits, t.fracBits));
    };
    return { outputs: words.map(decoded), left: checks.filter((_, i) => digests[i]!.some((word) => word !== 0n)) };
  }
}

/** The timeline behind a result's outputs. */
function eventsOf({ header, payload }: Answer<'result'>): TraceEvent[] {
  return JSON.parse(
    new TextDecoder().decode(payload.subarray(payload.length - (header.traceBytes ?? 0))),
  ) as TraceEvent[];
}

/** The tensor that a slot of a request is. */
function tensorOf(request: RunRequest, slot: number): number {
  return (request.slots[slot] as { tensor: number }).tensor;
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
