/** Rows by indices that are results themselves: as on 'cpu', and zeros where an index is outside. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { whatNodesSee } from '../src/audit.js';
import { asPublic, lastRun, UnsupportedKernelError } from '../src/index.js';
import { difference, sample } from './harness.js';

const floats = <T = tf.Tensor>(shape: number[], seed = 1): T =>
  tf.tensor(
    sample(
      shape.reduce((a, b) => a * b, 1),
      -3,
      3,
      seed,
    ),
    shape,
  ) as T;
/** A product of secret matrices: nothing that the caller could know. */
const made = <T = tf.Tensor>(shape: number[], seed = 1): T => {
  const width = shape.at(-1)!;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return tf.matMul(floats<tf.Tensor2D>([rows, 3], seed), floats<tf.Tensor2D>([3, width], seed + 1)).reshape(shape) as T;
};
const best = <T = tf.Tensor1D>(shape: number[], seed = 1): T => tf.argMax(made(shape, seed), -1) as T;

const cases: Record<string, () => tf.Tensor> = {
  'rows by the place of a maximum': () => tf.gather(floats([7, 3], 5), best([4, 7])),
  'one row by a scalar': () => tf.gather(floats([7, 3], 5), best<tf.Scalar>([7])),
  'rows of a vector, of a matrix of indices': () => tf.gather(floats([6], 5), best<tf.Tensor2D>([2, 3, 6])),
  'columns, and the middle of three axes': () =>
    tf.concat(
      [tf.gather(floats([2, 5], 5), best([3, 5]), 1), tf.gather(floats([2, 5, 1], 6), best([3, 5]), 1).reshape([2, 3])],
      1,
    ),
  'a batch of tables': () => tf.gather(made([2, 5, 3], 5), best<tf.Tensor2D>([2, 4, 5], 3), 1, 1),
  'a batch of tables along a later axis': () => tf.gather(made([2, 3, 5], 5), best<tf.Tensor2D>([2, 4, 5], 3), 2, 1),
  'of a table with one row, of three, of nine and of 70': () =>
    tf.concat([1, 3, 9, 70].map((n) => tf.gather(floats([n, 2], n), best([3, n], n)))),
  'places of the three largest': () => tf.gather(floats([7, 2], 5), tf.topk(made([2, 7]), 3).indices),
  'places of the least': () => tf.gather(floats([7, 2], 5), tf.argMin(made([2, 7]), -1) as tf.Tensor1D),
  'an own table of integers': () => tf.gather(tf.tensor1d([10, 20, 30, 40, 50], 'int32'), best([4, 5])),
  'a public table': () => {
    const table = floats<tf.Tensor2D>([5, 2]);
    return tf.gather(tf.getBackend() === 'secformer' ? asPublic(table) : table, best([4, 5]));
  },
  'rows of large values': () => tf.gather(floats([5, 2], 3).mul(5000), best([4, 5])),
  'an index that was calculated': () =>
    tf.gather(floats([30, 2], 3), best([4, 5]).mul(tf.scalar(6, 'int32')).add(tf.scalar(3, 'int32'))),
  'an index that was cut off': () => tf.gather(floats([30, 2], 3), made([6]).abs().mul(0.5).toInt()),
  'an index that was read': () => {
    const index = best([4, 5]);
    index.dataSync();
    return tf.gather(floats([5, 2], 3), index);
  },
  'gatherND: rows, and elements of two and three coordinates': () =>
    tf.concat([
      tf.gatherND(floats([5, 2], 3), best<tf.Tensor2D>([4, 1, 5])).reshape([-1]),
      tf.gatherND(floats([3, 5], 4), tf.stack([tf.range(0, 3, 1, 'int32'), best([3, 5])], 1)),
      tf.gatherND(floats([5, 5, 4], 4), tf.concat([best<tf.Tensor2D>([3, 2, 5]), best<tf.Tensor2D>([3, 1, 4])], 1)),
    ]),
  'gatherND: an index of rank 1': () => tf.gatherND(floats([5, 5, 2], 4), best([2, 5])),
  oneHot: () => tf.oneHot(best([4, 5]), 5),
  'oneHot: of a scalar, deeper and not as deep as the row': () =>
    tf.concat([tf.oneHot(best<tf.Tensor1D>([5]), 9), tf.oneHot(best<tf.Tensor1D>([5], 4), 2)]),
  'oneHot: numbers on and off': () => tf.oneHot(best([4, 5]), 5, 0.9, 0.025, 'float32'),
  'oneHot: of integers, which cut numbers off': () => tf.oneHot(best([4, 5]), 5, 2.9, -1.5),
  'oneHot: bool': () => tf.oneHot(best([4, 5]), 5, 1, 0, 'bool'),
  'oneHot: outside are zeros': () => tf.oneHot(best([6, 5]).sub(tf.scalar(2, 'int32')) as tf.Tensor1D, 2),
  'oneHot: of what nothing bounds': () => tf.oneHot(made([40]).toInt(), 4),
  'a table behind one-hot rows': () => tf.matMul(tf.oneHot(best([4, 5]), 5).toFloat(), floats<tf.Tensor2D>([5, 3], 4)),
  'a table before one-hot rows': () =>
    tf.matMul(floats<tf.Tensor2D>([3, 5], 4), tf.oneHot(best([4, 5]), 5).toFloat(), false, true),
  'unsortedSegmentSum: ids outside are dropped': () =>
    tf.unsortedSegmentSum(made([6, 2], 4), best([6, 5]).sub(tf.scalar(1, 'int32')) as tf.Tensor1D, 3),
  'unsortedSegmentSum: of a vector': () => tf.unsortedSegmentSum(floats([6], 4), best([6, 5]), 5),
  'scatterND: rows, duplicates add up': () => tf.scatterND(best<tf.Tensor2D>([6, 1, 5]), floats([6, 2], 4), [5, 2]),
  'scatterND: elements of two coordinates': () =>
    tf.scatterND(tf.stack([tf.range(0, 3, 1, 'int32'), best([3, 5])], 1), made([3], 4), [3, 5]),
  'bincount of results, with weights and without': () =>
    tf.concat([tf.bincount(best([9, 5]), floats([9], 4), 5), tf.bincount(best([9, 5]), tf.tensor1d([]), 4)]),
  'denseBincount of results: weights, counts and whether': () =>
    tf.concat([
      tf.denseBincount(best<tf.Tensor2D>([2, 4, 5]), floats([2, 4], 4), 5),
      tf.denseBincount(best<tf.Tensor2D>([2, 4, 5]), tf.tensor2d([], [0, 0]), 5),
      tf.denseBincount(best<tf.Tensor2D>([2, 4, 5]), tf.tensor2d([], [0, 0]), 5, true),
    ]),
  'a confusion matrix': () => tf.math.confusionMatrix(tf.tensor1d([0, 4, 2], 'int32'), best([3, 5]), 5),
};

