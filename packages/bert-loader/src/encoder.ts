/** The encoder that the families share: embeddings, then layer upon layer. */
import * as tf from '@tensorflow/tfjs-core';
import { type AttentionWeights, attend, type Scores } from './attention.js';
import { activate, type Dense, dense, type Norm, normalize } from './blocks.js';
import type { BertConfig } from './config.js';
import type { BertInputs } from './inputs.js';

export interface Embeddings {
  /** [vocabulary, embedding] */
  words: tf.Tensor;
  positions: tf.Tensor;
  /** undefined: the family has no token types */
  types: tf.Tensor | undefined;
  norm: Norm;
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
  /** what is added to the attention scores of `length` tokens, [1, heads, length, length]: MPNet */
  bias?: (length: number) => tf.Tensor;
}

export interface LayerWeights extends AttentionWeights {
  output: Dense;
  norm1: Norm;
  up: Dense;
  down: Dense;
  norm2: Norm;
}

/** A layer of BERT: attention and two dense layers, each with what came in added and normalized. */
export function plainLayer(w: LayerWeights, c: BertConfig): Layer {
  return (x, scores) => {
    const merged = attend({ query: x, key: x, value: x }, w, c, scores);
    const a = normalize(tf.add(dense(merged, w.output), x), w.norm1);
    const up = activate(dense(a, w.up), c.activation);
    return normalize(tf.add(dense(up, w.down), a), w.norm2);
  };
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

function embed(e: Embeddings, { inputIds, tokenTypeIds }: BertInputs, c: BertConfig): tf.Tensor {
  let words: tf.Tensor = tf.gather(e.words, inputIds);
  if (e.transform) words = e.transform(words);
  let x: tf.Tensor = tf.add(words, positionsOf(inputIds, e.positions, c));
  // Of a single type, every token is
  if (e.types) x = tf.add(x, c.types === 1 ? e.types : tf.gather(e.types, tokenTypeIds));
  x = normalize(x, e.norm);
  return e.project ? dense(x, e.project) : x;
}

/** Last hidden states, [batch, tokens, hidden]. */
export function encode({ embeddings, layers, bias }: Encoder, inputs: BertInputs, c: BertConfig): tf.Tensor3D {
  const [batch, length] = inputs.inputIds.shape;
  let x = embed(embeddings, inputs, c);
  const scores: Scores = {
    mask: tf.reshape(tf.cast(inputs.attentionMask, 'float32'), [batch, 1, 1, length]),
    bias: bias?.(length),
  };
  for (const layer of layers) x = layer(x, scores);
  return x as tf.Tensor3D;
}
