/** Values far below or above all others, wherever they go after a condition or a sum has made them. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { type Answer, computed, declaredPublic, type Program, programs, refused } from './program.js';

const ROWS = [
  [1, 2, 3],
  [3, 1, 0.5],
];
const KEEP = [
  [1, 1, 0],
  [1, 0, 1],
];

const scores = () => computed(tf.tensor2d(ROWS));
const keep = () => tf.tensor2d(KEEP, [2, 3], 'bool');
const floats = () => tf.tensor2d(KEEP);
const chosen = (far = -1e9) => tf.where(keep(), scores(), far);
/** numbers of the caller's that nobody said are a mask */
const literal = () =>
  tf.tensor2d([
    [0, 0, -1e9],
    [0, -1e9, 0],
  ]);
const shared = (values: number[] = [0, 0, -1e9]) => declaredPublic(tf.tensor1d(values));

/** What is read after a condition has put something far away in a place. */
const moved: Record<string, (x: Tensor2D) => Answer> = {
  'as it is': (x) => x,
  slice: (x) => x.slice([0, 1], [2, 2]),
  'slice of a row': (x) => x.slice([1, 0], [1, 3]).squeeze(),
  unstack: (x) => tf.unstack(x),
  reverse: (x) => x.reverse(1),
  'concat with scores': (x) => tf.concat([x, scores()], 0),
  'stack with itself': (x) => tf.stack([x, x]),
  split: (x) => tf.split(x, 3, 1),
  tile: (x) => x.tile([2, 1]),
  'tile of columns': (x) => x.tile([1, 2]),
  pad: (x) =>
    x.pad([
      [0, 0],
      [1, 1],
    ]),
  'sum of rows': (x) => x.sum(-1),
  'sum of columns': (x) => x.sum(0),
  mean: (x) => x.mean(1),
  'gather of columns': (x) => x.gather([2, 0], 1),
  'gather of rows': (x) => x.gather(tf.tensor1d([1, 0], 'int32')),
  transpose: (x) => x.transpose().slice([1, 0], [2, 2]),
  'softmax of the reverse': (x) => tf.softmax(x.reverse(1)),
  'softmax of a slice': (x) => tf.softmax(x.slice([0, 0], [2, 3]).reshape([1, 2, 3])),
  'largest of the reverse': (x) => x.reverse(1).max(-1),
  'place of the largest': (x) => x.gather([2, 0, 1], 1).argMax(1),
  'largest after pad': (x) =>
    x
      .pad(
        [
          [0, 0],
          [1, 1],
        ],
        -1e9,
      )
      .max(1),
  'relu of a slice': (x) => x.slice([0, 1], [2, 2]).relu(),
  'topk of the reverse': (x) => {
    const { values, indices } = tf.topk(x.reverse(1), 2);
    return [values, indices];
  },
  logSumExp: (x) => x.reverse(1).logSumExp(1),
};

const after = (name: string, x: () => Tensor, far?: Record<string, string>): Program[] =>
  programs(
    'far',
    Object.fromEntries(
      Object.entries(moved).map(([what, f]) => {
        const run = () => f(x() as Tensor2D);
        return [`${name}; ${what}`, far?.[what] ? refused(far[what], run) : run];
      }),
    ),
  );

