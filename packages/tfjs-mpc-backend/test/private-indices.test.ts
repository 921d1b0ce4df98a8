/**
 * Kernels that put rows at places, or take them from there: as on 'cpu', by the caller's own indices and by public
 * ones.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { asPublic, calibrate, UnsupportedKernelError } from '../src/index.js';
import { difference, protocols, sample } from './harness.js';

let open = false;

/** Integers of the kind that is tested. */
function ints<T = tf.Tensor1D>(values: number[], shape: number[] = [values.length]): T {
  const t = tf.tensor(values, shape, 'int32');
  return (open && tf.getBackend() === 'secformer' ? asPublic(t) : t) as T;
}

const floats = <T = tf.Tensor1D>(shape: number[], seed = 1): T =>
  tf.tensor(
    sample(
      shape.reduce((a, b) => a * b, 1),
      -3,
      3,
      seed,
    ),
    shape,
  ) as T;
/** A secret result, not a written tensor. */
const made = <T = tf.Tensor1D>(shape: number[], seed = 1): T =>
  tf.mul(floats(shape, seed), floats(shape, seed + 1)) as T;
const flags = (values: number[]) => tf.tensor1d(values, 'int32');

const cases: Record<string, () => tf.Tensor> = {
  'gatherND: elements': () => tf.gatherND(floats([4, 5]), ints<tf.Tensor>([0, 0, 3, 4, 1, 2, 3, 4], [4, 2])),
  'gatherND: rows': () => tf.gatherND(made([4, 3, 2]), ints<tf.Tensor>([3, 0, 3, 1], [4, 1])),
  'gatherND: batched, of a rank-4 tensor': () =>
    tf.gatherND(floats([2, 3, 2, 3]), ints<tf.Tensor>([0, 2, 1, 1, 0, 0, 1, 2, 1, 0, 0, 1], [2, 2, 3])),
  'gatherND: one index of rank 1': () => tf.gatherND(floats([3, 4, 2]), ints([2, 1])),
  'gatherND: one element by an index of rank 1': () => tf.gatherND(floats([3, 4]), ints([2, 1])),
  'gatherND: every index alike': () => tf.gatherND(floats([7, 3]), ints<tf.Tensor>([5, 5, 5], [3, 1])),
  'scatterND: duplicates add up': () => tf.scatterND(ints<tf.Tensor>([4, 0, 4, 1], [4, 1]), floats([4]), [6]),
  'scatterND: rows, and places of two coordinates': () =>
    tf.concat([
      tf.scatterND(ints<tf.Tensor>([1, 1, 0], [3, 1]), made([3, 2, 3]), [3, 2, 3]),
      tf.scatterND(ints<tf.Tensor>([0, 1, 2, 0, 0, 1], [3, 2]), floats([3, 3]), [3, 2, 3]),
    ]),
  'scatterND: indices of rank 1 and of rank 3': () =>
    tf.concat([
      tf.scatterND(ints([2, 0]), floats([2, 2]), [4, 2]),
      tf.scatterND(ints<tf.Tensor>([3, 1, 1, 0], [2, 2, 1]), floats([2, 2, 2]), [4, 2]),
    ]),
  'scatterND: many on one': () => tf.scatterND(ints(Array<number>(40).fill(1), [40, 1]), floats([40, 2]), [3, 2]),
  'tensorScatterUpdate: the last of duplicates stays': () =>
    tf.tensorScatterUpdate(floats([5]), ints<tf.Tensor>([4, 0, 4, 1], [4, 1]), floats([4], 3)),
  'tensorScatterUpdate: rows of a computed tensor': () =>
    tf.tensorScatterUpdate(made([4, 3]), ints<tf.Tensor>([2, 0], [2, 1]), floats([2, 3], 5)),
  'tensorScatterUpdate: elements, all of them and none of them': () =>
    tf.add(
      tf.tensorScatterUpdate(floats([2, 2]), ints<tf.Tensor>([0, 0, 0, 1, 1, 0, 1, 1], [4, 2]), floats([4], 3)),
      tf.tensorScatterUpdate(floats([2, 2], 9), ints<tf.Tensor>([], [0, 2]), tf.tensor1d([])),
    ),
  'sparseToDense: default 0': () => tf.sparseToDense(ints([4, 1, 3]), floats([3]), [6], tf.scalar(0)),
  'sparseToDense: a default, in two axes': () =>
    tf.sparseToDense(ints<tf.Tensor>([0, 1, 2, 2, 1, 0], [3, 2]), floats([3]), [3, 4], tf.scalar(-0.75)),
  'sparseToDense: one value for all places': () =>
    tf.sparseToDense(ints([0, 2]), tf.sum<tf.Scalar>(floats([3])), [4], tf.scalar(2)),
  'sparseToDense: a secret default': () =>
    tf.sparseToDense(ints([3, 0]), floats([2]), [4], tf.sum<tf.Scalar>(floats([3], 7))),
  'sparseToDense: the last of duplicates stays': () =>
    tf.sparseToDense(ints([1, 1, 1]), floats([3]), [3], tf.scalar(5)),
  'unsortedSegmentSum: ids out of range are dropped': () =>
    tf.unsortedSegmentSum(floats([5, 3]), ints([2, -1, 0, 2, 9]), 3),
  'unsortedSegmentSum: of a vector, with empty segments': () =>
    tf.unsortedSegmentSum(made([6]), ints([0, 3, 3, 0, 3, 0]), 5),
  'unsortedSegmentSum: one segment, of a rank-3 tensor': () =>
    tf.unsortedSegmentSum(floats([4, 2, 3]), ints([0, 0, 0, 0]), 1),
  'bincount with weights, some beyond the size': () => tf.bincount(ints([1, 4, 1, 0, 7]), floats([5]), 5),
  'denseBincount with weights, in rows': () =>
    tf.denseBincount(ints<tf.Tensor2D>([1, 2, 1, 0, 5, 2], [2, 3]), floats([2, 3]), 4),
  'denseBincount with weights, of one row': () => tf.denseBincount(ints([1, 2, 1, 0]), made([4]), 3),
  'a gather of rows as it was': () => tf.gather(floats([5, 3]), ints([4, 0, 4])),
  'a factor and a bias behind a scatter': () =>
    tf.add(tf.mul(tf.scatterND(ints<tf.Tensor>([2, 0], [2, 1]), floats([2, 3]), [3, 3]), 0.3), floats([3])),
};

