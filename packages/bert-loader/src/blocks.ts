/** What encoders and heads are made of, in plain tf operations. */
import * as tf from '@tensorflow/tfjs-core';

/** A dense layer's weights. */
export interface Dense {
  /** [in, out]; checkpoints have it the other way round, but backends multiply faster by what is not transposed */
  weight: tf.Tensor;
  bias: tf.Tensor | undefined;
}

/** The weights of a norm over the last axis, [features] each. */
export interface Norm {
  gain: tf.Tensor;
  bias: tf.Tensor;
  /** what is added to the variance; undefined: gain and bias alone, MobileBERT's NoNorm */
  epsilon: number | undefined;
}

/** An activation function; `gelu_tanh` is GELU's approximation by tanh. */
export type Activation = 'gelu' | 'gelu_tanh' | 'relu' | 'tanh' | 'sigmoid' | 'identity';

/** x·W + b over the last axis: [..., in] to [..., out]. */
export function dense(x: tf.Tensor, { weight, bias }: Dense): tf.Tensor {
  const [from, to] = weight.shape as [number, number];
  let y: tf.Tensor = tf.matMul(tf.reshape(x, [-1, from]) as tf.Tensor2D, weight as tf.Tensor2D);
  if (bias) y = tf.add(y, bias);
  return tf.reshape(y, [...x.shape.slice(0, -1), to]);
}

/** Layer normalization over the last axis (Ba et al. 2016), or NoNorm (Sun et al. 2020, section 3.2). */
export function normalize(x: tf.Tensor, { gain, bias, epsilon }: Norm): tf.Tensor {
  if (epsilon === undefined) return tf.add(tf.mul(x, gain), bias);
  const mean = tf.mean(x, -1, true);
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centered), -1, true);
  const normal = tf.mul(centered, tf.rsqrt(tf.add(variance, tf.scalar(epsilon))));
  return tf.add(tf.mul(normal, gain), bias);
}

/** An activation, element by element; `gelu_tanh` is GELU's approximation by tanh (Hendrycks and Gimpel 2016). */
export function activate(x: tf.Tensor, activation: Activation): tf.Tensor {
  if (activation === 'identity') return x;
  if (activation === 'relu') return tf.relu(x);
  if (activation === 'tanh') return tf.tanh(x);
  if (activation === 'sigmoid') return tf.sigmoid(x);
  const half = tf.mul(x, tf.scalar(0.5));
  if (activation === 'gelu') return tf.mul(half, tf.add(tf.erf(tf.mul(x, tf.scalar(Math.SQRT1_2))), tf.scalar(1)));
  const cubic = tf.add(x, tf.mul(tf.mul(tf.square(x), x), tf.scalar(0.044715)));
  const inner = tf.mul(cubic, tf.scalar(Math.sqrt(2 / Math.PI)));
  return tf.mul(half, tf.add(tf.tanh(inner), tf.scalar(1)));
}

/** The first token's state, [batch, hidden], of [batch, tokens, hidden]. */
export function firstToken(hidden: tf.Tensor): tf.Tensor2D {
  return tf.squeeze(tf.slice(hidden, [0, 0, 0], [-1, 1, -1]), [1]);
}
