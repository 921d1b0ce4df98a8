/**
 * The TensorFlow.js backend 'secformer'. Importing this registers it:
 *
 *   import * as tf from '@tensorflow/tfjs';
 *   import '@secformer/tfjs-mpc-backend';
 *   await tf.setBackend('secformer');
 */

import { type Abortable, Session, unless } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import {
  backend,
  type DataType,
  type DataTypeMap,
  getBackend,
  type NumericDataType,
  registerBackend,
  Tensor,
} from '@tensorflow/tfjs-core';
import { BACKEND_NAME, SecformerBackend } from './backend.js';
import { calibrated } from './calibrate.js';
import type { Calibration } from './calibration.js';
import { configuration } from './config.js';
import { registerKernels } from './kernels/index.js';
import { type PreparedRead, prepare as prepareRead, shareFor } from './reads.js';
import { chosenNetwork } from './runtime/chosen-network.js';
import { reached } from './runtime/network.js';
import type { Publishable } from './service/models.js';
import type { Published } from './service/nodes.js';
import { type PublishOptions, published } from './service/publish.js';
import { type ModelOfWeights, weightsOf } from './weights.js';

/** Below every stock backend, so that importing this makes it nobody's default. */
const PRIORITY = 0;

registerBackend(BACKEND_NAME, () => new SecformerBackend(), PRIORITY);
registerKernels();

function active(): SecformerBackend {
  const b = getBackend() === BACKEND_NAME ? backend() : undefined;
  if (!(b instanceof SecformerBackend))
    throw new SecformerError(
      'WRONG_BACKEND',
      `the active backend is '${getBackend()}'; call await tf.setBackend('secformer') first`,
    );
  return b;
}

/** @throws SecformerError TENSOR_DISPOSED where the tensor is not there any more */
function present<T extends Tensor>(t: T): T {
  if (!t.isDisposed) return t;
  throw new SecformerError(
    'TENSOR_DISPOSED',
    `a tensor of shape [${t.shape}] was disposed of; keep it, by tf.keep or outside tf.tidy`,
  );
}

/**
 * Declares a tensor that the caller wrote to be public: it becomes part of the program that the parties see, or, where
 * it has more than 4,096 elements, both parties are given it as it is. Cheaper than a secret where there is nothing to
 * hide, such as an attention mask whose length may be known. Of a model it declares all weights: products with them
 * open nothing, and only what is computed of inputs stays secret.
 * @param t a tensor; or a BertModel, a tf.GraphModel, a tf.LayersModel
 * @returns the same
 * @throws SecformerError WRONG_BACKEND where 'secformer' is not active, TENSOR_DISPOSED, and NOT_PLAIN
 *
 * @example
 * ```js
 * const mask = asPublic(tf.tensor2d([[1, 1, 0]]));
 * const model = asPublic(await loadBert('models/bert-base-uncased'));
 * ```
 */
export function asPublic<T extends Tensor | ModelOfWeights>(t: T): T {
  const b = active();
  if (t instanceof Tensor) b.makePublic(present(t));
  else for (const w of weightsOf(t)) b.makePublic(present(w), true);
  return t;
}

/**
 * What `t.data()` gives, for who may give it up: the run is over at the nodes then, and what it would have computed is
 * not. A run that others read too goes on for them. Of an answer of a published model it ends the ask.
 * @returns the values of `t` in row-major order
 * @throws SecformerError WRONG_BACKEND, TENSOR_DISPOSED, and what `t.data()` throws; the signal's reason
 *
 * @example
 * ```js
 * const values = await read(model.logits(inputs), { signal: AbortSignal.timeout(10_000) });
 * ```
 */
export async function read<D extends DataType = NumericDataType>(
  t: Tensor,
  options: Abortable = {},
): Promise<DataTypeMap[D]> {
  const { signal } = options ?? {};
  if (signal === undefined && options instanceof AbortSignal)
    throw new TypeError('read takes options: read(tensor, { signal }) in place of read(tensor, signal)');
  const b = active();
  const { dataId, dtype } = present(t);
  // Of texts, and of another backend's tensors, nothing is at the nodes
  if (dtype === 'string' || b.refCount(dataId) === 0) return unless(signal, () => t.data<D>());
  return (await b.read(dataId, signal)) as DataTypeMap[D];
}

