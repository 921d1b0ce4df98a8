import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import { whatNodesSee } from '../src/audit.js';
import { configure, lastRun } from '../src/index.js';

const [ROWS, WIDTH, INNER] = [6, 128, 64];

test.serial.afterEach(() => configure({}));

const tensor = (shape: [number, number], size: number, seed: number) =>
  tf.tensor2d(
    Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => size * Math.sin(seed + 1.7 * i * i)),
    shape,
  );

/** A norm, a dense layer with GeLU, another one beside what passes by, and a norm. */
function block(): tf.Tensor {
  const gain = tf.tensor1d(Float32Array.from({ length: WIDTH }, (_, i) => 0.8 + 0.1 * Math.cos(i)));
  const bias = tf.tensor1d(Float32Array.from({ length: WIDTH }, (_, i) => 0.1 * Math.sin(i)));
  const norm = (x: tf.Tensor) => {
    const d = tf.sub(x, tf.mean(x, -1, true));
    return tf.add(tf.mul(tf.mul(d, tf.rsqrt(tf.add(tf.mean(tf.square(d), -1, true), 1e-12))), gain), bias);
  };
  const h = norm(tensor([ROWS, WIDTH], 2, 1));
  const u = tf.matMul(h as tf.Tensor2D, tensor([WIDTH, INNER], 0.2, 2));
  const g = tf.mul(tf.mul(0.5, u), tf.add(1, tf.erf(tf.mul(u, Math.SQRT1_2))));
  return norm(tf.add(tf.matMul(g as tf.Tensor2D, tensor([INNER, WIDTH], 0.2, 3)), h));
}

test.serial('operands of 13 bits: fewer bytes, no more rounds, a few units of 2^−13 off', async (t) => {
  await tf.setBackend('cpu');
  const want = await block().data();
  const seen = [];
  for (const operandBits of [16, 13] as const) {
    configure({ operandBits, fold: false });
    await tf.setBackend('secformer');
    // The second run has its weights opened
    await block().data();
    const got = Float32Array.from(await block().data());
    const worst = got.reduce((most, v, i) => Math.max(most, Math.abs(v - want[i]!)), 0);
    seen.push({ worst, rounds: lastRun()!.rounds, bytes: lastRun()!.bytes.p0p1 });
  }
  const [fine, coarse] = seen as [(typeof seen)[0], (typeof seen)[0]];
  t.true(fine.worst <= 5e-4, String(fine.worst));
  t.true(coarse.worst <= 4e-3, String(coarse.worst));
  t.true(coarse.rounds <= fine.rounds, `${coarse.rounds} and ${fine.rounds} rounds`);
  t.true(coarse.bytes < fine.bytes, `${coarse.bytes} and ${fine.bytes} bytes`);
});

test.serial('a Program says nothing of them by default, and 16 is the default', async (t) => {
  await tf.setBackend('secformer');
  const [none, sixteen, thirteen] = [{}, { operandBits: 16 }, { operandBits: 13 }].map((given) => {
    configure({ ...given, fold: false } as never);
    return whatNodesSee(block());
  });
  t.is(none!.graph.operandBits, undefined);
  t.deepEqual(sixteen!.program, none!.program);
  t.notDeepEqual(thirteen!.program, none!.program);
});
