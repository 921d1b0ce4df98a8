/** Operands of attention for tests: sizes, made-up tensors, and a mask of zeros and ones. */
import * as tf from '@tensorflow/tfjs-core';

export const [BATCH, HEADS, TOKENS, SIZE] = [2, 2, 12, 8];

export const made = (shape: number[], size: number, seed: number) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => size * Math.sin(seed + 1.3 * i * i)),
    shape,
  );

/** Of the second sentence three tokens are padding. */
export const mask = () =>
  tf.tensor(
    Float32Array.from({ length: BATCH * TOKENS }, (_, i) => (i >= BATCH * TOKENS - 3 ? 0 : 1)),
    [BATCH, 1, 1, TOKENS],
  );