for (const [name, f] of Object.entries(cases)) {
  test.serial(name, async (t) => {
    const worst = await difference(f);
    t.true(worst <= 1e-3, `off by ${worst}`);
  });
}

test.serial('a row by an index outside is zeros', async (t) => {
  const index = best([5, 4]).mul(tf.scalar(100, 'int32')).sub(tf.scalar(100, 'int32')) as tf.Tensor1D;
  const [at, rows] = await Promise.all([
    index.data(),
    tf.gather(floats([3, 2], 3).add(10), index).array() as Promise<number[][]>,
  ]);
  t.true(at.some((i) => i < 0) && at.some((i) => i > 2) && at.some((i) => i === 0));
  rows.forEach((row, i) => {
    t.is(
      row.every((v) => v === 0),
      at[i] !== 0,
      `index ${at[i]}`,
    );
  });
});

test.serial('nobody sees an index: the same program for any, and one more opening', async (t) => {
  const see = (seed: number) => whatNodesSee(tf.gather(floats([7, 3], seed), best([4, 7], seed))).hash;
  t.is(see(1), see(2));
  await best([4, 7]).data();
  const { rounds } = lastRun()!;
  await tf.oneHot(best([4, 7]), 7).data();
  t.is(lastRun()!.rounds, rounds + 1);
});

test.serial('what would have a shape by secret values is refused by name', (t) => {
  const refused = { instanceOf: UnsupportedKernelError, code: 'UNSUPPORTED_KERNEL' };
  t.throws(() => tf.unique(best([4, 5])), { ...refused, message: /'Unique'/ });
  t.throws(() => tf.image.nonMaxSuppression(made<tf.Tensor2D>([3, 4]), made<tf.Tensor1D>([3]), 2), {
    ...refused,
    message: /'NonMaxSuppressionV3'/,
  });
  // Of several rows for one place the last would have to be found
  t.throws(() => tf.tensorScatterUpdate(floats([5]), best([4, 1, 5]), floats([4])), {
    ...refused,
    message: /'TensorScatterUpdate' needs indices that are not secret/,
  });
});
