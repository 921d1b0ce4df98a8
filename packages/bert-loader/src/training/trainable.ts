import * as tf from '@tensorflow/tfjs-core';
import type { BertConfig } from '../config.js';
import { embed, encode, metBy } from '../encoder.js';
import { ModelFileError } from '../errors.js';
import { familyOf } from '../families/index.js';
import type { ReadFile } from '../files.js';
import type { HeadKind } from '../heads.js';
import type { Hooks } from '../hooks.js';
import type { BertInputs } from '../inputs.js';
import { type LoadOptions, partsFromFiles } from '../load.js';
import type { ModelParts } from '../model.js';
import { TensorStore } from '../tensor-store.js';
import type { BertTokenizer } from '../tokenizer/tokenizer.js';
import { turned } from '../weights.js';
import type { HostTensor } from './host-tensors.js';

/** What a model computes of a batch. */
export interface Computed {
  /** last hidden states, [batch, tokens, hidden] */
  hidden: tf.Tensor3D;
  /** the head's scores, as `BertModel.logits` gives them; undefined where there is no head */
  scores: tf.Tensor | undefined;
}

let models = 0;

/**
 * A model whose weights are variables, by what the checkpoint calls them: `tf.variableGrads` of what `compute` gives
 * has their gradients. A dense layer's weight is [in, out], the transpose of the checkpoint's.
 */
export class TrainableBert {
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly weights: ReadonlyMap<string, tf.Variable>;
  readonly #parts: ModelParts;
  readonly #store: TensorStore;

  /** @internal Models are made by `trainableBert`. */
  constructor(config: BertConfig, tokenizer: BertTokenizer, parts: ModelParts, store: TensorStore) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.#parts = parts;
    this.#store = store;
    this.weights = new Map(Array.from(store.named, ([name, { tensor }]) => [name, tensor as tf.Variable]));
  }

  /** What stands on the encoder. */
  get head(): HeadKind {
    return this.#parts.head?.kind ?? 'none';
  }

  /** The caller disposes of what it gives. */
  compute(inputs: BertInputs, hooks?: Hooks): Computed {
    const { encoder, head } = this.#parts;
    const hidden = encode(encoder, inputs, this.config, hooks);
    return { hidden, scores: head?.scores(hidden, hooks) };
  }

  /** What the first layer is given, [batch, tokens, hidden]; the caller disposes of it. */
  embed(inputs: BertInputs, hooks?: Hooks): tf.Tensor {
    return tf.tidy(() => embed(this.#parts.encoder.embeddings, inputs, this.config, hooks));
  }

  /**
   * What one layer gives, [batch, tokens, hidden]; the caller disposes of it.
   * @param at which layer, from 0
   * @param x what the one before it gave, or `embed`
   * @throws RangeError where there is no such layer
   */
  layer(at: number, x: tf.Tensor, inputs: BertInputs, hooks?: Hooks): tf.Tensor {
    const { encoder } = this.#parts;
    const layer = encoder.layers[at];
    if (!layer) throw new RangeError(`layer is ${at}; the model has ${encoder.layers.length}, counted from 0`);
    return tf.tidy(() => layer(x, { ...metBy(encoder, inputs, hooks), layer: at }));
  }

  /**
   * A weight's values as the checkpoint has them.
   * @param values those of the variable, if absent
   * @throws RangeError where there is none of that name
   */
  exported(name: string, values?: Float32Array): HostTensor {
    const stored = this.#store.named.get(name);
    if (!stored) throw new RangeError(`the model has no weight '${name}'`);
    const { tensor } = stored;
    const own = values ?? (tensor.dataSync() as Float32Array);
    if (!stored.turned) return { shape: tensor.shape, values: own };
    const [rows, cols] = tensor.shape as [number, number];
    return { shape: [cols, rows], values: turned(own, rows, cols) };
  }

  /** Disposes of the weights. */
  dispose(): void {
    this.#store.dispose();
  }
}

/**
 * Loads a checkpoint of BERT, RoBERTa, ELECTRA or DistilBERT as variables of the active backend.
 * @throws ModelFileError as `bertFromFiles` does, and of another family by its name
 *
 * @example
 * ```js
 * const model = await trainableBert(read, 'models/sst2');
 * const { value, grads } = tf.variableGrads(() => lossOf(model.compute(inputs)), [...model.weights.values()]);
 * ```
 */
export async function trainableBert(read: ReadFile, where: string, options: LoadOptions = {}): Promise<TrainableBert> {
  const stem = `bert-${models++}`;
  let made = 0;
  // The engine wants a name of each variable that no other has
  const variable = (values: Float32Array, shape: number[]) =>
    tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32'), true, `${stem}/${made++}`));
  const store = new TensorStore(variable, true);
  const { config, tokenizer, parts } = await partsFromFiles(read, where, options, store);
  if (!familyOf(config.family).hooked) {
    store.dispose();
    throw new ModelFileError(
      `${where}/config.json`,
      `model_type '${config.family}' is not trained here; ${TRAINED} are`,
    );
  }
  return new TrainableBert(config, tokenizer, parts, store);
}

const TRAINED = 'bert, roberta, xlm-roberta, electra and distilbert';
