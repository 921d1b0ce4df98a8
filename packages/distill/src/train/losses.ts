/** Losses, each a scalar: the mean over a batch. */
import * as tf from '@tensorflow/tfjs';

/** −log p of the right class; logits [batch, classes], labels [batch], int32. */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const right = tf.cast(tf.oneHot(labels, logits.shape[1]), 'float32');
  return tf.neg(tf.mean(tf.sum(tf.mul(right, tf.logSoftmax(logits)), 1)) as tf.Scalar);
}

/** Mean square of scores [batch, 1] less labels [batch]. */
export function squaredError(scores: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  return tf.mean(tf.square(tf.sub(tf.reshape(scores, [-1]), labels)));
}

/**
 * How far a student's classes are from its teacher's (Hinton et al. 2015): Kullback–Leibler's divergence at a
 * temperature, times its square; logits [batch, classes] each.
 */
export function divergence(student: tf.Tensor2D, teacher: tf.Tensor2D, temperature: number): tf.Scalar {
  const logs = (x: tf.Tensor2D) => tf.logSoftmax(tf.mul(x, tf.scalar(1 / temperature)));
  const theirs = logs(teacher);
  const each = tf.sum(tf.mul(tf.exp(theirs), tf.sub(theirs, logs(student))), 1);
  return tf.mul(tf.mean(each), tf.scalar(temperature ** 2));
}

/**
 * Mean square of what two layers give, [batch, tokens, hidden], over the tokens that are no padding.
 * @param mask [batch, tokens], floats
 */
export function layerError(student: tf.Tensor, teacher: tf.Tensor, mask: tf.Tensor): tf.Scalar {
  const each = tf.mean(tf.square(tf.sub(student, teacher)), -1);
  return tf.div(tf.sum(tf.mul(each, mask)), tf.sum(mask));
}

/** How far values are above a bound: the mean of the squares of what they have too much. */
export function excess(x: tf.Tensor, cap: number): tf.Scalar {
  return tf.mean(tf.square(tf.relu(tf.sub(x, tf.scalar(cap)))));
}
