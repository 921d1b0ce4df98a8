import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import { whatNodesSee } from '../src/audit.js';
import { fingerprints } from '../src/calibration.js';
import { configure, lastRun } from '../src/index.js';

const [ROWS, WIDTH] = [6, 40];

test.serial.afterEach(() => configure({}));

test.serial('on a wan a softmax takes fewer rounds, and is the same', async (t) => {
  const scores = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => 9 * Math.sin(i * i));
  await tf.setBackend('cpu');
  const want = await tf.softmax(tf.tensor2d(scores, [ROWS, WIDTH])).data();
  const rounds: number[] = [];
  for (const network of ['lan', 'wan'] as const) {
    configure({ network, fold: false });
    await tf.setBackend('secformer');
    const got = await tf.softmax(tf.tensor2d(scores, [ROWS, WIDTH])).data();
    got.forEach((v, i) => {
      t.true(Math.abs(v - want[i]!) <= 1e-4, `${network}: ${v} for ${want[i]}`);
    });
    rounds.push(lastRun()!.rounds);
  }
  const [lan, wan] = rounds as [number, number];
  t.true(wan < lan, `${wan} and ${lan} rounds`);
});

test.serial('what a calibration knows of a model holds for either network', async (t) => {
  await tf.setBackend('secformer');
  const seen = (['lan', 'wan'] as const).map((network) => {
    configure({ network, fold: false });
    return whatNodesSee(tf.softmax(tf.tensor2d([1, 2, 3, 4], [2, 2])));
  });
  t.notDeepEqual(seen[0]!.graph, seen[1]!.graph);
  t.deepEqual(fingerprints(seen[0]!.graph), fingerprints(seen[1]!.graph));
});

test.serial('suites whose softmax is another one are the same on either', async (t) => {
  await tf.setBackend('secformer');
  for (const suite of ['puma', 'fast']) {
    const [lan, wan] = (['lan', 'wan'] as const).map((network) => {
      configure({ network, suite, fold: false });
      return whatNodesSee(tf.softmax(tf.tensor2d([1, 2, 3, 4], [2, 2]))).program;
    });
    t.deepEqual(wan, lan, suite);
  }
});
