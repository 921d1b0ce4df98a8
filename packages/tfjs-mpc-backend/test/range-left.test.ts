import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { runtime } from '#runtime';
import { configure, lastRun, prepare, SecformerError } from '../src/index.js';
import { difference, sample } from './harness.js';

const row = (n: number, deviation: number) =>
  Float32Array.from({ length: n }, (_, i) => ((i - (n - 1) / 2) / Math.sqrt((n * n - 1) / 12)) * deviation);

const norm = (x: tf.Tensor) => {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
};

interface Model {
  model(x: tf.Tensor2D): tf.Tensor;
  /** the operation as the message names it */
  named: RegExp;
  left: Float32Array | number[];
  stays: Float32Array | number[];
}

const weights = tf.tensor2d(sample(9, -0.3, 0.3), [3, 3]);
const dense = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, weights).relu();

/** Each with something before it or after it. */
const models: Record<string, Model> = {
  'softmax of scores far apart': {
    model: (x) => dense(tf.softmax(x)),
    named: /softmax of shape \[1,3\]/,
    left: [1500, 0, -1500],
    stays: [1000, 0, -1000],
  },
  'logSoftmax of scores far apart': {
    model: (x) => tf.logSoftmax(tf.mul(x, 0.75)),
    named: /logSoftmax of shape \[1,3\]/,
    left: [4000, 0, -1500],
    stays: [1000, 0, -1000],
  },
  'LayerNorm of a variance of 10^5': {
    model: (x) => norm(tf.add(x, 1)).add(1),
    named: /layerNorm of shape \[1,300\]/,
    left: row(300, 316.3),
    stays: row(300, 100),
  },
  'LayerNorm of a variance of 10^6': {
    model: (x) => norm(x).relu(),
    named: /layerNorm of shape \[1,100\]/,
    left: row(100, 1000),
    stays: row(100, 300),
  },
  'LayerNorm of next to nothing': {
    model: (x) =>
      tf.div(
        tf.sub(x, tf.mean(x, -1, true)),
        tf.sqrt(tf.add(tf.mean(tf.square(tf.sub(x, tf.mean(x, -1, true))), -1, true), 1e-12)),
      ),
    named: /layerNorm of shape \[1,8\]/,
    left: row(8, 1e-3),
    stays: row(8, 0.3),
  },
  '1/x at 0': {
    model: (x) => dense(tf.reciprocal(tf.mul(x, 2))),
    named: /reciprocal of shape \[1,3\]/,
    left: [1, 0, 2],
    stays: [1, 0.5, -2],
  },
  '1/x just above 0': {
    model: (x) => tf.div(1, tf.add(x, 0)).square(),
    named: /div of shape \[1,3\]/,
    left: [1, 1e-5, 2],
    stays: [1, 0.5, 2],
  },
  'a division by 0': {
    model: (x) => tf.div(tf.slice(x, [0, 0], [1, 2]), tf.slice(x, [0, 1], [1, 2])),
    named: /div of shape \[1,2\]/,
    left: [0, 0, 2],
    stays: [1, 0.5, -2],
  },
  'exp beyond its domain': {
    model: (x) => tf.mul(tf.exp(tf.add(x, 1)), 0.5),
    named: /exp of shape \[1,3\]/,
    left: [1, 11, 2],
    stays: [1, 8, -20],
  },
  'log of 0': {
    model: (x) => tf.log(tf.relu(x)).add(x),
    named: /log of shape \[1,3\]/,
    left: [1, 0, 2],
    stays: [1, 0.5, 2],
  },
  'the root of a negative number': {
    model: (x) => dense(tf.sqrt(tf.mul(x, 0.5))),
    named: /sqrt of shape \[1,3\]/,
    left: [1, -1, 2],
    stays: [1, 0, 2],
  },
  'tanh far out': {
    model: (x) => tf.tanh(tf.mul(x, 100)),
    named: /tanh of shape \[1,3\]/,
    left: [1, 50, 2],
    stays: [1, 19, 2],
  },
};

/** Computed by the nodes, and not by whoever wrote it. */
const tensor = (v: Float32Array | number[]) =>
  tf.matMul(tf.tensor2d(Array.from(v), [1, v.length]), tf.eye(v.length) as tf.Tensor2D) as tf.Tensor2D;

for (const [name, { model, named, left, stays }] of Object.entries(models))
  test.serial(`reported, and not where it stays in range: ${name}`, async (t) => {
    const error = await t.throwsAsync(() => tf.tidy(() => model(tensor(left))).data(), {
      instanceOf: SecformerError,
      code: 'RANGE_LEFT',
    });
    t.regex(error!.message, named);
    t.true((await difference(() => model(tensor(stays)))) < 2e-3 * Math.max(1, ...Array.from(stays, Math.abs)));
  });

