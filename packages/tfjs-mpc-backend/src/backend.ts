import { errorOf, type RunRecord, reportOf } from '@secformer/party-node';
import { checkFixed, EncodingError, SecformerError } from '@secformer/ring';
import { writtenTensor } from '@secformer/secformer-ops';
import { type BackendValues, DataStorage, type DataType, engine, KernelBackend, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { runtime } from '#runtime';
import { type Compiled, compile } from './compile.js';
import { configuration, type Resolved } from './config.js';
import type { PlainTensor } from './host.js';
import { type Privacy, SecretNode } from './node-values.js';
import type { Answer, Reply, Request, Write } from './runtime/messages.js';

export const BACKEND_NAME = 'secformer';

/** Values that travel to the session's thread at a time. */
const BATCH_BYTES = 4 * 2 ** 20;

interface DataRecord {
  dtype: DataType;
  refCount: number;
  privacy: Privacy;
  shape: number[];
  plain?: BackendValues;
  /** the kernel that made the shape of values that are not public */
  shapedBy?: string;
  node?: SecretNode;
  /** the same value under the shapes that reshapes gave it, so that equal views are one node */
  views?: Map<string, SecretNode>;
}

/** What one read took; see `lastRun`. */
export interface LastRun extends RunRecord {
  /** sharing tensors that the nodes did not have yet */
  setupMs: number;
}

/** A read whose randomness has been dealt ahead. */
export interface PreparedRead {
  /** @param options `trace` asks both parties how their time went, for `record.traces` */
  run(options?: { trace?: boolean }): Promise<{ values: Float32Array; record: LastRun }>;
}

/** State that outlives a backend instance: TF.js disposes and recreates backends, connections stay. */
const shared = {
  nextRequest: 1,
  session: -1,
  /** tensors that the present session has */
  known: new Set<number>(),
  lastRun: undefined as LastRun | undefined,
  queue: Promise.resolve() as Promise<unknown>,
};

/** What the most recent read took, if any. */
export function lastRun(): LastRun | undefined {
  return shared.lastRun;
}

/** Error classes a user meets, whatever thread they come from. */
function raise(error: Extract<Reply, { error: unknown }>['error']): Error {
  if (error.code === 'VALUE_OUT_OF_RANGE') return new EncodingError(error.message);
  if (error.code === 'BAD_PROGRAM' || error.code === 'RUN_FAILED') return new SecformerError(error.code, error.message);
  return errorOf(error);
}

/** The backend: kernels record secret operations, reading a tensor runs them at the nodes. */
export class SecformerBackend extends KernelBackend {
  readonly #data = new DataStorage<DataRecord>(this, engine());

  // ---- data

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    // By provenance, then dtype: floats of rank 1 and more are secret, integers stay here, rank 0 is part of the program
    const privacy: Privacy = shape.length === 0 ? 'public' : dtype === 'float32' ? 'secret' : 'local';
    return this.#add({ dtype, refCount: 1, privacy, shape, plain: values });
  }

  override move(dataId: object, values: BackendValues, shape: number[], dtype: DataType, refCount: number): void {
    const privacy: Privacy = shape.length === 0 ? 'public' : dtype === 'float32' ? 'secret' : 'local';
    this.#data.set(dataId, { dtype, refCount, privacy, shape, plain: values });
  }

  #add(record: DataRecord): object {
    const dataId = {};
    this.#data.set(dataId, record);
    return dataId;
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#data.get(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const record = this.#data.get(dataId);
    record.refCount--;
    if (!force && record.refCount > 0) return false;
    this.#data.delete(dataId);
    for (const view of record.views?.values() ?? []) release(view);
    if (record.node) release(record.node);
    return true;
  }

  // ---- what kernels use

  privacy(info: TensorInfo): Privacy {
    return this.#data.get(info.dataId).privacy;
  }

  /**
   * Plaintext of a public tensor: what may become part of a program that the nodes see.
   * @throws SecformerError where the tensor is not public
   */
  plain(info: TensorInfo): PlainTensor {
    const privacy = this.privacy(info);
    if (privacy !== 'public') {
      throw new SecformerError(
        'NOT_PUBLIC',
        `values of a ${privacy} tensor of shape [${info.shape}] cannot become part of the program; asPublic declares a tensor that may be known`,
      );
    }
    return this.ownPlain(info);
  }

  /**
   * Plaintext of a tensor that is not secret, for this process alone: for what is computed on the host, and for what
   * becomes a masked input. Nothing made of it may decide about the graph, or be an attribute of it: see `plain`.
   */
  ownPlain(info: TensorInfo): PlainTensor {
    const { plain, privacy, dtype } = this.#data.get(info.dataId);
    if (privacy === 'secret' || plain === undefined) throw new SecformerError('NOT_PLAIN', `a secret tensor of shape [${info.shape}] has no plaintext that a kernel could use`);
    return { values: plain, shape: info.shape, dtype };
  }

  /**
   * Refuses, as an operand of something secret, a tensor whose shape was computed from values that are not public:
   * shapes are part of the program.
   */
  checkShape(info: TensorInfo, kernel: string): void {
    const { shapedBy, privacy } = this.#data.get(info.dataId);
    if (shapedBy === undefined || privacy === 'public') return;
    throw new SecformerError(
      'SHAPE_NOT_PUBLIC',
      `kernel '${kernel}' meets a secret with a tensor of shape [${info.shape}], and '${shapedBy}' made that shape of values that are not public; the nodes would see it. Pad it to a fixed length and write it again, or declare it with asPublic`,
    );
  }

  /** What made the shape of a tensor of values that are not public, if anything did. */
  shapedBy(info: TensorInfo): string | undefined {
    return this.#data.get(info.dataId).shapedBy;
  }

  /** A tensor as a node of the recorded graph, in the shape that this call sees it in. */
  node(info: TensorInfo): SecretNode {
    const record = this.#data.get(info.dataId);
    if (!record.node) {
      record.node = this.#leaf(record);
      record.node.users++;
    }
    const { node } = record;
    const shape = info.shape.join();
    if (node.shape.join() === shape) return node;
    record.views ??= new Map();
    let view = record.views.get(shape);
    if (!view) {
      view = new SecretNode('reshape', [node], [...info.shape]);
      view.users++;
      record.views.set(shape, view);
    }
    return view;
  }

  #leaf({ plain, privacy, shape, dtype }: DataRecord): SecretNode {
    if (dtype === 'string' || dtype === 'complex64') throw new TypeError(`a ${dtype} tensor cannot be computed with on secret shares`);
    const values = plain instanceof Float32Array ? plain : Float32Array.from(plain as ArrayLike<number>);
    if (privacy === 'public') return new SecretNode('constant', [], shape, { values: Array.from(values) });
    const node = new SecretNode('leaf', [], shape);
    node.values = values;
    node.privacy = privacy;
    return node;
  }

  secret(node: SecretNode, dtype: DataType = 'float32'): TensorInfo {
    node.users++;
    const dataId = this.#add({ dtype, refCount: 1, privacy: 'secret', shape: [...node.shape], node });
    return { dataId, shape: [...node.shape], dtype } as TensorInfo;
  }

  /**
   * The result of a host computation.
   * @param shapedBy the kernel that made its shape of values that are not public, if one did
   */
  unshared({ values, shape, dtype }: PlainTensor, privacy: Privacy, shapedBy?: string): TensorInfo {
    return { dataId: this.#add({ dtype, refCount: 1, privacy, shape, plain: values, ...(shapedBy && { shapedBy }) }), shape, dtype } as TensorInfo;
  }

  /** The same data under another shape. */
  alias(info: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape, dtype: info.dtype } as TensorInfo;
  }

  makePublic(info: TensorInfo): void {
    const record = this.#data.get(info.dataId);
    if (record.plain === undefined) throw new SecformerError('NOT_PLAIN', 'asPublic takes a tensor that the caller wrote; the result of a private computation stays secret');
    if (record.node) throw new SecformerError('NOT_PLAIN', 'asPublic has to be called before the tensor is used in a private computation');
    record.privacy = 'public';
  }

  // ---- reading

  override async read(dataId: object): Promise<BackendValues> {
    const record = this.#data.get(dataId);
    const { node, plain, dtype } = record;
    if (plain !== undefined) return plain;
    const run = async () => {
      if (node!.values) return;
      const compiled = compiledFor(node!);
      const answer = await this.#perform(compiled, (base) => ({ ...base, kind: 'run', job: compiled.job }));
      this.#finish(node!, compiled, answer);
    };
    const turn = shared.queue.then(run, run);
    shared.queue = turn.catch(() => {});
    await turn;
    return typed(node!.values!, dtype);
  }

  override readSync(dataId: object): BackendValues {
    const { node, plain, dtype } = this.#data.get(dataId);
    if (plain !== undefined) return plain;
    if (!node!.values) {
      const c = configuration();
      const compiled = compiledFor(node!);
      const base = () => ({ id: shared.nextRequest++, configuration: reach() });
      const attempt = (missing?: number[]) => {
        let setupMs = 0;
        for (const writes of this.#writes(compiled, missing)) setupMs += this.#settleShare(runtime.askSync({ ...base(), kind: 'share', writes }, c.syncTimeoutMs), writes);
        const answer = this.#settle(runtime.askSync({ ...base(), kind: 'run', job: compiled.job }, c.syncTimeoutMs), compiled);
        return Array.isArray(answer) ? answer : { ...answer, setupMs };
      };
      let answer = attempt();
      if (Array.isArray(answer)) answer = attempt(answer);
      if (Array.isArray(answer)) throw lost(answer);
      this.#finish(node!, compiled, answer);
    }
    return typed(node!.values!, dtype);
  }

  /** Deals the randomness of a read ahead; `run` then is what a client waits for. */
  async prepare(t: Tensor): Promise<PreparedRead & { record: { setupMs: number } }> {
    const node = this.node(t);
    const compiled = compiledFor(node);
    const answer = await this.#perform(compiled, (base) => ({ ...base, kind: 'prepare', job: compiled.job }));
    const prepared = answer.outputs[0]![0]!;
    return {
      record: { setupMs: answer.setupMs },
      run: async ({ trace = false } = {}) => {
        const reply = await runtime.ask({ id: shared.nextRequest++, kind: 'start', prepared, trace });
        const result = this.#settle(reply, compiled);
        if (Array.isArray(result)) throw lost(result);
        this.#finish(undefined, compiled, result);
        return { values: result.outputs[0]!, record: shared.lastRun! };
      },
    };
  }

  /** Shares what a read of `t` will need, and no more. @returns milliseconds */
  async share(t: Tensor): Promise<number> {
    return this.#share(compiledFor(this.node(t)));
  }

  async #share(compiled: Compiled, missing?: number[]): Promise<number> {
    let ms = 0;
    for (const writes of this.#writes(compiled, missing)) {
      ms += this.#settleShare(await runtime.ask({ id: shared.nextRequest++, configuration: reach(), kind: 'share', writes }), writes);
    }
    return ms;
  }

  async #perform(compiled: Compiled, request: (base: { id: number; configuration: Resolved }) => Request): Promise<Answer> {
    const attempt = async (missing?: number[]) => {
      const setupMs = await this.#share(compiled, missing);
      const answer = this.#settle(await runtime.ask(request({ id: shared.nextRequest++, configuration: reach() })), compiled);
      return Array.isArray(answer) ? answer : { ...answer, setupMs };
    };
    let answer = await attempt();
    // A new session has nothing yet: what the caller wrote is shared again
    if (Array.isArray(answer)) answer = await attempt(answer);
    if (Array.isArray(answer)) throw lost(answer);
    return answer;
  }

  /** Tensors to share, a few at a time so that a model is never copied as a whole: those unknown to the session, or exactly those that it named as missing. */
  *#writes({ sources }: Compiled, missing: number[] | undefined): Iterable<Write[]> {
    const wanted = missing ?? [...sources.keys()].filter((t) => !shared.known.has(t));
    const given = wanted.flatMap((t) => sources.get(t) ?? []);
    // All of them before any leaves: nodes that see an upload end early would learn that a value was out of range
    for (const source of given) checkWrite(source());
    let batch: Write[] = [];
    let bytes = 0;
    for (const source of given) {
      const write = source();
      batch.push(write);
      bytes += write.values.byteLength;
      if (bytes < BATCH_BYTES) continue;
      yield batch;
      [batch, bytes] = [[], 0];
    }
    if (batch.length > 0) yield batch;
  }

  #settleShare(reply: Reply, writes: Write[]): number {
    this.#meet(reply);
    if ('error' in reply) throw raise(reply.error);
    for (const { tensor } of writes) shared.known.add(tensor);
    return 'answer' in reply ? reply.answer.setupMs : 0;
  }

  /** Another session than the last one knows nothing of what that one had. */
  #meet(reply: Reply): void {
    if (reply.session === shared.session) return;
    shared.session = reply.session;
    shared.known.clear();
  }

  #settle(reply: Reply, { sources }: Compiled): Answer | number[] {
    this.#meet(reply);
    if ('error' in reply) throw raise(reply.error);
    if ('missing' in reply) return reply.missing;
    for (const t of sources.keys()) shared.known.add(t);
    return reply.answer;
  }

  #finish(target: SecretNode | undefined, { kept, job }: Compiled, { outputs, record, setupMs }: Answer): void {
    if (record) shared.lastRun = { ...record, setupMs };
    if (target) {
      target.values = outputs[0]!;
      executed(target);
    }
    kept.forEach(({ node }, i) => {
      const { tensor } = job.kept[i]!;
      if (node.users === 0 || node.tensor !== undefined || node.values) {
        runtime.tell({ id: 0, kind: 'free', tensors: [tensor] });
        return;
      }
      node.tensor = tensor;
      executed(node);
    });
  }

  // ---- what TF.js asks of any backend

  override memory(): { unreliable: boolean; reasons?: string[] } {
    return { unreliable: false };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(f: () => void): Promise<{ kernelMs: number }> {
    const start = performance.now();
    f();
    return { kernelMs: performance.now() - start };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    // Below the resolution of 16 fractional bits nothing is left of it
    return 2 ** -12;
  }

  override dispose(): void {
    // Connections live outside the instance
  }
}

