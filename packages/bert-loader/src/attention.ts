import * as tf from '@tensorflow/tfjs-core';
import { weigh } from './attention-weights.js';
import { type Dense, dense } from './blocks.js';
import type { BertConfig } from './config.js';
import type { Hooks } from './hooks.js';

/** Dense layers of an attention, before its output projection. */
export interface AttentionWeights {
  query: Dense;
  key: Dense;
  value: Dense;
  /** c of each head's attention function, [heads]; undefined: the configuration's */
  constants?: tf.Tensor | undefined;
}

/** What query, key and value are projected from, [batch, tokens, in]. */
export interface Attended {
  query: tf.Tensor;
  key: tf.Tensor;
  value: tf.Tensor;
}

/** What the scores of a layer meet. */
export interface Scores {
  /** [batch, 1, 1, tokens], floats: 1, and 0 for padding */
  mask: tf.Tensor;
  /** added to the scores, [1, heads, tokens, tokens]; undefined: nothing */
  bias: tf.Tensor | undefined;
  /** which layer it is, from 0 */
  layer: number;
  hooks: Hooks | undefined;
}

/**
 * Self-attention of several heads (Vaswani et al. 2017, section 3.2.2), before its output projection.
 * @returns [batch, tokens, width], `width` being what they are projected to
 */
export function attend(from: Attended, w: AttentionWeights, c: BertConfig, met: Scores): tf.Tensor {
  const { mask, layer, hooks } = met;
  const { scores, values } = scored(from, w, c, met.bias);
  const settings = hooks?.attention ? { ...c.attention, function: hooks.attention(layer) } : c.attention;
  const { weights, argument } = weigh(scores, mask, settings, w.constants);
  hooks?.seen?.('argument', layer, argument);
  hooks?.seen?.('weights', layer, weights);
  const context = joinHeads(tf.matMul(hooks?.drop?.(weights, 'attention') ?? weights, values));
  hooks?.seen?.('context', layer, context);
  return context;
}

/** What a layer's weights are made from, and what they weigh. */
export interface Scored {
  /** [batch, heads, tokens, tokens] */
  scores: tf.Tensor;
  /** [batch, heads, tokens, width/heads] */
  values: tf.Tensor;
}

/**
 * Scores of a layer's heads, before any function of them, and values.
 * @param bias is added to the scores, [1, heads, tokens, tokens]
 */
export function scored(from: Attended, w: AttentionWeights, { heads }: BertConfig, bias?: tf.Tensor): Scored {
  const width = w.query.weight.shape[1]!;
  const q = splitHeads(dense(from.query, w.query), heads);
  const k = splitHeads(dense(from.key, w.key), heads);
  const values = splitHeads(dense(from.value, w.value), heads);
  const scores = tf.mul(tf.matMul(q, k, false, true), tf.scalar(Math.sqrt(heads / width)));
  return { scores: bias ? tf.add(scores, bias) : scores, values };
}

/** Features of a layer, [batch, tokens, width], of each head: [batch, heads, tokens, width/heads]. */
export function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** What heads give, [batch, heads, tokens, width/heads], side by side: [batch, tokens, width]. */
export function joinHeads(context: tf.Tensor): tf.Tensor {
  const [batch, heads, length, each] = context.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [batch, length, heads * each]);
}