for (const [name, f] of Object.entries(cases)) {
  test.serial(name, async (t) => {
    for (open of [false, true]) {
      const worst = await difference(f);
      t.true(worst <= 1e-3, `${open ? 'public' : 'own'} indices: off by ${worst}`);
    }
  });
}

test.serial('of nothing comes nothing, without a run', async (t) => {
  for (open of [false, true]) {
    t.deepEqual(await tf.scatterND(ints<tf.Tensor>([], [0, 1]), tf.tensor2d([], [0, 2]), [2, 2]).array(), [
      [0, 0],
      [0, 0],
    ]);
    t.deepEqual(await tf.unsortedSegmentSum(tf.tensor2d([], [0, 2]), ints([]), 1).array(), [[0, 0]] as never);
    t.deepEqual(tf.gatherND(floats([2, 3]), ints<tf.Tensor>([], [0, 1])).shape, [0, 3]);
  }
});

test.serial('what does not index into the tensor is refused with the call, whoever may know it', (t) => {
  for (open of [false, true]) {
    t.throws(() => tf.gatherND(floats([2, 2]), ints<tf.Tensor>([2, 0], [1, 2])), { message: /Invalid indices/ });
    t.throws(() => tf.gatherND(floats([2, 2]), ints<tf.Tensor>([0, -1], [1, 2])), { message: /Invalid indices/ });
    t.throws(() => tf.scatterND(ints<tf.Tensor>([4], [1, 1]), floats([1]), [4]), { message: /Invalid indices/ });
    t.throws(() => tf.tensorScatterUpdate(floats([2]), ints<tf.Tensor>([-1], [1, 1]), floats([1])), {
      message: /Invalid indices/,
    });
    t.throws(() => tf.sparseToDense(ints([4]), floats([1]), [4], tf.scalar(0)), { message: /Invalid indices/ });
    t.throws(() => tf.bincount(ints([1, -2]), floats([2]), 3), { message: /non-negative/ });
    t.throws(() => tf.denseBincount(ints<tf.Tensor2D>([1, -2], [2, 1]), floats([2, 1]), 3, true), {
      message: /non-negative/,
    });
  }
});

