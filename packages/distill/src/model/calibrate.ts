/** What a student's constants begin as: measured on some batches, and folded into weights that there are already. */
import type { BertInputs } from '@secformer/bert-loader';
import { type Hooks, type Norm, normalize, type TrainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import type { Draft } from './draft.js';

/** A student that is being made: its weights, whom it learns from, and how a change of a weight is shown. */
export interface InTraining {
  draft: Draft;
  student: TrainableBert;
  teacher: TrainableBert;
  /** the student's, in its variables' layout; they are changed in place */
  weights: ReadonlyMap<string, Float32Array>;
  /** gives the student a weight that has changed */
  show: (name: string) => void;
}

/** Makes the values of a layer's heads `scales` times as large, one of each head. */
export function scaleValues({ draft, student, weights, show }: InTraining, layer: number, scales: ArrayLike<number>) {
  const { heads, hidden } = student.config;
  for (const part of ['weight', 'bias']) {
    const name = `${draft.layer(layer)}attention.self.value.${part}`;
    const values = weights.get(name)!;
    // Both have the heads' features along their last axis
    for (let i = 0; i < values.length; i++)
      values[i] = values[i]! * scales[Math.floor(((i % hidden) * heads) / hidden)]!;
    show(name);
  }
}

/** The names of a norm's gain and bias, by its number as `Hooks` have it. */
export function normNames(draft: Draft, at: number): { gain: string; bias: string } {
  const layer = draft.layer(Math.floor((at - 1) / 2));
  const stem =
    at === 0
      ? 'bert.embeddings.LayerNorm'
      : `${layer}${at % 2 === 1 ? 'attention.output.LayerNorm' : 'output.LayerNorm'}`;
  return { gain: `${stem}.weight`, bias: `${stem}.bias` };
}

/** Of a norm's input: the mean over tokens of 1/σ, and of μ/σ. */
export interface NormStatistics {
  inverse: number;
  shift: number;
}

/**
 * Computes norms that are affine already as they are, those in `measured` by their batch's statistics, which it keeps,
 * and others by each token's.
 */
export function measuring(
  epsilon: number,
  mask: tf.Tensor,
  affine: (at: number) => boolean,
  measured: (at: number) => boolean,
  keep: (at: number, found: NormStatistics) => void,
): NonNullable<Hooks['normalize']> {
  return (x, norm, at) => {
    if (!measured(at)) return normalize(x, { ...norm, epsilon: affine(at) ? undefined : epsilon });
    const [mean, inverse] = ofTokens(x, epsilon);
    const rows = tf.cast(tf.expandDims(mask, 2), 'float32');
    const count = tf.sum(rows);
    const over = (t: tf.Tensor) => tf.div(tf.sum(tf.mul(t, rows)), count).dataSync()[0]!;
    const found = { inverse: over(inverse), shift: over(tf.mul(mean, inverse)) };
    keep(at, found);
    return folded(x, norm, found);
  };
}

function ofTokens(x: tf.Tensor, epsilon: number): [mean: tf.Tensor, inverse: tf.Tensor] {
  const mean = tf.mean(x, -1, true);
  const variance = tf.mean(tf.square(tf.sub(x, mean)), -1, true);
  return [mean, tf.rsqrt(tf.add(variance, tf.scalar(epsilon)))];
}

function folded(x: tf.Tensor, { gain, bias }: Norm, { inverse, shift }: NormStatistics): tf.Tensor {
  const scaled = tf.mul(x, tf.mul(gain, tf.scalar(inverse)));
  return tf.add(scaled, tf.sub(bias, tf.mul(gain, tf.scalar(shift))));
}

/**
 * The statistics of norms that are to be affine, over batches: each as it finds the ones before it affine.
 * @param affine which norms are so already
 * @param wanted which are to be
 */
export function normStatistics(
  model: TrainableBert,
  batches: readonly BertInputs[],
  affine: (at: number) => boolean,
  wanted: (at: number) => boolean,
  hooks: Hooks,
): Map<number, NormStatistics> {
  const sums = new Map<number, NormStatistics>();
  for (const inputs of batches) {
    tf.tidy(() => {
      const keep = (at: number, { inverse, shift }: NormStatistics) => {
        const sum = sums.get(at) ?? { inverse: 0, shift: 0 };
        sums.set(at, { inverse: sum.inverse + inverse, shift: sum.shift + shift });
      };
      const normalizeBy = measuring(model.config.epsilon, inputs.attentionMask, affine, wanted, keep);
      model.compute(inputs, { ...hooks, normalize: normalizeBy });
    });
  }
  const n = batches.length;
  return new Map(Array.from(sums, ([at, s]) => [at, { inverse: s.inverse / n, shift: s.shift / n }]));
}

/** γ·(x/σ − μ/σ) + β with constants for 1/σ and μ/σ, as a gain and a bias, in place. */
export function fold(gain: Float32Array, bias: Float32Array, { inverse, shift }: NormStatistics): void {
  for (let i = 0; i < gain.length; i++) {
    bias[i] = bias[i]! - gain[i]! * shift;
    gain[i] = gain[i]! * inverse;
  }
}

/**
 * What each head's weights of a row sum up to, the mean over the tokens that are no padding, [layers][heads]; the
 * scores are those of a model whose attention is still softmax.
 * @param weigh makes a layer's weights of its scores and of the mask, [batch, 1, 1, tokens]
 */
export function rowSums(
  teacher: TrainableBert,
  batches: readonly BertInputs[],
  weigh: (scores: tf.Tensor, mask: tf.Tensor, layer: number) => tf.Tensor,
): number[][] {
  const { layers, heads } = teacher.config;
  const sums = Array.from({ length: layers }, () => new Array<number>(heads).fill(0));
  for (const inputs of batches) {
    tf.tidy(() => {
      const [batch, length] = inputs.attentionMask.shape;
      const mask = tf.reshape(tf.cast(inputs.attentionMask, 'float32'), [batch, 1, 1, length]);
      const rows = tf.reshape(mask, [batch, 1, length]);
      const tokens = tf.sum(mask);
      teacher.compute(inputs, {
        seen(what, layer, scores) {
          if (what !== 'argument') return;
          const row = tf.sum(weigh(scores, mask, layer), -1);
          const mean = tf.div(tf.sum(tf.mul(row, rows), [0, 2]), tokens).dataSync();
          for (let h = 0; h < heads; h++) sums[layer]![h] = sums[layer]![h]! + mean[h]! / batches.length;
        },
      });
    });
  }
  return sums;
}
