/** Maxima, pooling and what compares: now and then wrong where a difference leaves the comparison's window. */
import type { Tensor4D, Tensor5D } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, normal, type Program, programs, refused, repeated } from './program.js';

const image = (shape: [number, number, number, number], high: number, seed: number) =>
  tf.randomUniform(shape, 0, high, 'float32', seed) as Tensor4D;
const filled = (value: number) => tf.tensor1d(new Float32Array(400).fill(value));
const far = () => ({ a: computed(filled(12000)), b: computed(filled(-12000)) });

export const extrema: Program[] = programs('extrema', {
  'maxPool 3×3 stride 2 same, 0 to 255': repeated(2, () => tf.maxPool(image([2, 27, 27, 16], 255, 3), 3, 2, 'same')),
  'maxPool 3×3 stride 2 same, computed': repeated(2, () =>
    tf.maxPool(tf.relu(computed(image([2, 15, 15, 16], 255, 3))), 3, 2, 'same'),
  ),
  'maxPool 2×2 same, odd size, activations below 16': repeated(2, () =>
    tf.maxPool(computed(image([2, 13, 13, 16], 16, 4)), 2, 2, 'same'),
  ),
  'maxPool 2×2 valid': () => tf.maxPool(computed(image([1, 8, 8, 4], 255, 4)), 2, 2, 'valid'),
  'maxPool of negative values, same': () => tf.maxPool(computed(image([1, 5, 5, 4], 255, 4).neg()), 3, 2, 'same'),
  'maxPool with explicit padding': () => tf.maxPool(computed(image([1, 6, 6, 8], 255, 4)), 3, 2, 1, 'floor'),
  'maxPool with dilation': () => tf.pool(computed(image([1, 8, 8, 4], 255, 4)), [2, 2], 'max', 'same', [2, 2]),
  'maxPool3d same': repeated(2, () =>
    tf.maxPool3d(computed(tf.randomUniform([1, 5, 7, 7, 8], 0, 255, 'float32', 2)) as Tensor5D, 3, 2, 'same'),
  ),
  'maxPoolWithArgmax of own values': () => {
    const { result, indexes } = tf.maxPoolWithArgmax(image([1, 5, 5, 2], 255, 6), 2, 2, 'valid', true);
    return [result, indexes];
  },
  'avgPool same': () => tf.avgPool(computed(image([1, 7, 7, 4], 255, 5)), 3, 2, 'same'),
  'layers.maxPooling1d same': () =>
    tf.layers
      .maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' })
      .apply(computed(tf.randomUniform([2, 15, 16], 0, 255, 'float32', 7))) as Tensor4D,
  'layers.maxPooling2d same': repeated(
    2,
    () =>
      tf.layers
        .maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })
        .apply(computed(image([2, 13, 13, 16], 255, 8))) as Tensor4D,
  ),
  'layers.globalMaxPooling1d': () =>
    tf.layers.globalMaxPooling1d().apply(computed(tf.randomUniform([2, 9, 8], 0, 255, 'float32', 8))) as Tensor4D,
  'layers.globalMaxPooling2d': () =>
    tf.layers.globalMaxPooling2d({}).apply(computed(image([2, 5, 5, 8], 255, 8))) as Tensor4D,
  'dilation2d same': () =>
    tf.dilation2d(image([1, 9, 9, 4], 255, 9), tf.randomUniform([3, 3, 4], 0, 1, 'float32', 1), 1, 'same'),
  'maximum of values far apart': () => tf.maximum(far().a, far().b),
  'minimum of values far apart': () => tf.minimum(far().a, far().b),
  'maximum of own values far apart': () => tf.maximum(filled(12000), filled(-12000)),
  'minimum of own values far apart': () => tf.minimum(filled(12000), filled(-12000)),
  'relu of a difference of own values': () => tf.relu(filled(-12000).sub(filled(12000))),
  'max of values far apart': () => tf.stack([far().a, far().b]).max(0),
  'min of values far apart': () => tf.stack([far().a, far().b]).min(0),
  'relu of a difference': () => tf.relu(far().b.sub(far().a)),
  'leakyRelu of a difference': () => tf.leakyRelu(far().b.sub(far().a).div(2)),
  'prelu of a difference': () => tf.prelu(far().b.sub(far().a).div(2), tf.scalar(0.25)),
  'abs of a difference': () => far().b.sub(far().a).abs().mul(0.5),
  'where of values far apart': () => tf.where(far().a.greater(0), far().a, far().b),
  'where of values far apart, own condition': () => tf.where(tf.tensor1d([1, 0], 'bool').tile([200]), far().a, far().b),
  'avgPool of large values': () => tf.avgPool(computed(image([1, 6, 6, 4], 16000, 5)), 3, 1, 'same'),
  'mean of an image': () => computed(image([1, 28, 28, 3], 255, 6)).mean([1, 2]),
  'acosh of large values': refused('RANGE_LEFT', () => tf.acosh(computed(tf.tensor1d([1000, 16000])))),
  'squaredDifference, small': () =>
    tf.squaredDifference(computed(tf.tensor1d([3, 40])), computed(tf.tensor1d([1, -40]))),
  'greater of values far apart': () => [
    far().a.greater(far().b),
    far().b.greaterEqual(far().a),
    far().a.equal(far().b),
  ],
  'argMax of values far apart': () => [tf.stack([far().b, far().a]).argMax(0), tf.stack([far().b, far().a]).argMin(0)],
  'topk of values far apart': () => tf.topk(computed(tf.tensor1d([-16000, 16000, 0, 8000, -8000])), 3).values,
  'sign of a difference': () => tf.sign(far().b.sub(far().a)),
  'sort by topk': () =>
    tf.topk(
      computed(
        tf.tensor2d([
          [3, -1, 2, 7],
          [100, 1, -16000, 2],
        ]),
      ),
      4,
    ).values,
  'step of a difference': () => tf.step(far().b.sub(far().a)),
  'clip of values far away': () => tf.clipByValue(computed(tf.fill([400], 16000)), -16000, -15000),
  'clip of a product': () => tf.clipByValue(normal([4, 8], 1).matMul(normal([8, 4], 2) as never), -1, 1),
  'max with keepDims, then a softmax by hand': () => {
    const s = computed(normal([6, 9], 3, 10));
    const e = s.sub(s.max(1, true)).exp();
    return e.div(e.sum(1, true));
  },
});