const sums: Record<string, () => Answer> = {
  'equal to what was chosen, −1e9': () => chosen().equal(-1e9),
  'equal to what was chosen, −2e4': () => chosen(-2e4).equal(-2e4),
  'not equal to what was chosen': () => chosen(-1e6).notEqual(tf.scalar(-1e6)),
  'less than what few are': () => chosen().less(-1e8),
  'less than what few scores are': () => scores().add(floats().sub(1).mul(1e9)).less(-1e8),
  'chosen above, reverse, largest': () => tf.where(keep(), scores(), 100).reverse(1).max(-1),
  'log-sum-exp of a sum with the bias': () => scores().add(shared()).logSumExp(1),
  'weights of a sum that something else takes too': () => {
    const z = scores().add(floats().sub(1).mul(1e9));
    return [tf.softmax(z), z.max(1), z.argMax(1)];
  },
  'rows of a mask, looked up': () => tf.softmax(scores().add(floats().gather([1, 0]).sub(1).mul(1e9))),
  'rows of a mask of three axes, looked up': () =>
    tf.softmax(
      scores()
        .expandDims(0)
        .add(
          floats()
            .gather(tf.tensor1d([1, 0], 'int32'))
            .sub(1)
            .mul(1e9)
            .expandDims(0),
        ),
    ),
  'rows of a bias, looked up': () => tf.softmax(scores().add(floats().sub(1).mul(1e9).gather([1, 0]))),
  'rows of masked scores, looked up': () => tf.softmax(scores().add(floats().sub(1).mul(1e9)).gather([1, 0])),
  'of step': () => tf.softmax(scores().add(tf.step(scores().sub(1.5)).sub(1).mul(1e9))),
  'of logicalNot of what is greater': () =>
    tf.softmax(scores().add(tf.logicalNot(scores().greater(1.5)).cast('float32').mul(-1e9))),
  'where a score is greater': () => tf.softmax(tf.where(scores().greater(0.9), scores(), tf.fill([2, 3], -1e9))),
  'where a score is less': () => tf.softmax(tf.where(scores().less(0.9), -1e9, scores())),
  'of step, a row masked altogether': () =>
    tf.softmax(
      scores().add(
        tf
          .step(scores().sub(tf.tensor2d([[1.5], [9]])))
          .sub(1)
          .mul(1e9),
      ),
    ),
  'of greater, a row masked altogether': () =>
    tf.softmax(
      scores().sub(
        scores()
          .less(tf.tensor2d([[1.5], [9]]))
          .cast('float32')
          .mul(1e9),
      ),
    ),
  'of greater, a row masked altogether, place of the largest': () =>
    scores()
      .sub(
        scores()
          .less(tf.tensor2d([[1.5], [9]]))
          .cast('float32')
          .mul(1e9)
          .reshape([2, 3]),
      )
      .argMax(1),
  'mask of a row by −1e5': () =>
    tf.softmax(
      scores().add(
        floats()
          .mul(tf.tensor2d([[1], [0]]))
          .sub(1)
          .mul(1e5),
      ),
    ),
};

const readFirst: { [name: string]: Parameters<typeof programs>[1][string] } = {};
const SUMS: Record<string, () => Tensor> = {
  'float mask': () => scores().add(floats().sub(1).mul(1e9)),
  'literal mask': () => scores().add(literal()),
  where: () => chosen(),
  'public bias': () => scores().add(shared()),
};
for (const [name, sum] of Object.entries(SUMS)) {
  const may =
    name === 'literal mask'
      ? (run: () => Promise<Answer>) => refused('VALUE_OUT_OF_RANGE', run)
      : (run: () => Promise<Answer>) => run;
  readFirst[`${name}, read before its softmax`] = may(async () => {
    const z = sum();
    const p = tf.softmax(z);
    return [Array.from(await z.data()), p];
  });
  readFirst[`${name}, its softmax recorded after it was read`] = async () => {
    const z = sum();
    const read = Array.from(await z.data());
    return [read, tf.softmax(z), z.max(1)];
  };
  readFirst[`${name}, both read at once`] = may(async () => {
    const z = sum();
    const p = tf.softmax(z);
    const [a, b] = await Promise.all([z.data(), p.data()]);
    return [Array.from(a), Array.from(b)];
  });
}

const product = (v: number[]) => computed(tf.tensor1d(v).expandDims(0)).squeeze([0]);