test.serial('sums of sparse segments: rows may be private, segments may not', async (t) => {
  const data = () => floats<tf.Tensor2D>([5, 2]);
  for (const sum of [tf.sparse.sparseSegmentSum, tf.sparse.sparseSegmentMean]) {
    for (open of [false, true]) {
      const f = () => {
        const ids = flags([0, 0, 2, 2, 2, 3]);
        if (tf.getBackend() === 'secformer') asPublic(ids);
        return sum(data(), ints([4, 1, 0, 4, 4, 2]), ids) as tf.Tensor;
      };
      const worst = await difference(f);
      t.true(worst <= 1e-3, `off by ${worst}`);
    }
    open = false;
    t.throws(() => sum(data(), ints([0, 1]), flags([0, 0])), {
      instanceOf: UnsupportedKernelError,
      message: /asPublic.*unsortedSegmentSum/,
    });
    const ids = asPublic(flags([0, 1]));
    t.throws(() => sum(data(), ints([0, 5]), ids), { message: /5 out of range/ });
  }
});

test.serial('counts without weights are as private as the numbers, and negative ones are an error', async (t) => {
  open = false;
  const x = () => ints<tf.Tensor2D>([1, 0, 1, 1, 3, 9], [2, 3]);
  const none = () => tf.tensor2d([], [0, 0]);
  t.is(await difference(() => tf.denseBincount(x(), none(), 4)), 0);
  t.is(await difference(() => tf.denseBincount(x(), none(), 4, true)), 0);
  t.is(await difference(() => tf.denseBincount(x(), floats([2, 3]), 4, true)), 0);
  t.true((await difference(() => tf.add(floats([4]), tf.denseBincount(x(), none(), 4)))) < 1e-3);
});

test.serial('a shape that was made of own values does not meet a secret, unless it is declared', async (t) => {
  const tokens = () => tf.tensor1d([5, 2, 5, 7, 2], 'int32');
  const { values } = tf.unique(tokens());
  t.deepEqual(Array.from(await values.data()), [5, 2, 7], 'on its own it is computed here');
  t.throws(() => tf.gather(floats([9, 2]), values as tf.Tensor1D), {
    code: 'SHAPE_NOT_PUBLIC',
    message: /'Unique'.*asPublic/s,
  });
  t.throws(() => tf.mul(floats([1, 3]), tf.reshape(tf.cast(values, 'float32'), [3, 1])), { code: 'SHAPE_NOT_PUBLIC' });
  const all = tf.mul(floats([2]), tf.cast(tf.max(values), 'float32'));
  t.true(Math.abs((await all.data())[0]! - 7 * (await floats([2]).data())[0]!) < 1e-3, 'a number has one shape');
  asPublic(values);
  t.deepEqual(tf.gather(floats([9, 2]), values as tf.Tensor1D).shape, [3, 2]);
  const open = asPublic(tokens());
  t.deepEqual(tf.gather(floats([9, 2]), tf.unique(open).values as tf.Tensor1D).shape, [3, 2]);
});

test.serial('sums that calibration has seen beyond the usual range are carried', async (t) => {
  const f = (rows: number[]) =>
    tf.scatterND(
      ints(rows, [rows.length, 1]),
      tf.tensor2d(new Float32Array(2 * rows.length).fill(9000), [rows.length, 2]),
      [4, 2],
    );
  const x = () => tf.mul(tf.tensor1d(sample(2, 1, 2)), 1);
  const model = (rows: number[]) => tf.mul(f(rows), x());
  open = false;
  const rows = [0, 3, 3, 3, 3, 3, 3];
  const calibration = await calibrate(model, [rows]);
  protocols({ calibration });
  t.teardown(() => protocols());
  const got = await tf.tidy(() => model(rows)).data();
  const [a] = await x().data();
  t.true(Math.abs(got[6]! - 54_000 * a!) < 8, `${got[6]} for ${54_000 * a!}`);
});
