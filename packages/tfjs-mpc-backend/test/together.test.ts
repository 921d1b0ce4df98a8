import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { prepare, share } from '../src/index.js';
import { sample } from './harness.js';

const make = () =>
  tf.matMul(tf.relu(tf.tensor2d(sample(24, -3, 3), [4, 6])), tf.tensor2d(sample(30, -2, 2, 7), [6, 5]));
let want: Float32Array;
const right = (got: ArrayLike<number>) => want.every((v, i) => Math.abs(v - got[i]!) < 1e-3);

test.before(async () => {
  await tf.setBackend('cpu');
  want = (await make().data()) as Float32Array;
  await tf.setBackend('secformer');
});

test.serial('the first calls of a program, together', async (t) => {
  const [a, b, c] = [make(), make(), make()];
  const [, prepared, data] = await Promise.all([share(a), prepare(b), c.data()]);
  t.true(right(data));
  t.true(right((await prepared.run()).values));
  t.true(right(await a.data()));
});

test.serial('share twice and a read, together', async (t) => {
  for (let i = 0; i < 5; i++) {
    const y = make();
    const [first, second, data] = await Promise.all([share(y), share(y), y.data()]);
    t.true(first >= 0 && second >= 0);
    t.true(right(data));
    y.dispose();
  }
});

test.serial('prepare beside reads of the same tensors', async (t) => {
  for (let i = 0; i < 5; i++) {
    const y = make();
    const [prepared, data, again] = await Promise.all([prepare(y), y.data(), y.data()]);
    t.true(right(data) && right(again));
    t.true(right((await prepared.run()).values));
    y.dispose();
  }
});

test.serial('data() and, a moment later, dataSync()', async (t) => {
  for (let i = 0; i < 12; i++) {
    const [y, other] = [make(), make()];
    const pending = y.data();
    await new Promise((resolve) => setTimeout(resolve, 1 + (i % 4)));
    t.true(right((i % 2 ? y : other).dataSync()));
    t.true(right(await pending));
    tf.dispose([y, other]);
  }
});
