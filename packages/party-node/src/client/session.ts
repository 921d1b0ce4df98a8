import { type Kernels, loadKernels, type Secret } from '@secformer/ring';
import type { Forms, InputState } from '@secformer/secformer-ops';
import { asyncDispose, dispose } from '../disposing.js';
import { NodeError } from '../errors.js';
import { NODES } from '../wire/tokens.js';
import { type Abortable, during, revocable, throwIfAborted, unless } from './abortable.js';
import { ClientTensors, type WriteOptions } from './client-tensors.js';
import type { Credentials } from './credentials.js';
import { onesOfInputs } from './input-masks.js';
import { type Dial, NodeLinks } from './node-links.js';
import { persist } from './persist.js';
import { type Planned, Planner } from './planner.js';
import {
  formsToPublish,
  type Published,
  type PublishProgram,
  type PublishProgress,
  type PublishRequest,
  publish,
} from './publishing.js';
import { type OnProgress, rising } from './run-progress.js';
import { keptAs, type Prepared, type RunOptions, type RunRequest, type RunResult, tensorOf } from './run-request.js';
import { type Prepare, Runs, type Start } from './runs.js';
import { Spares } from './spares.js';

/** Codes of a prepared run whose randomness a node had to discard: the request runs afresh. */
const GIVEN_UP = ['GAVE_WAY', 'LIMIT_EXCEEDED', 'BUSY'];

/** A run of this session, prepared or being prepared, with what it was planned as. */
interface PlannedRun extends Prepare {
  planned: Planned;
}

/**
 * What a request's runs start with. Bad inputs are refused here, before the nodes learn of the run: what they see must
 * not depend on its inputs.
 * @throws SecformerError INPUT_REFUSED, LOOKUP_UNPLACED
 */
function startOf(request: RunRequest, { plan: { bindings, keeps }, oneHots }: Planned): Start {
  return {
    ones: onesOfInputs(oneHots, (slot) => (request.slots[slot] as { indices: Int32Array }).indices),
    shares: bindings.flatMap((b) => (b.kind === 'share' ? [tensorOf(request, b.slot)] : [])),
    keeps: keeps.map((k) => (k.kind === 'output' ? keptAs(request, k.output) : tensorOf(request, k.slot))),
  };
}

/**
 * A client's connection to the three nodes, browser-safe. It alone sees plaintext: it shares what is written, plans
 * graphs, masks indices and combines outputs. A session ends when any of its links is lost, and its tensors at the
 * nodes are then gone. At the end of a block with `using` it is closed.
 *
 * A call that is given up by its signal rejects with the signal's reason; its run is over at the nodes, and the session
 * goes on.
 */
