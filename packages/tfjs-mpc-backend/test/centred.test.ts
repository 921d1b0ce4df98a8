import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import { whatNodesSee } from '../src/audit.js';
import { configure, lastRun } from '../src/index.js';

const [ROWS, DEPTH, WIDTH] = [5, 24, 128];

/** Numbers that are no pattern, half precision's as a checkpoint's may be. */
const numbers = (shape: number[], seed: number, scale: number) =>
  tf.tensor(
    Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      (_, i) => Math.round(scale * 1024 * Math.sin((i + 1) * (seed + 0.37) * 1.7)) / 1024,
    ),
    shape,
  );

function norm(x: tf.Tensor, seed: number): tf.Tensor {
  const mean = tf.mean(x, -1, true);
  const apart = tf.sub(x, mean);
  const variance = tf.mean(tf.square(apart), -1, true);
  const normal = tf.mul(apart, tf.rsqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, numbers([x.shape.at(-1)!], seed, 1)), numbers([x.shape.at(-1)!], seed + 1, 0.5));
}

/** A norm of a dense layer and what passes by it, which is a norm itself, as in every layer of a BERT. */
function layer(width = WIDTH): tf.Tensor {
  const passing = norm(numbers([ROWS, width], 1, 3), 2);
  const other = tf.relu(numbers([ROWS, DEPTH], 4, 2));
  const dense = tf.add(tf.matMul(other, numbers([DEPTH, width], 5, 0.6)), numbers([width], 6, 2));
  return norm(tf.add(dense, passing), 7);
}

const centred = (t: tf.Tensor) =>
  whatNodesSee(t).graph.nodes.filter((n) => n.op === 'layerNorm' && n.centred === true).length;

test.serial.afterEach(() => configure({}));

test.serial('a norm of a dense layer and another norm has rows without a mean, and is the same', async (t) => {
  await tf.setBackend('cpu');
  const want = await layer().data();
  configure({ fold: false });
  await tf.setBackend('secformer');
  t.is(centred(layer()), 1);
  const got = await layer().data();
  got.forEach((v, i) => {
    t.true(Math.abs(v - want[i]!) < 2e-4, `${v} for ${want[i]}`);
  });
  t.true(lastRun()!.rounds > 0);
});

test.serial(
  'not under a suite that forms means, nor in rows that may leave the range of centred weights',
  async (t) => {
    await tf.setBackend('secformer');
    configure({ fold: false });
    t.is(centred(layer(64)), 0);
    configure({ fold: false, suite: 'puma' });
    t.is(centred(layer()), 0);
  },
);

test.serial('not where something else takes the sum: it would be computed twice', async (t) => {
  await tf.setBackend('secformer');
  configure({ fold: false });
  const passing = norm(numbers([ROWS, WIDTH], 1, 3), 2);
  const dense = tf.matMul(tf.relu(numbers([ROWS, DEPTH], 4, 2)), numbers([DEPTH, WIDTH], 5, 0.6));
  const sum = tf.add(dense, passing);
  t.is(centred(tf.add(norm(sum, 7), sum)), 0);
  // And not of a value whose mean is any
  t.is(centred(norm(tf.add(dense, numbers([ROWS, WIDTH], 8, 3)), 7)), 0);
});