test.serial('what a selection leaves out has left no range', async (t) => {
  const x = () => tensor([-2, 0, 0.5, 20]);
  const selections: Record<string, () => tf.Tensor> = {
    divNoNan: () => tf.divNoNan(tf.add(x(), 1), x()),
    'where(x > 0, log(x), -7)': () => tf.where(tf.greater(x(), 0), tf.log(x()), tf.fill([1, 4], -7)),
    'where(x < 0, 0, sqrt(x))': () => tf.where(tf.less(x(), 0), tf.zeros([1, 4]), tf.sqrt(x())),
    'where(x < 9, exp(x), x)': () => tf.where(tf.less(x(), 9), tf.exp(x()), x()),
  };
  for (const [name, f] of Object.entries(selections)) t.true((await difference(f)) < 1e-3, name);
  // What is picked is still told
  const wrong = tf.tidy(() => tf.where(tf.greater(x(), -1), tf.log(x()), tf.zeros([1, 4])));
  await t.throwsAsync(() => wrong.data(), { code: 'RANGE_LEFT', message: /log of shape \[1,4\]/ });
});

test.serial('the first operations are named, and how many more there are', async (t) => {
  const x = tensor([-1, 0, 2000]);
  const all = tf.tidy(() => tf.addN([tf.log(x), tf.reciprocal(x), tf.sqrt(x), tf.exp(x), tf.softmax(x).mul(0)]));
  const error = await t.throwsAsync(() => all.data(), { code: 'RANGE_LEFT' });
  t.regex(error!.message, /log of shape \[1,3\].*reciprocal of shape \[1,3\].*sqrt of shape \[1,3\].*and 1 more/);
});

test.serial('dataSync, a prepared run and the results that would have stayed', async (t) => {
  const x = tensor([1, 0, 2]);
  const between = tf.reciprocal(x);
  const y = tf.add(between, 1);
  t.throws(() => y.dataSync(), { code: 'RANGE_LEFT' });
  const prepared = await prepare(y);
  await t.throwsAsync(() => prepared.run(), { code: 'RANGE_LEFT' });
  await t.throwsAsync(() => y.data(), { code: 'RANGE_LEFT' });
  // It was needed for y, and would have stayed at the nodes
  await t.throwsAsync(() => between.data(), { code: 'RANGE_LEFT' });
  t.deepEqual(Array.from(await tf.square(x).data(), Math.round), [1, 0, 4]);
});

test.serial('nothing that is sent afterwards says that a read was refused', async (t) => {
  const { tell } = runtime;
  t.teardown(() => {
    runtime.tell = tell;
  });
  const freed: number[] = [];
  runtime.tell = (r) => {
    if (r.kind === 'free') freed.push(...r.tensors);
    tell.call(runtime, r);
  };
  const kept = async (values: number[]) => {
    const x = tensor(values);
    const between = tf.reciprocal(x);
    const y = tf.add(between, 1);
    const reading = y.data();
    await (values.includes(0) ? t.throwsAsync(() => reading, { code: 'RANGE_LEFT' }) : reading);
    const atOnce = freed.splice(0).length;
    tf.dispose([x, between, y]);
    // A read lets go of what it needed a moment after it has ended
    await new Promise(setImmediate);
    return { atOnce, disposed: freed.splice(0).length };
  };
  await kept([1, 4, 2]);
  const right = await kept([1, 4, 2]);
  t.deepEqual(await kept([1, 0, 2]), right);
  t.true(right.disposed > 0);
});

test.serial("'warn' says so and reads, 'ignore' does neither and costs less", async (t) => {
  t.teardown(() => configure({}));
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (text: unknown) => said.push(text);
  t.teardown(() => {
    console.warn = warn;
  });
  const read = async () => {
    const values = await tf.tidy(() => tf.reciprocal(tensor([1, 0, 2]))).data();
    t.true(Math.abs(values[2]! - 0.5) < 1e-5);
    return lastRun()!.bytes;
  };
  configure({ onRange: 'warn' });
  const watched = await read();
  t.regex(String(said), /secformer: values have left the range.*reciprocal of shape \[1,3\]/);
  said.length = 0;
  configure({ onRange: 'ignore' });
  const ignored = await read();
  t.deepEqual(said, []);
  t.true(ignored.dealer < watched.dealer);
});
