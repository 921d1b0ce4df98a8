import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { UnsupportedKernelError } from '../src/index.js';
import { difference, sample } from './harness.js';

const x = () => tf.tensor2d(sample(24, -3, 3), [4, 6]);
const y = () => tf.tensor2d(sample(24, -3, 3, 5), [4, 6]);
const halves = () => tf.tensor2d([-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 7, -7, 0.25, -0.25, 100.75], [2, 6]);
const positive = () => tf.tensor2d(sample(12, 0.01, 900, 3), [3, 4]);
const away = () => tf.tensor2d([-3, 0.5, -0.25, 8, 100, -700], [2, 3]);
const bits = () => tf.greater(x(), 0);
const number = (t: tf.Tensor) => tf.cast(t, 'float32');

/** Every kernel of the elementwise and reduction family: what it is, and the largest difference from 'cpu'. */
const cases: Record<string, [() => tf.Tensor, number]> = {
  'sigmoid, softplus': [() => tf.add(tf.sigmoid(x()), tf.softplus(y())), 1e-4],
  'silu, as models write it': [
    () => {
      const v = x();
      return tf.mul(v, tf.sigmoid(v));
    },
    1e-4,
  ],
  'elu, selu': [() => tf.add(tf.elu(x()), tf.selu(y())), 1e-4],
  'relu6, leakyRelu, prelu': [
    () =>
      tf.add(
        tf.add(tf.relu6(tf.mul(x(), 4)), tf.leakyRelu(x(), 0.3)),
        tf.prelu(x(), tf.tensor2d([0.1, 0.2, 0.3, -0.4, 0.5, 0], [1, 6])),
      ),
    2e-4,
  ],
  'exp, expm1': [() => tf.add(tf.exp(x()), tf.expm1(y())), 2e-4],
  'exp far below 0': [() => tf.exp(tf.tensor1d([-12000, -40, -16, -8, 0, 5.5])), 1e-3],
  'log, log1p': [() => tf.add(tf.log(positive()), tf.log1p(positive())), 2e-3],
  'sqrt at 0': [() => tf.sqrt(tf.tensor1d([0, 2 ** -14, 0.25, 4, 10000])), 1e-4],
  'reciprocal and division, either sign': [
    () => tf.add(tf.reciprocal(away()), tf.div(tf.tensor1d([1, -2, 3]), away())),
    1e-3,
  ],
  'floor, ceil, round, halves to even': [
    () => tf.stack([tf.floor(halves()), tf.ceil(halves()), tf.round(halves())]),
    0,
  ],
  'sign, abs, step': [() => tf.stack([tf.sign(halves()), tf.abs(halves()), tf.step(halves())]), 0],
  'step with a slope': [() => tf.step(halves(), 0.5), 1e-4],
  clipByValue: [() => tf.clipByValue(x(), -1.25, 2), 1e-4],
  'min over axes, argMin': [() => tf.add(tf.min(x(), 1), number(tf.argMin(x(), 1))), 1e-4],
  'equal and notEqual, with a number and with a tensor': [
    () => tf.stack([tf.equal(halves(), 0.5), tf.notEqual(halves(), tf.tensor1d([0, -1.5, 1, 7, -7, 3]))].map(number)),
    0,
  ],
  'greaterEqual, less, lessEqual, greater of equal values': [
    () =>
      tf.stack(
        [
          tf.greaterEqual(halves(), 0.5),
          tf.less(halves(), 0.5),
          tf.lessEqual(halves(), 0.5),
          tf.greater(halves(), 0.5),
        ].map(number),
      ),
    0,
  ],
  'logical and, or, not, xor': [
    () =>
      tf.stack(
        [
          tf.logicalAnd(bits(), tf.less(y(), 1)),
          tf.logicalOr(bits(), tf.less(y(), 1)),
          tf.logicalNot(bits()),
          tf.logicalXor(bits(), tf.less(y(), 1)),
        ].map(number),
      ),
    0,
  ],
  'all and any': [() => tf.add(number(tf.all(bits(), 1)), number(tf.any(bits(), 1))), 0],
  'where, of secrets and of local bits': [
    () =>
      tf.add(
        tf.where(bits(), x(), y()),
        tf.where(tf.tensor2d([1, 0, 1, 0, 1, 0], [1, 6], 'bool').tile([4, 1]), x(), y()),
      ),
    1e-4,
  ],
  'pow: 0, negative, half': [
    () => {
      const v = tf.add(positive(), 0.5);
      return tf.addN([tf.pow(v, 0), tf.pow(v, -1), tf.pow(v, 0.5), tf.pow(v, -0.5)]);
    },
    1e-3,
  ],
  'cumsum along each axis, exclusive and reverse': [
    () => tf.add(tf.cumsum(x(), 0, true), tf.cumsum(y(), 1, false, true)),
    1e-4,
  ],
  'topk: values': [() => tf.topk(x(), 3).values, 1e-4],
  'topk: indices, ties to the lower': [() => tf.topk(tf.tensor2d([1, 3, 3, 2, 3, 0], [1, 6]), 4).indices, 0],
  logSoftmax: [() => tf.logSoftmax(x()), 2e-4],
  'softmax written out': [
    () => {
      const e = tf.exp(tf.sub(x(), tf.max(x(), -1, true)));
      return tf.div(e, tf.sum(e, -1, true));
    },
    1e-4,
  ],
  logSumExp: [() => tf.logSumExp(x(), 1), 3e-4],
  norm: [() => tf.norm(x(), 2, 1), 1e-3],
  'fused matMul: activations': [
    () => {
      const w = tf.tensor2d(sample(12, -1, 1, 9), [6, 2]);
      const fused = (activation: tf.fused.Activation) =>
        tf.fused.matMul({ a: x(), b: w, transposeA: false, transposeB: false, activation, leakyreluAlpha: 0.1 });
      return tf.concat((['sigmoid', 'elu', 'relu6', 'leakyrelu'] as const).map(fused), 1);
    },
    1e-3,
  ],
  'a function of a function of small values': [() => tf.tanh(tf.sigmoid(tf.tanh(x()))), 3e-4],
  'a function of bits and of whole numbers': [
    () => tf.tanh(number(tf.add(number(bits()), number(tf.argMax(x(), 1)).reshape([4, 1])))),
    1e-4,
  ],
};

for (const [name, [f, bar]] of Object.entries(cases)) {
  test.serial(name, async (t) => {
    const worst = await difference(f);
    t.true(worst <= bar, `off by ${worst}, expected ${bar}`);
  });
}

test.serial('what has no protocol says so by name, when it is called', (t) => {
  t.throws(() => tf.pow(x(), 2.5), { instanceOf: UnsupportedKernelError, message: /whole and from −16 to 16/ });
  t.throws(() => tf.topk(tf.tensor1d(sample(100, 0, 1)), 65), {
    instanceOf: UnsupportedKernelError,
    message: /at most 64/,
  });
});
