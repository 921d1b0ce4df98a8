/** Layers of public weights under each kind of attention, at both widths of operands, beside those of secret ones. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import { asPublic, configure, lastRun } from '../src/index.js';
import { BATCH, HEADS, made, mask, SIZE, TOKENS } from './heads.js';

const WIDTH = HEADS * SIZE;
const [ROWS, OUT] = [BATCH * TOKENS, WIDTH];

/** What heads' scores weigh values by. */
const kinds: Record<string, (scores: tf.Tensor) => tf.Tensor> = {
  softmax: (scores) => tf.softmax(tf.add(scores, tf.mul(tf.sub(mask(), 1), 1e4))),
  'relu(s + c)^2': (scores) =>
    tf.mul(tf.square(tf.relu(tf.add(scores, 1.5))), tf.div(mask(), tf.sum(mask(), -1, true))),
  cumulants: (scores) => {
    const even = tf.div(mask(), tf.sum(mask(), -1, true));
    const centered = tf.sub(scores, tf.sum(tf.mul(scores, even), -1, true));
    const variance = tf.sum(tf.mul(tf.square(centered), even), -1, true);
    return tf.mul(tf.exp(tf.sub(centered, tf.mul(variance, 0.5))), even);
  },
};

/** A layer of a student whose norms are gains and biases. */
function layer(weigh: (scores: tf.Tensor) => tf.Tensor, isPublic: boolean): tf.Tensor {
  const weights = (shape: number[], size: number, seed: number) => {
    const t = made(shape, size, seed);
    if (isPublic) asPublic({ weights: [t] });
    return t;
  };
  const dense = (x: tf.Tensor, seed: number, out = OUT) => {
    const w = weights([x.shape.at(-1)!, out], 1.5 / Math.sqrt(WIDTH), seed);
    return tf.add(tf.matMul(x, w), weights([out], 0.1, seed + 50));
  };
  const x = made([ROWS, WIDTH], 1, 1);
  const heads = (t: tf.Tensor) => tf.transpose(tf.reshape(t, [BATCH, TOKENS, HEADS, SIZE]), [0, 2, 1, 3]);
  const [q, k, v] = [2, 3, 4].map((seed) => heads(dense(x, seed)));
  const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(SIZE));
  const context = tf.reshape(tf.transpose(tf.matMul(weigh(scores), v!), [0, 2, 1, 3]), [ROWS, WIDTH]);
  const norm = tf.add(tf.mul(tf.add(x, dense(context, 7)), weights([WIDTH], 0.8, 8)), weights([WIDTH], 0.3, 9));
  return tf.add(norm, dense(tf.relu(dense(norm, 10, 2 * WIDTH)), 11));
}

test.serial.afterEach(() => configure({}));

for (const [kind, weigh] of Object.entries(kinds))
  for (const [operandBits, most] of [
    [16, 5e-4],
    [13, 2e-3],
  ] as const)
    test.serial(`${kind}, operands of ${operandBits} bits: as in floating point, for less`, async (t) => {
      await tf.setBackend('cpu');
      const want = await layer(weigh, false).data();
      configure({ operandBits });
      await tf.setBackend('secformer');
      const run = async (isPublic: boolean) => {
        const got = await layer(weigh, isPublic).data();
        const off = Array.from(got).reduce((worst, v, i) => Math.max(worst, Math.abs(v - want[i]!)), 0);
        t.true(off < most, `${off}, ${isPublic ? 'public' : 'secret'} weights`);
        return lastRun()!;
      };
      const [secret, known] = [await run(false), await run(true)];
      t.true(known.rounds < secret.rounds, `${known.rounds} of ${secret.rounds} rounds`);
      t.true(known.bytes.p0p1 < secret.bytes.p0p1);
    });
