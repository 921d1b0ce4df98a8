/** A sentence's embedding from the states of its tokens, as sentence-transformers pools them. */
import * as tf from '@tensorflow/tfjs-core';
import { MASKED, ofPadding } from './attention-weights.js';
import { firstToken } from './blocks.js';
import { kindOf } from './describe.js';

/** Every pooling, in the order in which several are put side by side. */
export const POOLINGS = ['cls', 'max', 'mean', 'mean_sqrt_len'] as const;

/** The first token's state; without padding, the greatest, the mean, or the sum over the root of how many there are. */
export type Pooling = (typeof POOLINGS)[number];

/** @throws TypeError, for what is no text; RangeError, for one that is no pooling */
export function checkPooling(pooling: unknown): asserts pooling is Pooling {
  const expected = `${POOLINGS.map((p) => `'${p}'`).join(', ')} are known`;
  if (typeof pooling !== 'string') throw new TypeError(`pooling is ${kindOf(pooling)}; ${expected}`);
  if (!POOLINGS.includes(pooling as Pooling)) throw new RangeError(`pooling is '${pooling.slice(0, 40)}'; ${expected}`);
}

/**
 * Pools hidden states [batch, tokens, hidden] to [batch, hidden].
 * @param attentionMask [batch, tokens]: 1, and 0 for padding
 * @throws TypeError or RangeError where the pooling is none
 */
export function pool(hidden: tf.Tensor3D, attentionMask: tf.Tensor2D, pooling: Pooling): tf.Tensor2D {
  checkPooling(pooling);
  if (pooling === 'cls') return tf.tidy(() => firstToken(hidden));
  return tf.tidy(() => {
    const mask = tf.cast(attentionMask, 'float32');
    if (pooling === 'max') return tf.max(tf.add(hidden, ofPadding(tf.expandDims(mask, 2), MASKED)), 1);
    const count = tf.sum(mask, 1, true);
    const weights = tf.div(mask, pooling === 'mean' ? count : tf.sqrt(count));
    return tf.squeeze(tf.matMul(tf.expandDims(weights, 1), hidden), [1]);
  });
}
