/** What is traced for clients: answers as on 'cpu', and nothing of the publisher's in what clients are given. */
import * as tf from '@tensorflow/tfjs';
import test, { type ExecutionContext } from 'ava';
import { configure } from '../src/index.js';
import { sample } from './harness.js';
import { furthest, type Given, inPlain, numbersIn, onCpu, onTrio, stopTrio, traced } from './service-harness.js';

test.serial.before(() => configure({}));
test.after.always(stopTrio);
test.serial.afterEach.always(() => configure({}));

const floats = (shape: number[], seed = 1, low = -1, high = 1): Given => ({
  shape,
  dtype: 'float32',
  values: sample(
    shape.reduce((a, b) => a * b, 1),
    low,
    high,
    seed,
  ),
});
const ints = (values: number[], shape = [values.length]): Given => ({ shape, dtype: 'int32', values });

/** Weights that exist on the active backend while f is called. */
const w = (shape: number[], seed: number) => tf.tensor(floats(shape, seed).values as Float32Array, shape, 'float32');

type F = (...inputs: tf.Tensor[]) => Record<string, tf.Tensor>;

async function check(t: ExecutionContext, name: string, f: F, inputs: Given[], bar = 2e-3, trio = true): Promise<void> {
  const want = await onCpu(f, inputs);
  const made = traced(f, inputs);
  try {
    const plain = furthest(inPlain(made, inputs), want);
    t.true(plain < bar, `${name} in plaintext: off by ${plain}`);
    const hidden = new Set<number>();
    for (const source of made.needed.sources.values())
      for (const v of source().values) if (v !== Math.round(v)) hidden.add(v);
    const shown = [...numbersIn(made.program.client)].filter((v) => hidden.has(Math.fround(v)));
    t.deepEqual(shown, [], `${name}: values of the publisher are in the client part`);
    if (!trio) return;
    const private_ = furthest(await onTrio(made, inputs), want);
    t.true(private_ < bar, `${name} on shares: off by ${private_}`);
  } finally {
    made.release();
  }
}

const attention: F = (x, mask) => {
  const far = tf.mul(tf.sub(1, tf.cast(mask!, 'float32')), -1e9).expandDims(1);
  const scores = tf.matMul(tf.matMul(x!, w([1, 4, 4], 3)), x!, false, true);
  return { out: tf.matMul(tf.softmax(tf.add(scores, far)), x!) };
};

const cases: Record<string, [F, Given[]]> = {
  'a dense layer': [(x) => ({ y: tf.relu(tf.add(tf.matMul(x!, w([4, 3], 2)), w([3], 5))) }), [floats([2, 4])]],
  'an odd batch, scaled by the client': [
    (x) => ({ y: tf.matMul(tf.div(tf.sub(x!, 0.25), 1.5), w([5, 3], 2)) }),
    [floats([7, 5])],
  ],
  'a mask of −1e9': [attention, [floats([2, 3, 4]), ints([1, 1, 0, 1, 0, 0], [2, 3])]],
  'a mask of −1e9 that hides nothing': [attention, [floats([2, 3, 4]), ints([1, 1, 1, 1, 1, 1], [2, 3])]],
  'a mask and a bias of the publisher': [
    (x, mask) => ({
      y: tf.softmax(
        tf.add(tf.add(tf.matMul(x!, w([4, 4], 3)), w([4, 4], 9)), tf.mul(tf.sub(1, tf.cast(mask!, 'float32')), -10000)),
      ),
    }),
    [floats([4, 4]), ints([1, 0, 1, 1])],
  ],
  'a row for each mask': [
    (x, mask) => ({
      y: tf.softmax(tf.add(tf.matMul(x!, w([3, 3], 3)), tf.mul(tf.sub(1, tf.cast(mask!, 'float32')), -1e9))),
    }),
    [floats([3, 3]), ints([1, 0, 0, 1, 1, 0, 1, 1, 1], [3, 3])],
  ],
  'rows of a table by ids': [
    (ids) => ({ y: tf.add(tf.gather(w([9, 4], 2), ids!), tf.gather(w([6, 4], 7), tf.range(0, 5, 1, 'int32'))) }),
    [ints([8, 0, 3, 3, 1])],
  ],
  'labels that are the place of the largest, and what else is asked': [
    (x) => {
      const logits = tf.add(tf.matMul(x!, w([4, 3], 2)), w([3], 5));
      return { logits, weights: tf.softmax(logits), label: tf.argMax(logits, 1) as tf.Tensor };
    },
    [floats([3, 4])],
  ],
  'a product of weights': [(x) => ({ y: tf.matMul(x!, tf.matMul(w([4, 5], 2), w([5, 3], 3))) }), [floats([2, 4])]],
  'an output that the client computes alone': [
    (x, ids) => ({
      mean: tf.mean(tf.mul(x!, 2), 1),
      ones: tf.oneHot(ids! as tf.Tensor1D, 4) as tf.Tensor,
      none: tf.zerosLike(x!),
      y: tf.matMul(x!, w([4, 2], 2)),
    }),
    [floats([2, 4]), ints([1, 3])],
  ],
  'the output finished by the client': [
    (x) => ({ y: tf.sub(tf.mul(tf.matMul(x!, w([4, 2], 2)), 1e6), tf.mul(tf.slice(x!, [0, 0], [2, 2]), 3e5)) }),
    [floats([2, 4])],
  ],
  'layer norm': [
    (x) => {
      const mean = tf.mean(x!, -1, true);
      const d = tf.sub(x!, mean);
      const normal = tf.mul(d, tf.rsqrt(tf.add(tf.mean(tf.square(d), -1, true), 1e-3)));
      return { y: tf.matMul(tf.add(tf.mul(normal, w([6], 2)), w([6], 3)), w([6, 4], 4)) };
    },
    [floats([3, 6])],
  ],
  'scattered by the client': [
    (x, ids) => ({ y: tf.scatterND(tf.expandDims(ids!, 1), tf.matMul(x!, w([4, 3], 2)), [5, 3]) as tf.Tensor }),
    [floats([2, 4]), ints([4, 1])],
  ],
  'segments by the client': [
    (x, ids) => ({ y: tf.unsortedSegmentSum(tf.matMul(x!, w([4, 3], 2)), ids! as tf.Tensor1D, 3) as tf.Tensor }),
    [floats([4, 4]), ints([2, 0, 2, 1])],
  ],
  'a number': [
    (x) => ({ y: tf.mul(tf.matMul(w([2, 2], 1), w([2, 2], 2)), x!) }),
    [{ shape: [], dtype: 'float32', values: [0.75] }],
  ],
  bits: [
    (x) => ({ y: tf.matMul(tf.cast(tf.logicalNot(x!), 'float32').reshape([1, 4]), w([4, 2], 2)) }),
    [{ shape: [4], dtype: 'bool', values: [1, 0, 0, 1] }],
  ],
};

for (const [name, [f, inputs]] of Object.entries(cases))
  test.serial(`traced: ${name}`, async (t) => {
    t.timeout(60_000);
    await check(t, name, f, inputs, name.includes('finished') ? 40 : 2e-3);
  });
