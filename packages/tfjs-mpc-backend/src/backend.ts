import { throwIfAborted } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import {
  type BackendValues,
  DataStorage,
  type DataType,
  engine,
  KernelBackend,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { folds } from './config.js';
import {
  arrived,
  type DataRecord,
  isKnown,
  type Later,
  notYet,
  ownerOf,
  plainOf,
  readable,
  typed,
} from './data-record.js';
import type { PlainTensor } from './host.js';
import { release } from './lifetime.js';
import { type Privacy, SecretNode, type Traits } from './node-values.js';
import { read, readSync } from './reads.js';
import { constantStep, stepOf } from './step-of.js';
import type { Operand, Owner, Step } from './steps.js';
import { reshapedTraits, traitsOf, traitsOfPublic, traitsOfWritten } from './traits.js';
import { isWeights } from './weights.js';

export const BACKEND_NAME = 'secformer';

/** The backend: kernels record secret operations, reading a tensor runs them at the nodes. */
export class SecformerBackend extends KernelBackend {
  readonly #data = new DataStorage<DataRecord>(this, engine());

  // ---- data

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    // By provenance, then dtype: floats of rank 1 and more are secret, integers stay here, rank 0 is part of the
    // program
    const privacy: Privacy = shape.length === 0 ? 'public' : dtype === 'float32' ? 'secret' : 'local';
    return this.#add({ dtype, refCount: 1, privacy, shape, plain: values });
  }

  override move(dataId: object, values: BackendValues, shape: number[], dtype: DataType, refCount: number): void {
    const privacy: Privacy = shape.length === 0 ? 'public' : dtype === 'float32' ? 'secret' : 'local';
    this.#data.set(dataId, { dtype, refCount, privacy, shape, plain: values });
  }

  /** The record of some data, with the values that have come since. */
  #of(dataId: object): DataRecord {
    return arrived(this.#data.get(dataId));
  }

  #add(record: DataRecord): object {
    const dataId = {};
    this.#data.set(dataId, record);
    return dataId;
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#of(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#of(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const record = this.#of(dataId);
    record.refCount--;
    if (!force && record.refCount > 0) return false;
    this.#data.delete(dataId);
    release([...(record.views?.values() ?? []), ...(record.node ? [record.node] : [])]);
    return true;
  }

  // ---- what kernels use

  /** What has been read, or follows from what the caller wrote, is as good as written: integers of it are local. */
  privacy(info: TensorInfo): Privacy {
    const record = this.#of(info.dataId);
    return record.privacy === 'secret' && record.dtype !== 'float32' && isKnown(record) && folds()
      ? 'local'
      : record.privacy;
  }

  /** Is it a public tensor that both parties are given as it is? */
  isWeights(info: TensorInfo): boolean {
    return isWeights(this.#of(info.dataId));
  }

  /** Is the plaintext known here, without the nodes? */
  isKnown(info: TensorInfo): boolean {
    return isKnown(this.#of(info.dataId));
  }

  /** The plaintext of what `isKnown`, for this process alone: see `ownPlain`. */
  known(info: TensorInfo): PlainTensor {
    const record = this.#of(info.dataId);
    return { values: plainOf(record), shape: info.shape, dtype: record.dtype };
  }

  /** What will be known here once it is asked for; undefined of all else. */
  later(info: TensorInfo): Later | undefined {
    return this.#of(info.dataId).later;
  }

  /** A handle of what will be known here once it is asked for. */
  coming(later: Later, shape: number[], dtype: DataType): TensorInfo {
    return { dataId: this.#add({ dtype, refCount: 1, privacy: 'local', shape, later }), shape, dtype } as TensorInfo;
  }

  /** Whose the plaintext is; of nothing there is nothing to hide. */
  owner(info: TensorInfo): Owner {
    return info.shape.includes(0) ? 'public' : ownerOf(this.#of(info.dataId));
  }

  /** How a client has what is its own, or public. */
  step(info: TensorInfo): Step {
    const record = this.#of(info.dataId);
    if (record.step) return record.step;
    const { shape, dtype, node } = record;
    if (shape.includes(0)) record.step = constantStep([], shape, dtype);
    else if (ownerOf(record) === 'client') record.step = stepOf(node!);
    else record.step = constantStep(this.plain({ ...info, shape }).values as ArrayLike<number>, shape, dtype);
    return record.step;
  }

  /** The same as a kernel takes it. */
  operand(info: TensorInfo): Operand {
    const dtype = info.dtype as Operand['dtype'];
    return { of: this.step(info), shape: [...info.shape], dtype };
  }

  /** An input of a model that is being traced: a client's, of which the values stand for all that there may be. */
  placeholder({ values, shape, dtype }: PlainTensor, step: Step): TensorInfo {
    const privacy = dtype === 'float32' ? 'secret' : 'local';
    return {
      dataId: this.#add({ dtype, refCount: 1, privacy, shape, plain: values, step }),
      shape,
      dtype,
    } as TensorInfo;
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
        `values of a ${privacy} tensor of shape [${info.shape}] cannot become part of the program; asPublic ` +
          `declares a tensor that may be known`,
      );
    }
    return this.ownPlain(info);
  }

  /**
   * Plaintext of a tensor that is not secret or is known anyway, for this process alone: for what is computed on the
   * host, and for what becomes a masked input. Nothing made of it may decide about the graph, or be an attribute of it:
   * see `plain`.
   */
  ownPlain(info: TensorInfo): PlainTensor {
    if (this.privacy(info) === 'secret' || !this.isKnown(info))
      throw new SecformerError(
        'NOT_PLAIN',
        `a secret tensor of shape [${info.shape}] has no plaintext that a kernel could use`,
      );
    return this.known(info);
  }

  /**
   * Refuses, as an operand of something secret, a tensor whose shape was computed from values that are not public:
   * shapes are part of the program.
   */
  checkShape(info: TensorInfo, kernel: string): void {
    const { shapedBy, privacy } = this.#of(info.dataId);
    if (shapedBy === undefined || privacy === 'public') return;
    throw new SecformerError(
      'SHAPE_NOT_PUBLIC',
      `kernel '${kernel}' meets a secret with a tensor of shape [${info.shape}], and '${shapedBy}' made that shape ` +
        `of values that are not public; the nodes would see it. Pad it to a fixed length and write it again, or ` +
        `declare it with asPublic`,
    );
  }

  /** What made the shape of a tensor of values that are not public, if anything did. */
  shapedBy(info: TensorInfo): string | undefined {
    return this.#of(info.dataId).shapedBy;
  }

  /** A tensor as a node of the recorded graph, in the shape that this call sees it in. */
  node(info: TensorInfo): SecretNode {
    const record = this.#of(info.dataId);
    if (record.later) throw notYet(record.shape);
    if (!record.node) {
      record.node = this.#leaf({ ...record, weights: isWeights(record) });
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

  #leaf(of: Omit<DataRecord, 'refCount'>): SecretNode {
    const { plain, privacy, shape, dtype, traits, step, weights } = of;
    if (dtype === 'string' || dtype === 'complex64')
      throw new TypeError(`a ${dtype} tensor cannot be computed with on secret shares`);
    const values = plain instanceof Float32Array ? plain : Float32Array.from(plain as ArrayLike<number>);
    if (privacy === 'public' && !weights) return new SecretNode('constant', [], shape, { values: Array.from(values) });
    const node = new SecretNode('leaf', [], shape);
    node.values = values;
    node.privacy = privacy;
    node.traits = traits;
    node.step = step;
    return node;
  }

  /** What is known of a tensor that is known here, without looking at what is not public. */
  traits(info: TensorInfo): Traits {
    const record = this.#of(info.dataId);
    record.traits ??=
      record.privacy === 'public'
        ? traitsOfPublic(record.plain as Float32Array, record.shape)
        : record.node
          ? traitsOf(record.node)
          : traitsOfWritten(record.shape);
    return reshapedTraits(record.traits, record.shape, info.shape);
  }

  /** A node for values that were computed in this process. */
  ownLeaf({ values, shape, dtype }: PlainTensor, step?: Step): SecretNode {
    const privacy = dtype === 'float32' ? 'secret' : 'local';
    return this.#leaf({ plain: values, privacy, shape, dtype, ...(step && { step }) });
  }

  /** A handle of what this process has computed of known values, and of the node that stands for it. */
  computed({ values, shape, dtype }: PlainTensor, node: SecretNode, shapedBy?: string): TensorInfo {
    node.users++;
    return {
      dataId: this.#add({
        dtype,
        refCount: 1,
        privacy: node.privacy,
        shape,
        plain: values,
        node,
        ...(node.step && { step: node.step }),
        ...(shapedBy && { shapedBy }),
      }),
      shape,
      dtype,
    } as TensorInfo;
  }

  secret(node: SecretNode, dtype: DataType = 'float32'): TensorInfo {
    node.users++;
    const dataId = this.#add({ dtype, refCount: 1, privacy: 'secret', shape: [...node.shape], node });
    return { dataId, shape: [...node.shape], dtype } as TensorInfo;
  }

  /**
   * The result of a host computation.
   * @param shapedBy the kernel that made its shape of values that are not public, if one did
   * @param step how a client has it, where it is a client's
   */
  unshared(
    { values, shape, dtype }: PlainTensor,
    privacy: Privacy,
    shapedBy?: string,
    traits?: Traits,
    step?: Step,
    weights?: boolean,
  ): TensorInfo {
    return {
      dataId: this.#add({
        dtype,
        refCount: 1,
        privacy,
        shape,
        plain: values,
        ...(shapedBy && { shapedBy }),
        ...(traits && { traits }),
        ...(step && { step }),
        ...(weights && { weights }),
      }),
      shape,
      dtype,
    } as TensorInfo;
  }

  /** The same data under another shape. */
  alias(info: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape, dtype: info.dtype } as TensorInfo;
  }

  /** @param weights to be given to both parties as it is */
  makePublic(info: TensorInfo, weights = false): void {
    const record = this.#of(info.dataId);
    if (record.privacy === 'public') return;
    if (record.plain === undefined || ownerOf(record) === 'client')
      throw new SecformerError(
        'NOT_PLAIN',
        'asPublic takes a tensor that the caller wrote; the result of a private computation stays secret',
      );
    // Its handle's own, and where what was computed is kept
    const { node } = record;
    const computed =
      node !== undefined &&
      [...node.variants].length === 0 &&
      node.tensor === undefined &&
      node.users <= 2 &&
      node.inputs.length === 0;
    if (node && !computed)
      throw new SecformerError(
        'NOT_PLAIN',
        'asPublic has to be called before the tensor is used in a private computation',
      );
    if (node) release([node]);
    delete record.node;
    delete record.step;
    record.privacy = 'public';
    if (weights && record.dtype === 'float32') record.weights = true;
  }

  // ---- reading

  /** @param signal gives it up; TF.js itself knows of none */
  override async read(dataId: object, signal?: AbortSignal): Promise<BackendValues> {
    throwIfAborted(signal);
    // What is disposed of meanwhile is read all the same
    const record = readable(this.#of(dataId));
    if (record.later) await record.later.read(signal);
    arrived(record);
    return isKnown(record) && folds()
      ? plainOf(record)
      : (record.plain ?? typed(await read(record.node!, signal), record.dtype));
  }

  override readSync(dataId: object): BackendValues {
    const record = readable(this.#of(dataId));
    record.later?.readSync();
    arrived(record);
    return isKnown(record) && folds() ? plainOf(record) : (record.plain ?? typed(readSync(record.node!), record.dtype));
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
    // As every backend of 32 bits: what keeps a root or a logarithm finite is carried at a finer scale than values are
    return 1e-7;
  }

  override dispose(): void {
    // Connections live outside the instance
  }
}
