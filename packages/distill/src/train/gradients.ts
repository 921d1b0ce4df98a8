/** What one part of a batch says of the weights: its losses, and their gradients. */
import {
  type AttentionFunction,
  type Hooks,
  normalize as normalizeBy,
  type TrainableBert,
} from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import type { Batch } from './batches.js';
import { crossEntropy, divergence, excess, layerError, squaredError } from './losses.js';
import type { Stage } from './stages.js';

/** What layers gave: hidden states, the embeddings' first, and what came out of attention. */
interface LayerOutputs {
  hidden: tf.Tensor[];
  attention: tf.Tensor[];
}

export interface LossSettings {
  temperature: number;
  cap: number;
  capWeight: number;
  freezeWords: boolean;
}

/** The table of words, which `freezeWords` leaves as it is. */
const WORDS = /(^|\.)embeddings\.word_embeddings\.weight$/;

/** A model while it is in a stage: which layers have the student's attention and which norms are affine. */
export function stageHooks(model: TrainableBert, stage: Stage): Hooks {
  const { attention, layerNorm } = model.config;
  const functionOf = (layer: number): AttentionFunction =>
    layer >= stage.attentionFrom ? attention.function : 'softmax';
  const { epsilon } = model.config;
  return {
    attention: functionOf,
    ...(layerNorm === 'affine' && {
      normalize: (x, norm, at) => normalizeBy(x, { ...norm, epsilon: at >= stage.affineFrom ? undefined : epsilon }),
    }),
  };
}

/** Looks at what layers give, beside what `hooks` do. */
function watching(hooks: Hooks, into: LayerOutputs, argument?: (layer: number, x: tf.Tensor) => void): Hooks {
  return {
    ...hooks,
    seen(what, layer, x) {
      if (what === 'hidden' || what === 'attention') into[what].push(x);
      if (what === 'argument') argument?.(layer, x);
    },
  };
}

/** What a teacher makes of a batch; the caller disposes of it. */
export interface Taught extends LayerOutputs {
  scores: tf.Tensor | undefined;
}

/** @param layers are its layers' outputs wanted too? */
export function taught(teacher: TrainableBert, batch: Batch, layers: boolean): Taught {
  return tf.tidy(() => {
    const seen: LayerOutputs = { hidden: [], attention: [] };
    const { scores } = teacher.compute(batch.inputs, layers ? watching({}, seen) : {});
    return { ...seen, scores };
  });
}

/**
 * Is given a weight's gradient. It may read the array until it returns, and not write to it: a backend can share it
 * among tensors.
 */
export type TakeGradient = (name: string, gradient: Float32Array) => void;

/** Losses by name, their sum as `total`. */
export type LossParts = Record<string, number>;

/**
 * The losses of a part of a batch; their gradients are given to `take` by the weights' names.
 * @param theirs what the teacher makes of it, where the stage asks for it
 */
export function gradientsOf(
  model: TrainableBert,
  batch: Batch,
  stage: Stage,
  hooks: Hooks,
  theirs: Taught | undefined,
  settings: LossSettings,
  take: TakeGradient,
): LossParts {
  const parts: LossParts = {};
  const learnt = [...model.weights].filter(([name]) => !(settings.freezeWords && WORDS.test(name)));
  const variables = learnt.map(([, variable]) => variable);
  const { value, grads } = tf.variableGrads(
    () => lossOf(model, batch, stage, hooks, theirs, settings, parts),
    variables,
  );
  parts.total = value.dataSync()[0]!;
  value.dispose();
  // One after another, for the arrays of all of them are as large as the model
  for (const [name, variable] of learnt) {
    const gradient = grads[variable.name];
    if (gradient) take(name, gradient.dataSync() as Float32Array);
  }
  tf.dispose(grads);
  return parts;
}

function lossOf(
  model: TrainableBert,
  batch: Batch,
  stage: Stage,
  hooks: Hooks,
  theirs: Taught | undefined,
  { temperature, cap, capWeight }: LossSettings,
  parts: LossParts,
): tf.Scalar {
  const losses: tf.Scalar[] = [];
  const add = (name: string, weight: number, loss: tf.Scalar) => {
    parts[name] = loss.dataSync()[0]!;
    losses.push(tf.mul(loss, tf.scalar(weight)));
  };
  const above: tf.Scalar[] = [];
  const squared = model.config.attention.function === '2quad';
  const argument = (layer: number, x: tf.Tensor) => {
    if (cap > 0 && capWeight > 0 && layer >= stage.attentionFrom && model.config.attention.function !== 'softmax')
      above.push(excess(squared ? tf.abs(x) : x, cap));
  };
  const own: LayerOutputs = { hidden: [], attention: [] };
  const { scores } = model.compute(batch.inputs, watching(hooks, own, argument));
  const weights = stage.losses;
  const mask = tf.cast(batch.inputs.attentionMask, 'float32');
  for (const what of ['hidden', 'attention'] as const) {
    if (weights[what] === 0) continue;
    const each = own[what].map((x, i) => layerError(x, theirs![what][i]!, mask));
    add(what, weights[what], mean(each));
  }
  if (weights.logits > 0) {
    const [ours, given] = [scores as tf.Tensor2D, theirs!.scores as tf.Tensor2D];
    const loss =
      ours.shape[1] === 1
        ? squaredError(ours, tf.reshape(given, [-1]) as tf.Tensor1D)
        : divergence(ours, given, temperature);
    add('logits', weights.logits, loss);
  }
  if (weights.task > 0) {
    const ours = scores as tf.Tensor2D;
    add(
      'task',
      weights.task,
      ours.shape[1] === 1 ? squaredError(ours, batch.labels) : crossEntropy(ours, batch.labels),
    );
  }
  if (above.length > 0) add('cap', capWeight, mean(above));
  return losses.reduce((a, b) => tf.add(a, b) as tf.Scalar);
}

function mean(values: tf.Scalar[]): tf.Scalar {
  return tf.mul(tf.addN(values), tf.scalar(1 / values.length)) as tf.Scalar;
}
