import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { asPublic, UnsupportedKernelError } from '../src/index.js';
import { difference, protocols, sample } from './harness.js';

const x = () => tf.tensor2d(sample(24, -3, 3), [4, 6]);
const y = () => tf.tensor2d(sample(24, -3, 3, 5), [4, 6]);
const halves = () => tf.tensor2d([-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 7, -7, 0.25, -0.25, 100.75], [2, 6]);
const positive = () => tf.tensor2d(sample(12, 0.01, 900, 3), [3, 4]);
const away = () => tf.tensor2d([-3, 0.5, -0.25, 8, 100, -700], [2, 3]);
const bits = () => tf.greater(x(), 0);
/** Values that shares hold as they are, in steps of 2^−16, from one of these to 2^14: signs and sizes evenly. */
const encoded = (n: number, seed: number) => {
  const sizes = sample(n, -16, 14, seed);
  return sample(n, -1, 1, seed + 1).map((v, i) => (Math.sign(v) * Math.round(2 ** (sizes[i]! + 16))) / 2 ** 16);
};
/** The largest float32 of the domain. */
const most = 2 ** 14 - 2 ** -10;
/** Each of these beside each: axes, diagonals, and both ends of the domain. */
const corners = [-most, -1, -(2 ** -16), 0, 2 ** -16, 1, most];
/** Beside 'cpu' too, where nothing is private. */
const open = (t: tf.Tensor) => (tf.getBackend() === 'secformer' ? asPublic(t) : t);
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
  'atan2 all around, from steps of 2^-16 to 2^14': [
    () => tf.atan2(tf.tensor1d(encoded(4000, 11)), tf.tensor1d(encoded(4000, 21))),
    7e-5,
  ],
  'atan2 near the diagonals, where quarters meet': [
    () => {
      const v = tf.tensor1d(sample(4000, 0.5, 3)).mul(tf.sign(tf.tensor1d(sample(4000, -1, 1, 7))));
      return tf.atan2(
        tf.add(v, tf.tensor1d(sample(4000, -1, 1, 9)).mul(1e-3)),
        tf.concat([v, tf.neg(v)]).slice(0, 4000),
      );
    },
    2e-4,
  ],
  'atan2 on the axes and diagonals, and 0 at 0': [
    () => tf.atan2(tf.tensor2d(corners, [7, 1]), tf.tensor2d(corners, [1, 7])),
    7e-5,
  ],
  'atan2 of zeros alone': [() => tf.atan2(tf.zeros([2, 2]), tf.zeros([2, 1])), 0],
  'atan2 with public numbers on either side': [
    () => tf.stack([0, 1, -1, 0.001, -16000].flatMap((c) => [tf.atan2(x(), c), tf.atan2(c, x())])),
    2e-4,
  ],
  'atan2 with a public tensor on either side': [
    () => {
      const row = () => open(tf.tensor1d([0, -2, 3, 0.5, -0.25, 100]));
      return tf.stack([tf.atan2(x(), row()), tf.atan2(row(), x())]);
    },
    1e-4,
  ],
  'atan2 with local numbers on either side': [
    () => {
      const row = () => number(tf.tensor1d([0, -2, 3, 1, -1, 100], 'int32'));
      return tf.stack([tf.atan2(x(), row()), tf.atan2(row(), x())]);
    },
    1e-4,
  ],
  'atan2 of whole numbers and of bits keeps their type': [
    () => {
      const places = (v: tf.Tensor) => tf.argMax(v, 1);
      return tf.concat([tf.atan2(places(x()), places(y())), tf.atan2(bits(), tf.less(y(), 1)).toInt().reshape([-1])]);
    },
    0,
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

test.serial('atan2 of products stays within ±π however small they are', async (t) => {
  const tiny = (seed: number) => tf.tensor1d(sample(5000, -0.01, 0.01, seed));
  const angles = tf.atan2(tf.mul(tiny(1), tiny(2)), tf.mul(tiny(3), tiny(4)));
  const largest = Array.from(await angles.data()).reduce((worst, v) => Math.max(worst, Math.abs(v)), 0);
  t.true(largest <= Math.PI + 7e-5, `${largest}`);
});

test.serial("atan2 of something of the caller's own and of what the nodes have", async (t) => {
  protocols({ fold: true });
  const product = () => tf.matMul(x(), y(), false, true);
  const own = () => tf.tensor1d([-3, 0, 0.5, 2]);
  t.true((await difference(() => tf.stack([tf.atan2(own(), product()), tf.atan2(product(), own())]))) <= 2e-4);
  protocols();
});

test.serial('atan2 beyond its domain is refused', async (t) => {
  const far = () => tf.mul(tf.tensor1d([256, -256]), tf.tensor1d([120, 120]));
  await t.throwsAsync(() => tf.atan2(far(), tf.tensor1d([1, 1])).data(), { code: 'RANGE_LEFT' });
  await t.throwsAsync(() => tf.atan2(tf.tensor1d([1, 1]), far()).data(), { code: 'RANGE_LEFT' });
  for (const c of [1e9, Number.POSITIVE_INFINITY, Number.NaN])
    await t.throwsAsync(() => tf.atan2(tf.tensor1d([1, 1]), c).data(), { code: 'VALUE_OUT_OF_RANGE' });
});

test.serial('what has no protocol says so by name, when it is called', (t) => {
  t.throws(() => tf.pow(x(), 2.5), { instanceOf: UnsupportedKernelError, message: /whole and from −16 to 16/ });
  t.throws(() => tf.topk(tf.tensor1d(sample(100, 0, 1)), 65), {
    instanceOf: UnsupportedKernelError,
    message: /at most 64/,
  });
});
