import * as tf from '@tensorflow/tfjs-core';
import type { BertConfig } from './config.js';
import { kindOf } from './describe.js';
import { type BertTokenizer, checkLength, checkText } from './tokenizer.js';
import type { Dense, Layer, Norm, Weights } from './weights.js';

/** Token ids of a batch, all of one length; int32, so that on a private backend they stay with whoever made them. */
export interface BertInputs {
  inputIds: tf.Tensor2D;
  attentionMask: tf.Tensor2D;
  tokenTypeIds: tf.Tensor2D;
}

/** What `tokenize` makes of texts: a model's inputs, and which of the texts did not fit. */
export interface Tokenized extends BertInputs {
  /** for each text, whether its end was cut off; a single text has one entry */
  truncated: boolean[];
}

/** What is added to the scores of padding. */
const MASKED = -10000;

/**
 * A BERT-family encoder in plain tf operations: the same object runs on every backend. Methods return tensors that the caller disposes.
 */
export class BertModel {
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly #w: Weights;

  constructor(config: BertConfig, tokenizer: BertTokenizer, weights: Weights) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.#w = weights;
  }

  /** Has the checkpoint a classification head? */
  get classifies(): boolean {
    return this.#w.classifier !== undefined;
  }

  /**
   * Texts (or pairs) as inputs.
   * @param length pad or cut to this many tokens; if absent, the longest text's, at most what the model takes
   * @returns `truncated` beside the inputs: which texts are longer than that
   * @throws TypeError where a text is none; TypeError or RangeError where the length is none
   */
  tokenize(texts: string | (string | [string, string])[], length?: number): Tokenized {
    const expected = 'expected a string, or an array of at least one string or pair of strings';
    if (typeof texts !== 'string' && !(Array.isArray(texts) && texts.length > 0)) throw new TypeError(`texts is ${kindOf(texts)}; ${expected}`);
    const list = Array.isArray(texts) ? texts : [texts];
    // Not forEach, which would skip the holes of a sparse array
    for (let i = 0; i < list.length; i++) checkText(list[i], `texts[${i}]`);
    const most = this.config.positions;
    if (length !== undefined) checkLength(length, most);
    const encoded = list.map((t) => this.tokenizer.encode(t, length ?? most));
    const width = length ?? Math.max(...encoded.map((e) => e.ids.length));
    const rows = (pick: (i: number, j: number) => number) =>
      tf.tensor2d(
        Int32Array.from({ length: list.length * width }, (_, at) => pick(Math.floor(at / width), at % width)),
        [list.length, width],
        'int32',
      );
    return {
      inputIds: rows((i, j) => encoded[i]!.ids[j] ?? this.config.padToken),
      attentionMask: rows((i, j) => (j < encoded[i]!.ids.length ? 1 : 0)),
      tokenTypeIds: rows((i, j) => encoded[i]!.types[j] ?? 0),
      truncated: encoded.map((e) => e.truncated),
    };
  }

  /** Last hidden states, [batch, tokens, hidden]. */
  hiddenStates({ inputIds, attentionMask, tokenTypeIds }: BertInputs): tf.Tensor3D {
    return tf.tidy(() => {
      const w = this.#w;
      const [batch, length] = inputIds.shape;
      let x: tf.Tensor = tf.add(tf.gather(w.words, inputIds), tf.slice(w.positions, [0, 0], [length, -1]));
      if (w.types) x = tf.add(x, tf.gather(w.types, tokenTypeIds));
      x = this.#norm(x, w.norm);
      const mask = tf.reshape(tf.cast(attentionMask, 'float32'), [batch, 1, 1, length]);
      for (const layer of w.layers) x = this.#layer(x, layer, mask);
      return x as tf.Tensor3D;
    });
  }

  /** A sentence's embedding, [batch, hidden]: the mean over its tokens without padding, or the first token's state. */
  embed(inputs: BertInputs, pooling: 'mean' | 'cls' = 'mean'): tf.Tensor2D {
    return tf.tidy(() => this.pool(this.hiddenStates(inputs), inputs.attentionMask, pooling));
  }

  /** Pools hidden states. */
  pool(hidden: tf.Tensor3D, attentionMask: tf.Tensor2D, pooling: 'mean' | 'cls'): tf.Tensor2D {
    return tf.tidy(() => {
      if (pooling === 'cls') return this.#first(hidden);
      const mask = tf.cast(attentionMask, 'float32');
      const weights = tf.div(mask, tf.sum(mask, 1, true));
      return tf.squeeze(tf.matMul(tf.expandDims(weights, 1), hidden), [1]);
    });
  }

  /** Scores of the labels, [batch, labels]. */
  logits(inputs: BertInputs): tf.Tensor2D {
    const { pooler, classifier } = this.#w;
    if (!classifier) throw new Error('this checkpoint has no classification head; use embed() or hiddenStates()');
    return tf.tidy(() => {
      let x: tf.Tensor = this.#first(this.hiddenStates(inputs));
      if (pooler) {
        x = this.#dense(x, pooler);
        x = this.config.family === 'distilbert' ? tf.relu(x) : tf.tanh(x);
      }
      return this.#dense(x, classifier) as tf.Tensor2D;
    });
  }

  dispose(): void {
    for (const t of this.#w.all) t.dispose();
  }

  #first(hidden: tf.Tensor3D): tf.Tensor2D {
    return tf.squeeze(tf.slice(hidden, [0, 0, 0], [-1, 1, -1]), [1]);
  }

  #dense(x: tf.Tensor, { weight, bias }: Dense): tf.Tensor {
    const [from, to] = weight.shape as [number, number];
    const y = tf.add(tf.matMul(tf.reshape(x, [-1, from]) as tf.Tensor2D, weight as tf.Tensor2D), bias);
    return tf.reshape(y, [...x.shape.slice(0, -1), to]);
  }

  #norm(x: tf.Tensor, { gain, bias }: Norm): tf.Tensor {
    const mean = tf.mean(x, -1, true);
    const centered = tf.sub(x, mean);
    const variance = tf.mean(tf.square(centered), -1, true);
    const normal = tf.mul(centered, tf.rsqrt(tf.add(variance, tf.scalar(this.config.epsilon))));
    return tf.add(tf.mul(normal, gain), bias);
  }

  #layer(x: tf.Tensor, l: Layer, mask: tf.Tensor): tf.Tensor {
    const { heads, hidden } = this.config;
    const [batch, length] = x.shape as [number, number];
    const split = (t: tf.Tensor) => tf.transpose(tf.reshape(t, [batch, length, heads, hidden / heads]), [0, 2, 1, 3]);
    const q = split(this.#dense(x, l.query));
    const k = split(this.#dense(x, l.key));
    const v = split(this.#dense(x, l.value));
    const scores = tf.mul(tf.matMul(q, k, false, true), tf.scalar(Math.sqrt(heads / hidden)));
    const context = tf.matMul(this.#attention(scores, mask), v);
    const merged = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [batch, length, hidden]);
    const a = this.#norm(tf.add(this.#dense(merged, l.output), x), l.norm1);
    const up = this.#activation(this.#dense(a, l.up));
    return this.#norm(tf.add(this.#dense(up, l.down), a), l.norm2);
  }

  #attention(scores: tf.Tensor, mask: tf.Tensor): tf.Tensor {
    if (this.config.softmax === '2quad') {
      const squares = tf.mul(tf.square(tf.add(scores, tf.scalar(this.config.quadConstant))), mask);
      return tf.div(squares, tf.sum(squares, -1, true));
    }
    return tf.softmax(tf.add(scores, tf.mul(tf.sub(tf.scalar(1), mask), tf.scalar(MASKED))));
  }

  #activation(x: tf.Tensor): tf.Tensor {
    if (this.config.activation === 'relu') return tf.relu(x);
    const half = tf.mul(x, tf.scalar(0.5));
    if (this.config.activation === 'gelu') return tf.mul(half, tf.add(tf.erf(tf.mul(x, tf.scalar(Math.SQRT1_2))), tf.scalar(1)));
    const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), tf.scalar(0.044715))), tf.scalar(Math.sqrt(2 / Math.PI)));
    return tf.mul(half, tf.add(tf.tanh(inner), tf.scalar(1)));
  }
}
