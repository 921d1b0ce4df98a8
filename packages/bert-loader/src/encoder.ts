/** The encoder that the families share: embeddings, then layer upon layer. */
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionWeights, attend, type Scores } from './attention.js';
import { activate, type Dense, dense, type Norm, normalize } from './blocks.js';
import type { BertConfig } from './config.js';
import type { Hooks } from './hooks.js';
import type { BertInputs } from './inputs.js';

export interface Embeddings {
  /** [vocabulary, embedding] */
  words: tf.Tensor;
  positions: tf.Tensor;
  /** undefined: the family has no token types */
  types: tf.Tensor | undefined;
  /** undefined: it is in the layers */
  norm: Norm | undefined;
  /** what a word's embedding goes through before a position's is added: MobileBERT */
  transform?: (words: tf.Tensor) => tf.Tensor;
  /** from the embeddings' width to the layers': ELECTRA, ALBERT */
  project?: Dense | undefined;
}

/** One layer, from hidden states [batch, tokens, hidden] to hidden states. */
export type Layer = (x: tf.Tensor, scores: Scores) => tf.Tensor;

export interface Encoder {
  embeddings: Embeddings;
  layers: readonly Layer[];
  /** what the last layer's states go through; undefined: nothing */
  last?: Norm | undefined;
  /** what is added to the attention scores of `length` tokens, [1, heads, length, length]: MPNet */
  bias?: (length: number) => tf.Tensor;
}

export interface LayerWeights extends AttentionWeights {
  output: Dense;
  /** undefined, of either: it is in the layers around it */
  norm1: Norm | undefined;
  up: Dense;
  down: Dense;
  norm2: Norm | undefined;
}

/** A layer of BERT: attention and two dense layers, each with what came in added and normalized. */
export function plainLayer(w: LayerWeights, c: BertConfig): Layer {
  return (x, scores) => {
    const { hooks, layer } = scores;
    const after = (y: tf.Tensor, before: tf.Tensor, norm: Norm | undefined, at: number) =>
      normalized(tf.add(hooks?.drop?.(y, 'hidden') ?? y, before), norm, at, hooks);
    const attention = dense(attend({ query: x, key: x, value: x }, w, c, scores), w.output);
    hooks?.seen?.('attention', layer, attention);
    const a = after(attention, x, w.norm1, 2 * layer + 1);
    const up = activate(dense(a, w.up), c.activation);
    return after(dense(up, w.down), a, w.norm2, 2 * layer + 2);
  };
}

/** A norm, if there is one, or what stands in its place; `at` is as `Hooks` number them. */
function normalized(x: tf.Tensor, norm: Norm | undefined, at: number, hooks: Hooks | undefined): tf.Tensor {
  if (!norm) return x;
  return hooks?.normalize ? hooks.normalize(x, norm, at) : normalize(x, norm);
}

/**
 * Positions of tokens, [batch, tokens, embedding]: from the left, or, where `c.countedFrom` is a padding's id, counted
 * from the id after it over the tokens that are no padding, which itself is at its own id's place.
 */
function positionsOf(ids: tf.Tensor2D, table: tf.Tensor, c: BertConfig): tf.Tensor {
  if (c.countedFrom === undefined) return tf.slice(table, [0, 0], [ids.shape[1], -1]);
  // Integers, so that on a private backend this is computed by whoever made the ids
  const there = tf.cast(tf.notEqual(ids, tf.scalar(c.countedFrom, 'int32')), 'int32');
  const counted = tf.mul(tf.cumsum(there, 1), there);
  return tf.gather(table, tf.cast(tf.add(counted, tf.scalar(c.countedFrom, 'int32')), 'int32'));
}

/** What the first layer is given, [batch, tokens, hidden]. */
export function embed(e: Embeddings, { inputIds, tokenTypeIds }: BertInputs, c: BertConfig, hooks?: Hooks): tf.Tensor {
  let words: tf.Tensor = tf.gather(e.words, inputIds);
  if (e.transform) words = e.transform(words);
  let x: tf.Tensor = tf.add(words, positionsOf(inputIds, e.positions, c));
  // Of a single type, every token is
  if (e.types) x = tf.add(x, c.types === 1 ? e.types : tf.gather(e.types, tokenTypeIds));
  x = normalized(x, e.norm, 0, hooks);
  x = hooks?.drop?.(x, 'hidden') ?? x;
  return e.project ? dense(x, e.project) : x;
}

/** Last hidden states, [batch, tokens, hidden]. */
export function encode(encoder: Encoder, inputs: BertInputs, c: BertConfig, hooks?: Hooks): tf.Tensor3D {
  const { embeddings, layers, last } = encoder;
  let x = embed(embeddings, inputs, c, hooks);
  hooks?.seen?.('hidden', -1, x);
  const scores = metBy(encoder, inputs, hooks);
  for (const [i, layer] of layers.entries()) {
    const computed = () => layer(x, { ...scores, layer: i });
    // What a layer computes on the way goes with it, where nobody has been shown it
    x = hooks ? computed() : tf.tidy(computed);
    hooks?.seen?.('hidden', i, x);
  }
  return (last ? normalize(x, last) : x) as tf.Tensor3D;
}

/** What the scores of every layer meet. */
export function metBy({ bias }: Encoder, { attentionMask }: BertInputs, hooks?: Hooks): Omit<Scores, 'layer'> {
  const [batch, length] = attentionMask.shape;
  const mask = tf.reshape(tf.cast(attentionMask, 'float32'), [batch, 1, 1, length]);
  return { mask, bias: bias?.(length), hooks };
}