/**
 * Deals the randomness for reading `t` ahead of time; the returned `run` does what is left, once. What it needs is kept
 * until then or until `cancel`, whatever is disposed of.
 * @returns `run`, whose values are those of `t` in row-major order; `cancel`; `record.setupMs`, the milliseconds of
 *   sharing
 * @throws SecformerError WRONG_BACKEND, TENSOR_DISPOSED, and what a read throws; the signal's reason
 *
 * @example
 * ```js
 * const { run } = await prepare(model.logits(inputs));
 * const { values, record } = await run();
 * ```
 */
export async function prepare(
  t: Tensor,
  options: Abortable = {},
): Promise<PreparedRead & { record: { setupMs: number } }> {
  return prepareRead(active().node(present(t)), options);
}

/**
 * Shares what reading `t` will need, such as a model's weights, so that the first read does not wait for it. Nothing is
 * computed.
 * @returns milliseconds that it took
 * @throws SecformerError WRONG_BACKEND, TENSOR_DISPOSED; EncodingError where a value is out of range; the signal's
 *   reason: tensors that were shared by then stay so as long as they live
 */
export async function share(t: Tensor, options: Abortable = {}): Promise<number> {
  return shareFor(active().node(present(t)), options);
}

/**
 * Records the range of every operation of a model over some samples, in plaintext and on this machine. Pass the result
 * to `configure({ calibration })`.
 * @param model records the model on a sample, such as `(ids) => bert.logits(ids)`
 * @param before an earlier calibration to add to
 * @returns plain JSON; it tells of each operation's range, as does a program that is planned with it
 * @param options `signal` gives it up, between two outputs
 * @throws ProgramError where a sample leaves the domain of an operation's protocol; SecformerError WRONG_BACKEND; the
 *   signal's reason
 *
 * @example
 * ```js
 * const calibration = await calibrate((x) => tf.square(tf.matMul(x, w)), samples);
 * configure({ calibration });
 * ```
 */
export function calibrate<S>(
  model: (sample: S) => Tensor | Tensor[],
  samples: Iterable<S>,
  before?: Calibration,
  { signal }: Abortable = {},
): Promise<Calibration> {
  const b = active();
  return calibrated(model, samples, configuration().suite, (t) => b.node(t), { before, signal });
}

/**
 * Publishes a model at the nodes: clients who hold a grant may ask it, and see nothing of it but its answers. It is
 * traced for each set of input shapes, so what it does must not depend on values of its inputs.
 * @param model a function of tensors, a tf.GraphModel, a tf.LayersModel or a BertModel
 * @returns the programs' hashes and costs
 * @throws SecformerError WRONG_BACKEND, BAD_CONFIGURATION, TRACE_READ, NOT_PUBLIC, UNSUPPORTED_KERNEL; EncodingError
 *   where a weight is out of range; NodeError where a node refuses; the signal's reason, and nothing is published
 *
 * @example
 * ```js
 * const inputs = [{ ids: { shape: [1, 64] } }, { ids: { shape: [1, 128] } }];
 * await publish(bert, { name: 'sst2', version: '1', inputs, network, key });
 * ```
 */
export async function publish(model: Publishable, options: PublishOptions): Promise<Published> {
  active();
  const { dial, credentials, parties } = reached(options);
  return published(
    model,
    options,
    (signal) => Session.connect(dial, credentials, { signal }),
    ({ roundTripMs }) => chosenNetwork(configuration().network, parties, roundTripMs),
  );
}

export { type Abortable, NodeError } from '@secformer/party-node';
export { EncodingError, SecformerError } from '@secformer/ring';
export type { Calibration } from './calibration.js';
export { type Configuration, configure, type OnRange } from './config.js';
export { UnsupportedKernelError } from './kernels/kernel.js';
export { type LastRun, lastRun, type PreparedRead } from './reads.js';
export type { ChosenNetwork } from './runtime/chosen-network.js';
export type { ServiceOptions } from './runtime/network.js';
export { type LoadOptions, loadPublished } from './service/load-published.js';
export type { InputShape, InputShapes, Publishable } from './service/models.js';
export type { Manifest, OnProgress, Published, PublishProgress, RunProgress, TensorSpec } from './service/nodes.js';
export type { PublishOptions } from './service/publish.js';
export type { Inputs, PredictOptions, PublishedModel } from './service/published-model.js';
export type { LayerVariable, ModelOfWeights } from './weights.js';