export class Session implements Disposable, AsyncDisposable {
  readonly kernels: Kernels;
  /** whether the randomness for a program that repeats is dealt ahead, in the background */
  prepareAhead = true;
  readonly #links: NodeLinks;
  readonly #tensors: ClientTensors;
  readonly #planner: Planner;
  readonly #runs: Runs;
  readonly #spares = new Spares<PlannedRun>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(kernels: Kernels, links: NodeLinks) {
    this.kernels = kernels;
    this.#links = links;
    this.#tensors = new ClientTensors(kernels, links);
    this.#planner = new Planner(this.#tensors);
    this.#runs = new Runs(kernels, links);
    links.runs = this.#runs;
  }

  /**
   * Connects to the three nodes; if one of them has no room at present, retries for some seconds.
   * @param credentials a secret is what the nodes' --client-token-file holds, through `tokenFrom`
   * @param options `signal` gives the connecting up, and means nothing to the session
   * @throws NodeError UNREACHABLE, NOT_AUTHENTICATED, GRANT_REFUSED, TOO_MANY_CONNECTIONS and others, naming the node;
   *   the signal's reason
   */
  static async connect(dial: Dial, credentials: Secret | Credentials, { signal }: Abortable = {}): Promise<Session> {
    throwIfAborted(signal);
    const kernels = await loadKernels();
    return new Session(kernels, await NodeLinks.connect(dial, credentials, signal));
  }

  /** why the session is over */
  get dead(): NodeError | undefined {
    return this.#links.dead;
  }

  /**
   * milliseconds between the parties and back, as they had measured them when this session began: what two rounds of a
   * run wait for. undefined where they have not, as in the embedded trio
   */
  get roundTripMs(): number | undefined {
    return this.#links.roundTripMs;
  }

  /** number of runs whose 'run' messages have begun to be sent: before that, no input of a run has left this side */
  get runsStarted(): number {
    return this.#runs.started;
  }

  /** Ends the session: runs under way are rejected with NodeError LINK_CLOSED, and the nodes free its tensors. */
  close(): void {
    this.#links.lost(new NodeError('client', 'LINK_CLOSED', 'closed the session'));
  }

  /** Called by `using`. */
  [dispose](): void {
    this.close();
  }

  /** Called by `await using`. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** Whether a tensor of this id is at the nodes. */
  has(tensor: number): boolean {
    return this.#tensors.has(tensor);
  }

  /**
   * Writes a tensor: as a share, of which P0 is sent a seed, P1 the difference and the dealer the type, or in the forms
   * that are asked for (see `forms`) and are not there yet.
   * @throws EncodingError where a value is out of range or not finite; the signal's reason, and the tensor is freed
   */
  write(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    state?: Partial<InputState>,
    options?: WriteOptions,
  ): Promise<void> {
    return this.#tensors.write(tensor, values, shape, state, options);
  }

  /**
   * In which forms tensors of a request are best written: large ones that it only multiplies by, as openings.
   * @param fresh tensors that are not at the nodes, and what is known of them
   * @throws NodeError TENSOR_LOST; ProgramError where the graph cannot be planned
   */
  forms(request: RunRequest, fresh: ReadonlyMap<number, Partial<InputState>>): Map<number, Forms> {
    return this.#planner.forms(request, fresh);
  }

  /** In which forms a tensor is at the nodes; undefined where it is not. */
  formsOf(tensor: number): Forms | undefined {
    return this.#tensors.forms(tensor);
  }

  /**
   * In which forms the tensors of a model to be published are best written: what its programs only multiply by, as
   * openings.
   * @param fresh tensors that are not at the nodes, and what is known of them
   * @throws ProgramError where a graph cannot be planned
   */
  formsToPublish(
    programs: readonly PublishProgram[],
    fresh: ReadonlyMap<number, Partial<InputState>>,
  ): Map<number, Forms> {
    return formsToPublish(this.#tensors, programs, fresh);
  }

  /**
   * Gives both parties a tensor in full: anybody at the nodes may know it. Scale and range follow from its values.
   * Products with it are local, and nothing of it is opened.
   * @throws EncodingError where a value is out of range or not finite; NodeError; the signal's reason
   */
  writePublic(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    { signal }: Abortable = {},
  ): Promise<void> {
    return this.#tensors.writePublic(tensor, values, shape, signal);
  }

  /** Frees tensors at all three nodes; ids that are not there are passed over. */
  free(tensors: number[]): void {
    const known = this.#tensors.forget(tensors);
    this.#spares.freed(known);
    this.#tensors.freeAtNodes(known);
  }

  /**
   * Plans, prepares and runs in one go; runs of a session follow one another. A program's third run finds its
   * randomness dealt.
   * @param options `onProgress` hears how far it is, from when the nodes prepare it on
   * @throws NodeError naming the node that failed, and why; FormsLacking where a tensor was written as an opening
   *   alone and is taken as a share; ProgramError where the graph cannot be planned; the signal's reason
   */
  async run(request: RunRequest, { onProgress: hear = () => {}, signal }: RunOptions = {}): Promise<RunResult> {
    const run = async () => {
      const onProgress = rising(hear);
      const planned = this.#planned(request);
      const start = startOf(request, planned);
      // Another run has other masks, so a retry reveals nothing
      const afresh = () =>
        persist(async () => {
          const attempt = await this.#prepare(planned, 'streamed', signal);
          attempt.waiting.onProgress = onProgress;
          return during(signal, attempt.cancel, () => this.#online(request, start, attempt));
        }, signal);
      const result = (await this.#runSpare(request, start, planned, { onProgress, signal })) ?? (await afresh());
      if (this.prepareAhead && !this.dead)
        this.#spares.over(planned.key, planned.checked.cost.dealer + planned.checked.cost.online, () =>
          this.#spare(planned),
        );
      return result;
    };
    // What came of a run all the same, nobody knows of
    return this.#inTurn(run, signal, () => this.#dropKept(request));
  }

  /**
   * Deals all randomness of a run ahead.
   * @throws as `run` does
   */
  async prepare(request: RunRequest, { signal }: Abortable = {}): Promise<Prepared> {
    const prepare = async () => {
      this.#spares.take();
      const planned = this.#planned(request);
      const start = startOf(request, planned);
      const attempt = await persist(async () => {
        const made = await this.#prepare(planned, 'ahead', signal);
        await during(signal, made.cancel, () => made.ready);
        return made;
      }, signal);
      return this.#prepared(request, start, attempt);
    };
    return this.#inTurn(prepare, signal, ({ cancel }) => cancel());
  }

  #prepared(request: RunRequest, start: Start, attempt: PlannedRun): Prepared {
    let used = false;
    const discard = () => {
      if (!used) attempt.cancel();
    };
    return {
      run: async ({ trace = false, onProgress = () => {}, signal } = {}) => {
        throwIfAborted(signal);
        if (used)
          throw new NodeError('client', 'INPUT_REFUSED', 'the randomness of this run is used up; prepare another');
        used = true;
        attempt.waiting.onProgress = rising(onProgress);
        const run = () => this.#online(request, { ...start, trace }, attempt);
        return unless(signal, run, { stop: attempt.cancel, late: () => this.#dropKept(request) });
      },
      cancel: attempt.cancel,
      [dispose]: discard,
      [asyncDispose]: async () => discard(),
    };
  }

  #dropKept({ kept }: RunRequest): void {
    this.free(kept.map((k) => k.tensor));
  }

  /**
   * Publishes graphs of tensors that this session has written, which leave it for the model.
   * @param options `onProgress` hears how far it is. `signal` gives it up until it is 'committing', and then means
   *   nothing any more; while it is 'staging' the call rejects once the nodes have discarded what they had of it
   * @throws NodeError NOT_ALLOWED where this is no publisher's session, and the nodes' other refusals; the signal's
   *   reason, and nothing is published
   */
  async publish(
    request: PublishRequest,
    { onProgress, signal }: Abortable & { onProgress?: ((e: PublishProgress) => void) | undefined } = {},
  ): Promise<Published> {
    const parts = { links: this.#links, tensors: this.#tensors, runs: this.#runs };
    const { signal: before, release } = revocable(signal);
    const options = { ...(onProgress && { onProgress }), signal, staging: release };
    return this.#inTurn(() => publish(parts, request, options), before).finally(release);
  }

  /**
   * Ends a published version, at all three nodes.
   * @throws NodeError MODEL_UNKNOWN where none of them has it; the signal's reason, and the nodes may have ended it
   */
  async unpublish(name: string, version: string, { signal }: Abortable = {}): Promise<void> {
    return unless(signal, () => this.#unpublish(name, version));
  }

  async #unpublish(name: string, version: string): Promise<void> {
    const gone = await Promise.allSettled(
      NODES.map((role) => this.#links.ask(role, (re) => ({ t: 'unpublish', re, name, version }))),
    );
    const failed = gone.filter((g) => g.status === 'rejected');
    const other = failed.find(({ reason }) => (reason as NodeError).code !== 'MODEL_UNKNOWN');
    if (other ?? (failed.length === NODES.length && failed[0])) throw (other ?? failed[0]!).reason;
  }

  #planned(request: RunRequest): Planned {
    if (this.dead) throw this.dead;
    return this.#planner.planned(request);
  }

  /** Sends a Program that the nodes lack, and has them prepare a run of it. */
  async #prepare(planned: Planned, mode: 'streamed' | 'ahead', signal: AbortSignal | undefined): Promise<PlannedRun> {
    const { hash, bytes } = planned;
    if (bytes) {
      await this.#runs.send(hash, bytes, signal);
      this.#planner.sent(hash);
      throwIfAborted(signal);
    }
    return { ...this.#runs.attempt(planned, mode), planned };
  }

  /** Prepares a run in the background. */
  #spare(planned: Planned): PlannedRun {
    const attempt = { ...this.#runs.attempt(planned, 'spare'), planned };
    attempt.waiting.onFail = () => this.#spares.lost(attempt);
    return attempt;
  }

  /** Runs what is prepared, and records what stays at the nodes. */
  async #online(request: RunRequest, start: Start, attempt: PlannedRun): Promise<RunResult> {
    try {
      const { run, ...result } = await this.#runs.online(start, attempt);
      const { plan, checked } = attempt.planned;
      const types = checked.program.keeps.map((v) => checked.types[v]!);
      this.#tensors.keep(plan.keeps, types, start.keeps, run);
      return result;
    } catch (error) {
      // If a party failed, the dealer may have recorded kept tensors
      this.#tensors.freeAtNodes(request.kept.map((k) => k.tensor).filter((t) => !this.#tensors.has(t)));
      throw error;
    }
  }

  /** Runs what was prepared in the background; undefined if there is nothing, or a node has discarded it. */
  async #runSpare(
    request: RunRequest,
    from: Start,
    planned: Planned,
    { onProgress, signal }: { onProgress: OnProgress; signal: AbortSignal | undefined },
  ): Promise<RunResult | undefined> {
    const spare = this.#spares.take(planned.key);
    if (!spare) return undefined;
    spare.waiting.onProgress = onProgress;
    const start = performance.now();
    try {
      return await during(signal, spare.cancel, async () => {
        await spare.ready;
        return this.#online(request, { ...from, waited: performance.now() - start }, spare);
      });
    } catch (error) {
      const { error: failure } = spare.waiting;
      // What the parties sent was masked with randomness that is discarded now: another run has other masks
      if (failure instanceof NodeError && GIVEN_UP.includes(failure.code)) return undefined;
      throw error;
    }
  }

  /** Does `f` once what came before is over, and not at all where the signal comes first. @param late see `unless` */
  #inTurn<T>(f: () => Promise<T>, signal: AbortSignal | undefined, late?: (value: T) => void): Promise<T> {
    const queued = () => {
      const mine = async () => {
        throwIfAborted(signal);
        return f();
      };
      const next = this.#turn.then(mine, mine);
      this.#turn = next.catch(() => {});
      return next;
    };
    return unless(signal, queued, late ? { late } : {});
  }
}
