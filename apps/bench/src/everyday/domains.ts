/**
 * What leaves a protocol's domain, or has no finite answer: of own values the client knows it, of a model's the parties
 * say so.
 */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { type Answer, computed, normal, type Program, programs, refused } from './program.js';

type Of = (x: (values: number[]) => Tensor) => Answer;

/** Of the caller's own values, which have to come out right; and of what was computed, which may be refused. */
function bothWays(topic: string, forms: Readonly<Record<string, Of>>): Program[] {
  return Object.entries(forms).flatMap(([name, f]) =>
    programs(topic, {
      [`${name}, own`]: () => f((values) => tf.tensor1d(values)),
      [`${name}, computed`]: refused('RANGE_LEFT', () => f((values) => computed(tf.tensor1d(values)))),
    }),
  );
}

const layerNorm = (x: Tensor, epsilon: number): Tensor => {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(epsilon).rsqrt());
};

export const domains: Program[] = [
  ...bothWays('softmax domain', {
    'softmax of 1500, 0, −1500': (x) => tf.softmax(x([1500, 0, -1500])),
    'softmax of 3000, 2999, −3000': (x) => tf.softmax(x([3000, 2999, -3000])),
    'logSoftmax of 1500, 0, −1500': (x) => tf.logSoftmax(x([1500, 0, -1500])),
    'logSumExp of 1500, 0, −1500': (x) => tf.logSumExp(x([1500, 0, -1500])),
    'softmax of 900, 0, −50': (x) => tf.softmax(x([900, 0, -50])),
    'softmax over a temperature of 0.001': (x) => tf.softmax(x([1, 2, 3]).div(0.001)),
    'sigmoid of ±3000': (x) => tf.sigmoid(x([3000, -3000, 0])),
    'tanh of ±3000': (x) => tf.tanh(x([3000, -3000, 0])),
    'elu of −3000': (x) => tf.elu(x([-3000, -1, 2])),
    'softplus of ±200': (x) => tf.softplus(x([200, -200, 0])),
  }),
  ...bothWays('no finite answer', {
    '1/0': (x) => tf.div(1, x([0, 1])),
    '1/1e-5': (x) => tf.div(1, x([1e-5, 1])),
    '0/0': (x) => x([0, 1]).div(x([0, 1])),
    'divNoNan by 0': (x) => tf.divNoNan(x([3, 1]), x([0, 2])),
    reciprocal: (x) => tf.reciprocal(x([0, 2])),
    'log 0': (x) => tf.log(x([0, 1])),
    'log −1': (x) => tf.log(x([-1, 1])),
    'log1p −1': (x) => tf.log1p(x([-1, 1])),
    '√−1': (x) => tf.sqrt(x([-1, 1])),
    'rsqrt 0': (x) => tf.rsqrt(x([0, 1])),
    'exp 12': (x) => tf.exp(x([12, 1])),
    'exp 100': (x) => tf.exp(x([100, 1])),
    'expm1 15': (x) => tf.expm1(x([15, 1])),
    'square of 300': (x) => tf.square(x([300, 1])),
    'cube of 50': (x) => tf.pow(x([50, 1]), 3),
    'product of 200 and 200': (x) => x([200, 1]).mul(x([200, 1])),
    'sum of 10,000 twice': (x) => x([10000, 10000]).sum(),
    'mean of what sums beyond the range': (x) => x([10000, 12000, 16000]).mean(),
    'variance 10^6': (x) => layerNorm(x([-1000, 0, 1000, 2000]).reshape([1, 4]), 1e-5),
    'variance 10^5': (x) => layerNorm(x([-400, 0, 400, 100]).reshape([1, 4]), 1e-5),
    'norm of 300, 400': (x) => tf.norm(x([300, 400])),
    'acos of 2': (x) => tf.acos(x([2, 0.5])),
    'isNaN after 0/0': (x) => tf.isNaN(x([0, 1]).div(x([0, 1]))),
  }),
  ...programs('no finite answer', {
    'isNaN of own values': () => tf.isNaN(tf.tensor1d([1, NaN, Infinity])),
    'isFinite of own values': () => tf.isFinite(tf.tensor1d([1, NaN, Infinity])),
    'isInf of own values': () => tf.isInf(tf.tensor1d([1, NaN, -Infinity])),
    'own NaN replaced, then a product': () => {
      const x = tf.tensor2d([[1, NaN, 3]]);
      return tf.where(tf.isNaN(x), tf.zerosLike(x), x).matMul(normal([3, 2], 4) as never);
    },
    'own Infinity clipped, then a product': () =>
      tf.clipByValue(tf.tensor2d([[1, Infinity, -Infinity]]), -5, 5).matMul(normal([3, 2], 4) as never),
    'own NaN replaced by the mean of the others': () => {
      const x = tf.tensor1d([1, NaN, 3]);
      const known = tf.logicalNot(tf.isNaN(x));
      const mean = tf.where(known, x, 0).sum().div(known.toFloat().sum());
      return computed(tf.where(known, x, mean));
    },
    'clipped from below alone': () => tf.clipByValue(computed(tf.tensor1d([-2, 0, 3])), 0, Infinity),
    'clipped from above alone': () => tf.clipByValue(computed(tf.tensor1d([-2, 0, 3])), -Infinity, 1),
    'largest of it and −Infinity': () => tf.maximum(computed(tf.tensor1d([-2, 0, 3])), -Infinity),
    'smallest of it and the largest float': () => tf.minimum(computed(tf.tensor1d([-2, 0, 3])), 3.4028234663852886e38),
    'relu6 as minimum of a maximum': () => tf.minimum(tf.maximum(computed(tf.tensor1d([-2, 3, 8])), 0), 6),
    'isNaN of what was computed': () => tf.isNaN(computed(tf.tensor1d([1, 2]))),
    'own NaN read back': () => tf.tensor1d([1, NaN]).add(1),
    'own Infinity compared': () => tf.tensor1d([1, Infinity, -Infinity]).greater(0),
    'a LayerNorm in range, in a model': () => layerNorm(normal([4, 8], 1).matMul(normal([8, 16], 2) as never), 1e-5),
    'exp in range, in a model': () =>
      normal([4, 8], 1)
        .matMul(normal([8, 4], 2, 0.5) as never)
        .exp(),
  }),
];