/** Sums that are larger than one of their sides has room for, and fractions beside whole numbers. */
const beside: Record<string, () => Answer> = {
  'a scaled product and 3000, relu': () =>
    tf
      .matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[1], [2]]))
      .div(16)
      .add(tf.tensor1d([3000]))
      .relu(),
  'a product by 2^−16 and small values, relu': () =>
    product([1, 2, 3, 4])
      .mul(2 ** -16)
      .add(product([5, -5, 3, 1]))
      .relu(),
  'scaled scores and a mask, place of the largest': () => scores().div(4).add(floats().sub(1).mul(1e9)).argMax(1),
  'scaled scores and a mask, largest': () => scores().div(16).add(floats().sub(1).mul(1e9)).max(1),
  'scaled scores and a mask, sigmoid': () => scores().div(64).add(floats().sub(1).mul(1e9)).sigmoid(),
  'scaled scores and a mask, softmax': () => scores().div(64).add(floats().sub(1).mul(1e9)).softmax(),
  'scaled scores less a bias, abs': () =>
    scores()
      .div(32)
      .sub(tf.tensor1d([1000, 2000, 4000]))
      .abs(),
  'a bit less a half, abs': () => scores().step().sub(0.5).abs(),
  'a place less one and a half, abs': () => scores().argMax(1).cast('float32').sub(1.5).abs(),
  'a bit or a half': () => tf.stack([scores().greater(1.5).cast('float32').maximum(0.5), scores().step().minimum(0.5)]),
  'a bit equal to what it is not': () => [
    scores().step().equal(0.9),
    scores().step().notEqual(0.5),
    scores().argMax(1).equal(0.4),
  ],
  'exponentials of bits': () => [scores().sub(1.5).step().exp(), scores().sign().exp(), scores().floor().exp()],
  'one minus twice a bit, times': () => tf.sub(1, scores().greater(1.5).cast('float32').mul(2)).mul(scores()),
  'label smoothing': () =>
    tf
      .oneHot(scores().argMax(1), 3)
      .cast('float32')
      .mul(0.9)
      .add(0.1 / 3)
      .mul(scores().logSoftmax())
      .sum(1),
  'where of an int32 and a float': () => tf.where(scores().greater(1.5), tf.zeros([2, 3], 'int32'), scores()),
};

/** Numbers that nobody's shares hold. */
const lost: Record<string, () => Answer> = {
  'NaN chosen before softmax': () => tf.softmax(tf.where(keep(), scores(), NaN)),
  'NaN chosen before logSoftmax': () => tf.logSoftmax(tf.where(keep(), scores(), tf.fill([2, 3], NaN))),
  'least of a sum with −1e9': () => scores().add(-1e9).min(-1),
  'exp of what is far above': () =>
    scores()
      .add(shared([0, 0, 1e5]))
      .exp(),
  'relu of what is far above': () =>
    scores()
      .add(shared([0, 0, 1e5]))
      .reverse(1)
      .relu(),
  'largest of what is far above': () => tf.where(keep(), scores(), 1e5).reverse(1).max(-1),
  'secret choice, read': () => tf.where(scores().greater(1.5), scores(), -1e9),
  'secret choice, compared': () => tf.where(scores().greater(1.5), scores(), -1e9).less(-1e8),
  'scores and bits times −1e9, read': () => scores().add(scores().step().sub(1).mul(1e9)),
  'a product times −1e4, largest': () => scores().mul(-1e4).max(1),
  'clip of masked scores at −Infinity': () => chosen().reverse(1).clipByValue(-Infinity, 2.3),
  'padded with 1e5, squared': () =>
    scores()
      .pad(
        [
          [0, 0],
          [0, 1],
        ],
        1e5,
      )
      .square(),
  'bits times 1e9, largest': () => scores().greater(1.5).cast('float32').mul(1e9).add(scores()).max(1),
  'times 1e9, largest': () => scores().mul(1e9).max(1),
  'rectified, times 1e9, largest': () => scores().relu().mul(1e9).max(1),
  'rectified, times 1e6, relu': () => scores().relu().mul(1e6).relu(),
  'times 1e9, place of the largest': () => scores().mul(1e9).argMax(1),
  'times 1e6, relu': () => scores().mul(1e6).relu(),
  'times 1e6, less': () => scores().mul(1e6).less(2e6),
  'times 1e5, topk': () => tf.topk(scores().mul(1e5), 2).values,
};

export const farValues: Program[] = [
  ...after('chosen, −1e9', () => chosen()),
  ...after('chosen, −1e5', () => chosen(-1e5)),
  ...after('public bias', () => scores().add(shared())),
  ...after('float mask', () => scores().add(floats().sub(1).mul(1e9))),
  ...programs('far', sums),
  ...programs('beside', beside),
  ...programs('far', readFirst),
  ...programs(
    'far',
    Object.fromEntries(Object.entries(lost).map(([name, run]) => [name, refused('VALUE_OUT_OF_RANGE', run)])),
  ),
];