/** @throws EncodingError, as the session would, where a value is not finite or out of range */
function checkWrite({ values, shape }: Write): void {
  try {
    checkFixed(values, writtenTensor.magnitude, `a tensor of shape [${shape}]`);
  } catch (error) {
    throw raise(reportOf(error, 'client'));
  }
}

/** What the holder of the session has to know. */
function reach(): Resolved {
  const { calibration: _, ...rest } = configuration();
  return rest;
}

/** A read of a node as it is configured now. */
export function compiledFor(node: SecretNode): Compiled {
  const { suite, calibration } = configuration();
  return compile(node, suite, calibration);
}

function lost(tensors: number[]): Error {
  return errorOf({
    node: 'client',
    code: 'TENSOR_LOST',
    message: `${tensors.length} computed tensor${tensors.length > 1 ? 's' : ''} went with a connection that was lost; compute ${tensors.length > 1 ? 'them' : 'it'} again from tensors you wrote`,
  });
}

/** A computed node stands for itself: what it was computed from is let go. */
function executed(node: SecretNode): void {
  const { inputs } = node;
  node.inputs = [];
  // So that no pattern looks for operands that are not there any more
  node.op = 'leaf';
  for (const i of inputs) release(i);
}

function release(node: SecretNode): void {
  node.users--;
  if (node.users > 0) return;
  const tensors = [...node.variants.values()].map((v) => v.tensor);
  if (node.tensor !== undefined) tensors.push(node.tensor);
  for (const t of tensors) shared.known.delete(t);
  if (tensors.length > 0) runtime.tell({ id: 0, kind: 'free', tensors });
  const { inputs } = node;
  node.inputs = [];
  for (const i of inputs) release(i);
}

function typed(values: Float32Array, dtype: DataType): BackendValues {
  if (dtype === 'int32') return Int32Array.from(values, Math.round);
  if (dtype === 'bool') return Uint8Array.from(values, (v) => (v >= 0.5 ? 1 : 0));
  return values;
}
