import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { type Calibration, calibrate, configure, lastRun } from '../src/index.js';
import { shadowRevealingEverything } from '../src/insecure.js';
import { protocols, sample } from './harness.js';

const w1 = () => tf.tensor2d(sample(6 * 12, -1, 1, 7), [6, 12]);
const w2 = () => tf.tensor2d(sample(12 * 3, -1, 1, 9), [12, 3]);

/** A small network with weights of its own. */
function network(): { run: (x: tf.Tensor2D) => tf.Tensor; dispose: () => void } {
  const [a, b] = [w1(), w2()];
  return {
    run(x) {
      const h = tf.matMul(x, a);
      return tf.softmax(tf.matMul(tf.mul(h, tf.sigmoid(h)), b));
    },
    dispose: () => tf.dispose([a, b]),
  };
}

const batch = (seed: number, scale = 1) => tf.tensor2d(sample(5 * 6, -scale, scale, seed), [5, 6]);

test.serial.afterEach(() => protocols());

test.serial('a calibrated model is cheaper and answers the same', async (t) => {
  const model = network();
  const x = batch(3);
  const read = async () => {
    const y = model.run(x);
    const data = await y.data();
    y.dispose();
    return { data, bytes: lastRun()!.bytes.p0p1 };
  };
  await read();
  const usual = await read();
  const calibration = await calibrate((b: tf.Tensor2D) => model.run(b), [batch(3), batch(4), batch(5)]);
  protocols({ calibration: JSON.parse(JSON.stringify(calibration)) as Calibration });
  const narrow = await read();
  t.true(narrow.bytes < usual.bytes, `${narrow.bytes} of ${usual.bytes} bytes`);
  t.true(narrow.data.every((v, i) => Math.abs(v - usual.data[i]!) < 2e-4));
  model.dispose();
});

test.serial('calibrations add up, and a sample beyond a protocol is refused by name', async (t) => {
  const model = network();
  const first = await calibrate((b: tf.Tensor2D) => model.run(b), [batch(3)]);
  const both = await calibrate((b: tf.Tensor2D) => model.run(b), [batch(4, 2)], first);
  t.deepEqual(Object.keys(both.ranges), Object.keys(first.ranges));
  t.true(Object.entries(both.ranges).some(([key, [low]]) => low < first.ranges[key]![0]));
  await t.throwsAsync(() => calibrate((b: tf.Tensor2D) => model.run(b), [batch(4, 4000)]), {
    code: 'BAD_PROGRAM',
    message: /\(silu\): its input reaches/,
  });
  model.dispose();
});

test.serial('what is no calibration is refused', (t) => {
  t.throws(() => configure({ calibration: { version: 2 } as never }), {
    code: 'BAD_CONFIGURATION',
    message: /calibrate\(\)/,
  });
  t.throws(() => configure({ calibration: { version: 1, ranges: { a: [3, 1] } } }), { code: 'BAD_CONFIGURATION' });
});

test.serial('a shadow run compares every instruction, and names the one that leaves its range', async (t) => {
  const model = network();
  const good = await shadowRevealingEverything(model.run(batch(3)));
  t.is(good.violation, undefined);
  // Not every instruction has a value that can be compared
  t.true(good.compared > 0.65 * good.instructions && good.compared <= good.instructions);
  const bad = await shadowRevealingEverything(model.run(batch(3, 4000)));
  t.is(bad.violation?.kind, 'range');
  t.regex(bad.violation!.message, /instruction \d+ \(.*\): \d+ of \d+ values leave its range/);
  model.dispose();
});

for (const suite of ['secformer', 'mpcformer', 'mpcformer-2relu', 'puma', 'crypten', 'fast']) {
  test.serial(`suite ${suite} runs a masked attention`, async (t) => {
    protocols({ suite });
    const scores = tf.tensor3d(sample(2 * 4 * 8, -2, 2, 5), [2, 4, 8]);
    const mask = tf.mul(
      tf.sub(1, tf.cast(tf.tensor3d([1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 8], 'int32'), 'float32')),
      -10000,
    );
    const values = tf.tensor3d(sample(2 * 8 * 3, -1, 1, 6), [2, 8, 3]);
    const got = (await tf.matMul(tf.softmax(tf.add(scores, mask)), values).array()) as number[][][];
    const [s, v] = [(await scores.array()) as number[][][], (await values.array()) as number[][][]];
    const weight = {
      secformer: (x: number) => (x + 5) ** 2,
      mpcformer: (x: number) => (x + 5) ** 2,
      fast: (x: number) => (x + 5) ** 2,
      'mpcformer-2relu': (x: number) => Math.max(0, x) + 2 ** -6,
    }[suite] as ((x: number) => number) | undefined;
    let worst = 0;
    s.forEach((head, h) => {
      head.forEach((row, i) => {
        const p = row.map(
          (x, j) => (j < 6 ? (weight ?? Math.exp)(x) : 0) + (suite === 'mpcformer-2relu' && j >= 6 ? 2 ** -6 : 0),
        );
        const total = p.reduce((a, b) => a + b, 0);
        for (let k = 0; k < 3; k++)
          worst = Math.max(
            worst,
            Math.abs(got[h]![i]![k]! - p.reduce((a, b, j) => a + (b / total) * v[h]![j]![k]!, 0)),
          );
      });
    });
    t.true(worst < 0.02, `${suite}: ${worst}`);
  });
}
