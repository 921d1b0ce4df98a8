import type { DropPlace } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { drawsOf } from '../random.js';

/** How much is dropped in each place, 0 to 1. */
export type DropRates = Readonly<Record<DropPlace, number>>;

/** 0, or 1/(1 − rate), of 16 bits of a draw each. */
function mask(shape: number[], rate: number, draw: () => number): tf.Tensor {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const below = Math.round(rate * 65_536);
  const kept = 65_536 / (65_536 - below);
  let bits = 0;
  for (let i = 0; i < values.length; i++) {
    bits = i % 2 === 0 ? draw() : bits >>> 16;
    values[i] = (bits & 0xffff) < below ? 0 : kept;
  }
  return tf.tensor(values, shape);
}

/**
 * Dropout for one computation, as a hook of the model: the same from the same seed and step.
 * @param part which part of the step's batch it is
 */
export function dropout(rates: DropRates, seed: number, step: number, part: number) {
  let site = 0;
  return (x: tf.Tensor, place: DropPlace): tf.Tensor => {
    const rate = rates[place];
    const draw = drawsOf(seed, 'dropout', step, part, site++);
    return rate === 0 ? x : tf.mul(x, mask(x.shape, rate, draw));
  };
}
