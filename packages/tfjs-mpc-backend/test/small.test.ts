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
  return { off: want.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i]!) / Math.max(1, Math.abs(v))), 0), got, want };
}

const unit = 2 ** -16;
/** Whole multiples of the last place, so that what is measured is the function. */
const small = (n: number, size: number, seed = 1) => tf.tensor1d(sample(n, -size, size, seed).map((v) => Math.round(v / unit) * unit));
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
  norm: () => tf.norm(tf.concat([rows(2e-3), rows(0.1), rows(50)]), 2, 1).mul(100),
  'variance and 1e-12': () => tf.rsqrt(tf.moments(tf.fill([8], 0.3)).variance.add(1e-12)),
  'variance and 1e-5': () => tf.rsqrt(tf.moments(rows(0.01), 1).variance.add(1e-5)),
  'a norm over other axes': () => {
    const x = tf.reshape(rows(0.03, 5), [2, 4, 3]);
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
