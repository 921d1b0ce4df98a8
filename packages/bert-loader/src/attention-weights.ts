/**
 * Weights of attention from its scores: softmax, and functions that cost less on secret shares.
 *
 * All take padding out by a mask that is a factor or is added to the scores or to what is made of them, and what
 * depends on the mask alone, such as how many tokens there are, is computed of the mask alone: on a private backend by
 * whoever made it.
 */
import * as tf from '@tensorflow/tfjs-core';

/** What is added to the scores of padding. */
export const MASKED = -10000;

/**
 * What is added to an argument of `cgf` and `power` for a query that is padding, and again for a key that is. Rows of
 * padding are no part of the answer, but nothing was trained to keep them in the range of e^x or of a power, and a
 * protocol reports what leaves it. Beyond what an argument may be, and twice of it is within e^x's domain on shares,
 * from −16,384.
 */
const FAR = -4096;

/** Every function that attention weights are made by. */
export const ATTENTION_FUNCTIONS = ['softmax', '2quad', 'cgf', 'power'] as const;

/**
 * What makes weights of a row of scores s, of which n are no padding's:
 * - `softmax`: e^s/Σe^s
 * - `2quad`: (s + c)²/Σ(s + c)² (Li et al. 2023, MPCFormer)
 * - `cgf`: e^(s − mean − c·var)/n, softmax with the logarithm of its sum taken from the scores' mean and variance, as
 *   their cumulants have it (c = ½ where scores are normally distributed): no maximum and no division
 * - `power`: relu(s + c)^p over a number that no score has a part in
 */
export type AttentionFunction = (typeof ATTENTION_FUNCTIONS)[number];

/** Powers that `power` may raise to. */
export const ATTENTION_POWERS = [1, 2, 4] as const;

/** How attention weights are made; `attention_function` and the keys beside it in a config.json. */
export interface AttentionSettings {
  function: AttentionFunction;
  /** c, where the checkpoint's tensors have none for each head of a layer */
  constant: number;
  /** p of `power` */
  power: (typeof ATTENTION_POWERS)[number];
  /** what `power` divides by; 'tokens': how many are no padding */
  divisor: number | 'tokens';
}

/** c where a config.json names none. */
export const USUAL_CONSTANT: Readonly<Record<AttentionFunction, number>> = {
  softmax: 0,
  '2quad': 5,
  cgf: 0.5,
  power: 5,
};

/** 0 of each token, and of padding what it is put out by. */
export const ofPadding = (mask: tf.Tensor, by: number): tf.Tensor => tf.mul(tf.sub(tf.scalar(1), mask), tf.scalar(by));

/** Weights, and what the function that is no polynomial, or the last one, was given: its range has to be held. */
export interface Weighed {
  weights: tf.Tensor;
  /**
   * s + c of `2quad` and `power`, the exponent of `cgf`, s of `softmax`; [batch, heads, tokens, tokens]. What padding
   * has a part in is far below 0 of `cgf` and `power`.
   */
  argument: tf.Tensor;
}

/** 1/n of each token, and 0 of padding. */
const evenly = (mask: tf.Tensor): tf.Tensor => tf.div(mask, tf.sum(mask, -1, true));

function raised(x: tf.Tensor, power: AttentionSettings['power']): tf.Tensor {
  if (power === 1) return x;
  return power === 2 ? tf.square(x) : tf.square(tf.square(x));
}

/**
 * Weights of scores [batch, heads, tokens, tokens].
 * @param mask [batch, 1, 1, tokens], floats: 1, and 0 for padding
 * @param constants c of each head, [heads]; undefined: that of the settings
 */
export function weigh(
  scores: tf.Tensor,
  mask: tf.Tensor,
  { function: by, constant, power, divisor }: AttentionSettings,
  constants: tf.Tensor | undefined,
): Weighed {
  if (by === 'softmax') return { weights: tf.softmax(tf.add(scores, ofPadding(mask, MASKED))), argument: scores };
  const c = constants ? tf.reshape(constants, [1, -1, 1, 1]) : tf.scalar(constant);
  if (by === '2quad') {
    const argument = tf.add(scores, c);
    const squares = tf.mul(tf.square(argument), mask);
    return { weights: tf.div(squares, tf.sum(squares, -1, true)), argument };
  }
  const keys = ofPadding(mask, FAR);
  const queries = tf.transpose(keys, [0, 1, 3, 2]);
  if (by === 'cgf') {
    const even = evenly(mask);
    const centered = tf.sub(scores, tf.sum(tf.mul(scores, even), -1, true));
    const variance = tf.sum(tf.mul(tf.square(centered), even), -1, true);
    const argument = tf.add(tf.sub(centered, tf.sub(tf.mul(variance, c), queries)), keys);
    return { weights: tf.mul(tf.exp(argument), even), argument };
  }
  const argument = tf.add(tf.add(scores, tf.add(c, queries)), keys);
  const over = divisor === 'tokens' ? evenly(mask) : tf.mul(mask, tf.scalar(1 / divisor));
  return { weights: tf.mul(raised(tf.relu(argument), power), over), argument };
}
