/** How well a model does a task. */
import type { TrainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import { type MetricName, metrics } from '../glue/metrics.js';
import { predicted } from '../glue/predicted.js';
import type { Task } from '../glue/tasks.js';
import { batchOf, countOf, disposeBatch, type EncodedExamples, lengthOf } from './batches.js';
import { crossEntropy, squaredError } from './losses.js';

/** What was measured of a model on examples. */
export interface Evaluation {
  /** the mean over the examples */
  loss: number;
  metrics: Partial<Record<MetricName, number>>;
  /** lowest and highest argument of each layer's attention function, padding left out, for ranges that have to hold */
  arguments: [least: number, most: number][];
}

/**
 * Measures a model on examples, without dropout.
 * @param settings how many examples are computed at a time, and their length at most
 * @throws DistillError TRAINING_DIVERGED where a score is no finite number: it predicts nothing
 */
export function evaluate(
  model: TrainableBert,
  examples: EncodedExamples,
  task: Task,
  settings: { batch: number; length: number },
): Evaluation {
  const count = countOf(examples);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  order.sort((a, b) => lengthOf(examples, a) - lengthOf(examples, b));
  const got = new Float64Array(count);
  const ranges = Array.from({ length: model.config.layers }, (): [number, number] => [Infinity, -Infinity]);
  let loss = 0;
  for (let at = 0; at < order.length; at += settings.batch) {
    const rows = order.subarray(at, at + settings.batch);
    const batch = batchOf(examples, rows, model.config.padToken, settings.length, task.labels ? 'int32' : 'float32');
    tf.tidy(() => {
      const keys = tf.expandDims(tf.expandDims(tf.cast(batch.inputs.attentionMask, 'bool'), 1), 1);
      const tokens = tf.logicalAnd(keys, tf.transpose(keys, [0, 1, 3, 2]));
      const { scores } = model.compute(batch.inputs, {
        seen(what, layer, x) {
          if (what !== 'argument') return;
          const range = ranges[layer]!;
          const among = (beyond: number) => tf.where(tokens, x, tf.fill(x.shape, beyond));
          range[0] = Math.min(range[0], tf.min(among(Infinity)).dataSync()[0]!);
          range[1] = Math.max(range[1], tf.max(among(-Infinity)).dataSync()[0]!);
        },
      });
      const ours = scores as tf.Tensor2D;
      const each = task.labels ? crossEntropy(ours, batch.labels) : squaredError(ours, batch.labels);
      loss += each.dataSync()[0]! * rows.length;
      predicted(ours.dataSync(), ours.shape[1]).forEach((value, i) => {
        got[rows[i]!] = value;
      });
    });
    disposeBatch(batch);
  }
  if (!Number.isFinite(loss))
    throw new DistillError(
      'TRAINING_DIVERGED',
      "scores of the development set are no finite numbers; choose a lower rate, or a cap for a student's scores",
    );
  return {
    loss: loss / count,
    metrics: Object.fromEntries(task.metrics.map((name) => [name, metrics[name](got, examples.labels)])),
    arguments: ranges,
  };
}
