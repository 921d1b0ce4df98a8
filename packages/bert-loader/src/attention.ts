import * as tf from '@tensorflow/tfjs-core';
import { type Dense, dense } from './blocks.js';
import type { BertConfig } from './config.js';

/** What is added to the scores of padding. */
export const MASKED = -10000;

export interface AttentionWeights {
  query: Dense;
  key: Dense;
  value: Dense;
}

/** What query, key and value are projected from, [batch, tokens, in]. */
export interface Attended {
  query: tf.Tensor;
  key: tf.Tensor;
  value: tf.Tensor;
}

/** What the scores of every layer meet. */
export interface Scores {
  /** [batch, 1, 1, tokens], floats: 1, and 0 for padding */
  mask: tf.Tensor;
  /** added to the scores, [1, heads, tokens, tokens]; undefined: nothing */
  bias: tf.Tensor | undefined;
}

/** Attention's weights of scores [batch, heads, tokens, tokens], by softmax or 2Quad (Li et al. 2023, MPCFormer). */
function weights(scores: tf.Tensor, mask: tf.Tensor, c: BertConfig): tf.Tensor {
  if (c.softmax === '2quad') {
    const squares = tf.mul(tf.square(tf.add(scores, tf.scalar(c.quadConstant))), mask);
    return tf.div(squares, tf.sum(squares, -1, true));
  }
  return tf.softmax(tf.add(scores, tf.mul(tf.sub(tf.scalar(1), mask), tf.scalar(MASKED))));
}

/**
 * Self-attention of several heads (Vaswani et al. 2017, section 3.2.2), before its output projection.
 * @returns [batch, tokens, width], `width` being what they are projected to
 */
export function attend(from: Attended, w: AttentionWeights, c: BertConfig, { mask, bias }: Scores): tf.Tensor {
  const { heads } = c;
  const [batch, length] = from.query.shape as [number, number];
  const width = w.query.weight.shape[1]!;
  const split = (t: tf.Tensor) => tf.transpose(tf.reshape(t, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
  const q = split(dense(from.query, w.query));
  const k = split(dense(from.key, w.key));
  const v = split(dense(from.value, w.value));
  let scores: tf.Tensor = tf.mul(tf.matMul(q, k, false, true), tf.scalar(Math.sqrt(heads / width)));
  if (bias) scores = tf.add(scores, bias);
  const context = tf.matMul(weights(scores, mask, c), v);
  return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [batch, length, width]);
}
