import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { sample } from './harness.js';

/** The same function on 'cpu' and here; the largest difference, relative where values are above 1. */
async function relative(f: () => tf.Tensor): Promise<{ off: number; got: number[]; want: number[] }> {
  await tf.setBackend('cpu');
  const want = Array.from(tf.tidy(f).dataSync());
  await tf.setBackend('secformer');
  const read = tf.tidy(f);
  const got = Array.from(await read.data());
  read.dispose();
  return {
    off: want.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i]!) / Math.max(1, Math.abs(v))), 0),
    got,
    want,
  };
}

const unit = 2 ** -16;
/** Whole multiples of the last place, so that what is measured is the function. */
const small = (n: number, size: number, seed = 1) =>
  tf.tensor1d(sample(n, -size, size, seed).map((v) => Math.round(v / unit) * unit));
const rows = (size: number, seed = 1) => tf.reshape(small(24, size, seed), [3, 8]);

const cases: Record<string, () => tf.Tensor> = {
  'x over its norm or 1e-12': () => {
    const x = tf.tensor1d([66 * unit, 131 * unit, 0]);
    return x.div(tf.maximum(tf.norm(x), 1e-12));
  },
  'x over its norm, rows of all sizes': () => {
    const x = tf.concat([rows(1e-3), rows(0.1), rows(30), rows(900)]);
    return x.div(tf.norm(x, 2, 1, true));
  },
  'one over a norm, and over a sum and ε': () =>
    tf.add(tf.div(1, tf.norm(rows(0.02), 2, 1)), tf.div(3, tf.sum(tf.abs(rows(0.02)), 1).add(1e-4))),
  'x over its norm and ε': () => {
    const x = rows(0.01);
    return x.div(tf.norm(x, 2, 1, true).add(1e-7));
  },
  'x over its norm, a row of zeros': () => {
    const x = tf.concat([rows(0.01), tf.zeros([1, 8])]);
    return x.div(tf.maximum(tf.norm(x, 2, 1, true), 1e-12));
  },
  'l2Normalize as TensorFlow writes it': () => {
    const x = tf.concat([rows(0.01), rows(100), rows(900)]);
    return x.mul(tf.rsqrt(tf.maximum(tf.sum(tf.square(x), 1, true), 1e-12)));
  },
  norm: () => tf.norm(tf.concat([rows(2e-3), rows(0.1), rows(50)]), 2, 1).mul(20),
  'variance and 1e-12': () => tf.rsqrt(tf.moments(tf.tensor1d(Array(8).fill(0.25))).variance.add(1e-12)),
  'variance and 1e-5': () => tf.rsqrt(tf.moments(rows(0.01), 1).variance.add(1e-5)),
  'a norm over other axes': () => {
    const x = tf.reshape(rows(0.1, 5), [2, 4, 3]);
    const { mean, variance } = tf.moments(x, [0, 1], true);
    return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-6)));
  },
  'log of x and 1e-7': () => tf.log(tf.tensor1d([0, 1, 2, 3, 100, 65536, 6553600].map((v) => v * unit)).add(1e-7)),
  'shares of a sum and 1e-7': () => {
    const p = tf.relu(rows(0.02));
    return p.div(tf.sum(p, 1, true).add(1e-7));
  },
  'rsqrt and 1e-3': () => tf.rsqrt(tf.tensor1d([0, 66 * unit, 0.5, 40, 9000]).add(1e-3)),
  'sqrt and 1e-8': () => tf.sqrt(tf.square(tf.tensor1d([0, unit, 0.01, 3])).add(1e-8)),
  'reciprocal of a square and 1e-5': () => tf.reciprocal(tf.square(tf.tensor1d([0, 66 * unit, 0.5, 100])).add(1e-5)),
};

for (const [name, f] of Object.entries(cases)) {
  test.serial(`small values: ${name}`, async (t) => {
    const { off, got, want } = await relative(f);
    t.log(off);
    t.true(off <= 1e-3, `off by ${off}: ${got.slice(0, 8)} for ${want.slice(0, 8)}`);
  });
}

test.serial('what is no bound is none', async (t) => {
  const x = () => tf.tensor2d([[-900, -0.5, 0.25, 12_000]]);
  const f = () =>
    tf.stack([
      tf.clipByValue(x(), 0, Number.POSITIVE_INFINITY),
      tf.clipByValue(x(), Number.NEGATIVE_INFINITY, 0.125),
      tf.clipByValue(x(), -3.4e38, 3.4e38),
      tf.maximum(x(), Number.NEGATIVE_INFINITY),
      tf.minimum(x(), 3.4028234663852886e38),
      tf.maximum(x(), -1e9),
      tf.cast(tf.less(x(), Number.POSITIVE_INFINITY), 'float32'),
      tf.cast(tf.greater(x(), Number.POSITIVE_INFINITY), 'float32'),
      tf.cast(tf.lessEqual(x(), Number.NEGATIVE_INFINITY), 'float32'),
      tf.cast(tf.equal(x(), Number.POSITIVE_INFINITY), 'float32'),
    ]);
  const { off, got, want } = await relative(f);
  t.true(off <= 1e-4, `${got} for ${want}`);
});

test.serial('public numbers that leave nothing right are refused with the operation and what to do', async (t) => {
  await tf.setBackend('secformer');
  const x = tf.tensor2d([[1, 2, 3]]);
  const refused: [() => tf.Tensor, RegExp][] = [
    [() => x.add(Number.POSITIVE_INFINITY), /^add: Infinity among its public numbers.*clip it/],
    [() => tf.relu(x).mul(Number.NaN), /^mul: NaN among its public numbers/],
    [() => x.sub(3.4e38), /^sub: 3\.4e\+38 among its public numbers/],
    [() => tf.minimum(tf.matMul(x, tf.eye(3)), Number.NEGATIVE_INFINITY), /Infinity among its public numbers/],
    [() => tf.relu(x).div(0), /^div: a division by 0/],
    [() => tf.relu(x).mul(1e-20), /^mul: a factor of 1e−20; .*smaller steps/],
    [
      () => tf.softmax(tf.relu(tf.matMul(x, tf.eye(3))).mul(-1e9)),
      /^softmax: its input is multiplied by −1000000000, and it holds −1023 to 1023\. Scale or clip/,
    ],
    [
      () =>
        tf.sigmoid(
          tf
            .relu(tf.matMul(x, tf.eye(3)))
            .square()
            .mul(-1e4)
            .add(1),
        ),
      /^sigmoid: its input is multiplied by −10000/,
    ],
    [
      () =>
        tf.tanh(
          tf
            .relu(tf.matMul(x, tf.eye(3)))
            .div(1e-6)
            .neg()
            .reshape([3]),
        ),
      /^tanh: its input is divided by 0\.000001/,
    ],
  ];
  for (const [f, message] of refused) {
    const y = tf.tidy(f);
    const error = await t.throwsAsync(y.data(), { code: 'VALUE_OUT_OF_RANGE' });
    t.regex(error!.message.replace(/^client: /, ''), message);
    y.dispose();
  }
});
