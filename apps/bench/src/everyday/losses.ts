/** Losses and metrics of private predictions, with the caller's own labels. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, normal, type Program, programs } from './program.js';

const labels = () =>
  tf.tensor2d([
    [1, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [0, 0, 1],
  ]);
const logits = () => computed(normal([4, 3], 5));
const p = () => tf.softmax(logits());
const binary = () => tf.tensor2d([[1], [0], [0], [1]]);
const q = () => tf.sigmoid(computed(normal([4, 1], 6)));

export const losses: Program[] = programs('losses', {
  softmaxCrossEntropy: () => tf.losses.softmaxCrossEntropy(labels(), logits()),
  'softmaxCrossEntropy with label smoothing': () => tf.losses.softmaxCrossEntropy(labels(), logits(), undefined, 0.1),
  'softmaxCrossEntropy with oneHot labels': () =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d([0, 2, 1, 2], 'int32'), 3), logits()),
  'softmaxCrossEntropy with oneHot of float labels': () =>
    tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d([0, 2, 1, 2]).toInt(), 3), logits()),
  'softmaxCrossEntropy with weights': () =>
    tf.losses.softmaxCrossEntropy(labels(), logits(), tf.tensor1d([1, 0, 2, 1])),
  sigmoidCrossEntropy: () => tf.losses.sigmoidCrossEntropy(binary(), computed(normal([4, 1], 6))),
  'sigmoidCrossEntropy with label smoothing': () =>
    tf.losses.sigmoidCrossEntropy(binary(), computed(normal([4, 1], 6)), undefined, 0.1),
  logLoss: () => tf.losses.logLoss(binary(), q()),
  meanSquaredError: () => tf.losses.meanSquaredError(binary(), q()),
  absoluteDifference: () => tf.losses.absoluteDifference(binary(), q()),
  huberLoss: () => tf.losses.huberLoss(binary(), computed(normal([4, 1], 6, 3))),
  hingeLoss: () => tf.losses.hingeLoss(binary(), computed(normal([4, 1], 6))),
  cosineDistance: () => tf.losses.cosineDistance(labels(), p(), 1),
  'computeWeightedLoss with a mask of padding': () =>
    tf.losses.computeWeightedLoss(computed(normal([4, 3], 7)).square(), tf.tensor2d([[1], [1], [0], [0]])),
  'cross entropy by hand': () =>
    labels()
      .mul(tf.log(p().add(1e-7)))
      .sum(-1)
      .neg()
      .mean(),
  'cross entropy by hand, clipped': () =>
    labels()
      .mul(tf.log(tf.clipByValue(p(), 1e-7, 1 - 1e-7)))
      .sum(-1)
      .neg()
      .mean(),
  perplexity: () => tf.exp(labels().mul(tf.logSoftmax(logits())).sum(-1).neg().mean()),
  'KL divergence by hand': () => {
    const t = tf.softmax(
      tf.tensor2d([
        [1, 2, 0],
        [0, 0, 3],
        [1, 1, 1],
        [2, 0, 0],
      ]),
    );
    return t.mul(tf.log(t).sub(tf.logSoftmax(logits()))).sum();
  },
  'metrics.binaryAccuracy': () => tf.metrics.binaryAccuracy(binary(), q()),
  'metrics.binaryCrossentropy': () => tf.metrics.binaryCrossentropy(binary(), q()),
  'metrics.categoricalAccuracy': () => tf.metrics.categoricalAccuracy(labels(), p()),
  'metrics.categoricalCrossentropy': () => tf.metrics.categoricalCrossentropy(labels(), p()),
  'metrics.sparseCategoricalAccuracy': () => tf.metrics.sparseCategoricalAccuracy(tf.tensor1d([0, 2, 1, 2]), p()),
  'metrics.cosineProximity': () => tf.metrics.cosineProximity(labels(), p()),
  'metrics.meanAbsoluteError': () => tf.metrics.meanAbsoluteError(binary(), q()),
  'metrics.meanAbsolutePercentageError': () =>
    tf.metrics.meanAbsolutePercentageError(tf.tensor2d([[1], [2], [0.5], [4]]), q()),
  'metrics.meanSquaredError': () => tf.metrics.meanSquaredError(binary(), q()),
  'metrics.precision': () => tf.metrics.precision(labels(), tf.oneHot(tf.argMax(p(), 1) as never, 3).toFloat()),
  'metrics.recall': () => tf.metrics.recall(binary(), q().greater(0.5).toFloat()),
  'metrics.r2Score': () => tf.metrics.r2Score(binary(), q()),
  'accuracy by hand': () =>
    tf
      .argMax(p(), 1)
      .equal(tf.tensor1d([0, 2, 1, 2], 'int32'))
      .toFloat()
      .mean(),
  'accuracy by hand, float labels': () =>
    tf
      .argMax(p(), 1)
      .toFloat()
      .equal(tf.tensor1d([0, 2, 1, 2]))
      .toFloat()
      .mean(),
  'accuracy by argMax of both': () => tf.argMax(p(), 1).equal(tf.argMax(labels(), 1)).toFloat().mean(),
  'top-2 hits': () =>
    tf
      .topk(logits(), 2)
      .indices.equal(tf.tensor2d([[0], [2], [1], [2]], [4, 1], 'int32'))
      .any(1)
      .toFloat()
      .mean(),
  'label smoothing by hand': () => {
    const smooth = labels()
      .mul(0.9)
      .add(0.1 / 3);
    return smooth.mul(tf.logSoftmax(logits())).sum(-1).neg() as Tensor;
  },
  'triplet loss': () => {
    const [a, b, c] = [1, 2, 3].map((seed) => computed(normal([4, 6], seed)));
    return tf.relu(a!.sub(b!).square().sum(1).sub(a!.sub(c!).square().sum(1)).add(0.2)).mean();
  },
  'contrastive scores with a temperature of 0.07': () => {
    const x = computed(normal([4, 6], 1));
    const u = x.div(tf.norm(x, 2, 1, true));
    return tf.softmax(u.matMul(u, false, true).div(0.07).sub(tf.eye(4).mul(1e9)));
  },
  'inTopKAsync of own labels': () => tf.inTopKAsync(tf.tensor2d([[0.1, 0.7, 0.2]]), tf.tensor1d([1], 'int32'), 2),
});
