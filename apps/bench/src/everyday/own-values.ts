/** Inputs as the world has them, scaled by their owner before a private model sees them: years, pixels, prices. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, normal, type Program, programs, refused } from './program.js';
import { seeded } from './seeded.js';

const houses = () =>
  tf.tensor2d([
    [1962, 120000, 3],
    [2004, 450000, 5],
    [1987, 95000, 2],
  ]);
const model = (x: Tensor): Tensor => tf.relu(x.matMul(normal([x.shape.at(-1)!, 4], 3) as never));
const image = () => tf.randomUniform([1, 8, 8, 3], 0, 255, 'float32', 4);

export const ownValues: Program[] = programs('own values', {
  'min-max scaling': () => {
    const x = houses();
    const [low, high] = [x.min(0), x.max(0)];
    return model(x.sub(low).div(high.sub(low)));
  },
  'min-max scaling in tidy': () =>
    tf.tidy(() => {
      const x = houses();
      return model(x.sub(x.min(0)).div(x.max(0).sub(x.min(0))));
    }),
  'z-score by moments': () => {
    const x = houses();
    const { mean, variance } = tf.moments(x, 0);
    return model(x.sub(mean).div(variance.sqrt()));
  },
  'z-score by constants': () =>
    model(
      houses()
        .sub(tf.tensor1d([1980, 200000, 3]))
        .div(tf.tensor1d([20, 150000, 1.5])),
    ),
  'z-score by mean and squares': () => {
    const x = houses();
    const mean = x.mean(0);
    const deviation = x.sub(mean).square().mean(0).sqrt();
    return model(x.sub(mean).div(deviation.add(1e-7)));
  },
  'logarithm of prices': () => model(tf.log(houses())),
  'log1p of counts': () => model(tf.log1p(tf.tensor2d([[0, 15, 120000]]))),
  'years less 1900': () =>
    model(
      tf
        .tensor2d([[1962], [2004]])
        .sub(1900)
        .div(100),
    ),
  'times a million and back': () => tf.tensor1d([1, 2.5]).mul(1e6).div(1e6),
  'times a million and back, then a product': () =>
    model(
      tf
        .tensor2d([[1, 2.5]])
        .mul(1e6)
        .div(1e6),
    ),
  '50,000 times 1e-4': () => tf.tensor1d([50000]).mul(tf.tensor1d([1e-4])),
  '50,000 alone': () => tf.tensor1d([50000]).add(1),
  'half times 100,000': () => tf.tensor1d([0.5]).mul(1e5),
  'dense on years': refused(
    'VALUE_OUT_OF_RANGE',
    () =>
      seeded(tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] })).predict(houses()) as Tensor,
  ),
  'a product of 450,000': refused('VALUE_OUT_OF_RANGE', () => model(houses())),
  'dense on years alone': () =>
    seeded(tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [1] })] })).predict(
      tf.tensor2d([[1962], [2004]]),
    ) as Tensor,
  'pixels over 255': () => tf.conv2d(image().div(255) as never, normal([3, 3, 3, 4], 5, 0.3) as never, 1, 'same'),
  'pixels over 255, int32 image': () =>
    tf.conv2d(image().round().toInt().toFloat().div(255) as never, normal([3, 3, 3, 4], 5, 0.3) as never, 1, 'same'),
  'pixels to −1 … 1': () =>
    tf.conv2d(image().div(127.5).sub(1) as never, normal([3, 3, 3, 4], 5, 0.3) as never, 2, 'same'),
  'pixels less their channel means': () =>
    tf.conv2d(
      image()
        .sub(tf.tensor1d([123.68, 116.779, 103.939]))
        .div(tf.tensor1d([58.4, 57.1, 57.4])) as never,
      normal([3, 3, 3, 4], 5, 0.3) as never,
      1,
      'valid',
    ),
  'an image resized, then a convolution': () =>
    tf.conv2d(
      tf.image.resizeBilinear(image() as Tensor4D, [5, 5]).div(255) as Tensor4D,
      normal([3, 3, 3, 4], 5, 0.3) as never,
      1,
      'same',
    ),
  'an image standardised': () => {
    const { mean, variance } = tf.moments(image());
    return tf.conv2d(image().sub(mean).div(variance.sqrt()) as never, normal([3, 3, 3, 4], 5, 0.3) as never, 1, 'same');
  },
  'batchNorm with own statistics': () => {
    const x = houses().div(1000);
    const { mean, variance } = tf.moments(x, 0);
    return model(tf.batchNorm(x, mean as never, variance as never, undefined, undefined, 1e-3));
  },
  'batchNorm of a model with own statistics': () =>
    tf.batchNorm(
      computed(normal([4, 3], 6)),
      tf.tensor1d([0.1, -0.2, 0.3]),
      tf.tensor1d([0.5, 1, 2]),
      tf.tensor1d([0, 0.1, 0.2]),
      tf.tensor1d([1, 1.1, 0.9]),
      1e-3,
    ),
  'signals by a difference of big numbers': () => model(tf.tensor2d([[100001.5, 100002, 100003.25]]).sub(100000)),
  'powers of own values': () =>
    model(
      tf.concat(
        [
          tf.tensor2d([[0.5], [30]]),
          tf
            .tensor2d([[0.5], [30]])
            .square()
            .div(900),
        ],
        1,
      ),
    ),
  'a fractional power of own values': () => model(tf.pow(tf.tensor2d([[4, 9]]), 0.5)),
  'a tensor power of own values': () => model(tf.pow(tf.tensor2d([[2, 3]]), tf.tensor2d([[3, 2]]))),
  'sines of positions': () => {
    const angles = tf
      .range(0, 6)
      .expandDims(1)
      .mul(tf.pow(10000, tf.range(0, 4).div(-4)).expandDims(0));
    return computed(normal([6, 8], 3)).add(tf.concat([tf.sin(angles), tf.cos(angles)], 1));
  },
  'sines of written positions': () => {
    const angles = tf.tensor2d([[0], [1], [500]]).div(tf.tensor1d([1, 10, 100, 1000]));
    return computed(normal([3, 4], 3)).add(tf.sin(angles));
  },
  'rotary positions': () => {
    const x = computed(normal([4, 4], 3));
    const a = tf.tensor2d([[0], [1], [2], [3]]).mul(tf.tensor1d([1, 0.1]));
    const [first, second] = tf.split(x, 2, 1);
    return tf.concat([first!.mul(a.cos()).sub(second!.mul(a.sin())), second!.mul(a.cos()).add(first!.mul(a.sin()))], 1);
  },
  'timestamps in seconds': () =>
    model(
      tf
        .tensor2d([[1700000000, 1700003600]])
        .sub(1700000000)
        .div(3600),
    ),
  'percentiles by topk of own values': () => tf.topk(tf.tensor1d([99999, 3, 70000, 5]), 2).values,
  'a histogram of own values': () =>
    model(
      tf
        .bincount(tf.tensor1d([1, 1, 3], 'int32'), [] as never, 4)
        .toFloat()
        .expandDims(0),
    ),
  'cleaned by where': () => {
    const x = tf.tensor2d([[-999, 2, 3]]);
    return model(tf.where(x.equal(-999), tf.zerosLike(x), x));
  },
  'outliers clipped': () => model(tf.clipByValue(tf.tensor2d([[1e7, -1e7, 3]]), -10, 10)),
  'unit vectors of own big ones': () => {
    const x = tf.tensor2d([[30000, 40000]]);
    return model(x.div(tf.norm(x, 2, 1, true)));
  },
  'softmax of own logits as weights': () => model(tf.softmax(tf.tensor2d([[100, 99, 0]]))),
  'a stacked batch of normalised rows': () =>
    model(tf.stack([tf.tensor1d([50000, 1, 2]), tf.tensor1d([70000, 3, 4])]).div(tf.tensor1d([100000, 10, 10]))),
  'differences along time': () => {
    const x = tf.tensor1d([40000, 40010, 40025, 40005]);
    return model(x.slice(1).sub(x.slice(0, 3)).expandDims(0));
  },
});
