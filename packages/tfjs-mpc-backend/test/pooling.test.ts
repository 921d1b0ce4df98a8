import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { difference, sample } from './harness.js';

/** Anything in range, and what has no value below 0, as activations are. */
function image(shape: number[], seed: number, low = -16000): tf.Tensor4D {
  const n = shape.reduce((a, b) => a * b);
  const made: tf.Tensor = tf.tensor(sample(n, low, 16000, seed), shape);
  return made as tf.Tensor4D;
}
const filter = () => tf.tensor3d(sample(18, -300, 300, 9), [3, 3, 2]);

// Values far apart in one window: of a thousand comparisons some hundred went wrong where differences had no bit more
const cases: Record<string, () => tf.Tensor> = {
  'valid, both signs': () => tf.maxPool(image([2, 40, 40, 2], 1), 2, 2, 'valid'),
  'valid, after relu': () => tf.maxPool(tf.relu<tf.Tensor4D>(image([2, 40, 40, 2], 2)), 2, 2, 'valid'),
  'same, stride 2, both signs': () => tf.maxPool(image([2, 28, 28, 3], 3), 3, 2, 'same'),
  'same, all below 0': () => tf.maxPool(tf.sub<tf.Tensor4D>(image([1, 9, 9, 2], 4, 0), 16200), 3, 1, 'same'),
  'same, an odd size': () => tf.maxPool(image([2, 27, 27, 3], 5), 2, 2, 'same'),
  'padding given': () => tf.maxPool(image([1, 20, 21, 2], 6), [3, 2], 2, 1),
  'padding given, rounded up': () => tf.maxPool(image([1, 6, 6, 1], 7), 3, 2, 1, 'ceil'),
  'a window larger than the image': () => tf.maxPool(image([1, 3, 2, 2], 8), 7, 1, 'same'),
  '3D, same': () => tf.maxPool3d(image([1, 7, 6, 5, 2], 9) as never as tf.Tensor5D, 3, 2, 'same'),
  'pool over batches, dilated': () => tf.pool(image([1, 9, 9, 2], 10), 2, 'max', 'same', 2, 1),
  'dilation2d, same': () =>
    tf.dilation2d(image([2, 19, 18, 2], 11, -15000).mul(0.9) as tf.Tensor4D, filter(), 2, 'same'),
  'dilation2d, same, dilated': () =>
    tf.dilation2d(image([1, 11, 12, 2], 12).mul(0.9) as tf.Tensor4D, filter(), 1, 'same', [2, 3]),
  'dilation2d of an image smaller than a step': () =>
    tf.dilation2d(image([1, 2, 1, 2], 13).mul(0.9) as tf.Tensor4D, filter(), 1, 'same', 2),
  'avgPool3d, windows of padding alone': () =>
    tf.avgPool3d(image([1, 2, 2, 2, 1], 15).mul(0.01) as never as tf.Tensor5D, 2, 1, 2),
  'avgPool, padding given': () => tf.avgPool(image([1, 6, 5, 2], 14).mul(0.01) as tf.Tensor4D, 3, 2, 1),
};

for (const [name, f] of Object.entries(cases)) {
  test.serial(`pooling: ${name}`, async (t) => {
    const off = await difference(f);
    t.true(off <= 2e-3, `off by ${off}`);
  });
}

// 100 times 1/10,417 at 16 fractional bits would be off by up to 8e-4
for (const beta of [0.5, 0.75, 1]) {
  test.serial(`a local response normalization keeps what is large times small: beta ${beta}`, async (t) => {
    const off = await difference(() =>
      tf.localResponseNormalization(tf.tensor3d([1, 20, 100, 4], [1, 1, 4]), 1, 1, 1, beta),
    );
    t.true(off <= 5e-5, `off by ${off}`);
  });
}

test.serial('a window of padding alone is refused when it is read', async (t) => {
  await tf.setBackend('secformer');
  for (const f of [
    () => tf.maxPool(image([1, 2, 2, 1], 1), 2, 1, 3),
    () => tf.avgPool(image([1, 2, 2, 1], 1), 2, 1, 3),
  ]) {
    const pooled = tf.tidy(f);
    await t.throwsAsync(pooled.data(), { code: 'VALUE_OUT_OF_RANGE', message: /pooling window/ });
  }
});

// 12,000 and −12,000: before, one of eight differences was off by 65,536
const far = () => tf.tensor1d(sample(1000, -1, 1, 77).map((v) => (v < 0 ? -12000 : 12000)));
const opposite = () => tf.neg(far());
const selections: Record<string, () => tf.Tensor> = {
  'maximum, minimum': () => tf.stack([tf.maximum(far(), opposite()), tf.minimum(far(), opposite())]),
  'max, min': () => tf.stack([tf.max(tf.stack([far(), opposite()]), 0), tf.min(tf.stack([far(), opposite()]), 0)]),
  'relu, abs, leakyRelu of a difference': () => {
    const gap = far().sub(opposite());
    return tf.stack([tf.relu(gap), tf.abs(gap), tf.leakyRelu(gap, 0.5)]);
  },
  'relu6, clip, prelu of a difference': () => {
    const gap = tf.reshape(far().sub(opposite()), [10, 100]);
    return tf.stack([tf.relu6(gap), tf.clipByValue(gap, -20000, 22000), tf.prelu(gap, tf.scalar(0.25))]);
  },
  'hinge and mean distance': () =>
    tf.stack([tf.relu(far().sub(opposite()).add(1)), tf.abs(far().add(tf.neg(opposite())).mul(0.9))]),
  'floor, round, elu of a difference': () => {
    const gap = far().sub(opposite().add(0.25));
    return tf.stack([tf.floor(gap), tf.round(gap), tf.elu(gap)]);
  },
  'largest of differences': () => tf.max(tf.stack([far().sub(opposite()), opposite().sub(far())]), 0),
};

for (const [name, f] of Object.entries(selections)) {
  test.serial(`of values far apart: ${name}`, async (t) => {
    const off = await difference(f);
    t.true(off <= 0.03, `off by ${off}`);
  });
}
