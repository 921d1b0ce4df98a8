/**
 * Masks of scores, in every way that people write one: by comparison, by product, by select, of floats, integers and
 * booleans.
 */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { type Answer, computed, declaredPublic, type Program, programs } from './program.js';

type Masked = (scores: Tensor) => Answer;

export const ROWS = [
  [1, 2, 3],
  [3, 1, 0.5],
  [0.25, 2, -1],
];

const KEEP = [[1, 1, 0]];

/** Scores of a model, everything kept in scope; and the caller's own, in tidy. */
function bothWays(topic: string, forms: Readonly<Record<string, Masked>>): Program[] {
  return Object.entries(forms).flatMap(([name, f]) =>
    programs(topic, {
      [`${name}; scores of a product`]: () => f(computed(tf.tensor2d(ROWS))),
      [`${name}; own scores, tidy`]: () => tf.tidy(() => f(tf.tensor2d(ROWS)) as Tensor),
    }),
  );
}

export const causal = () => tf.linalg.bandPart(tf.ones([3, 3]), -1, 0);
export const negative = (keep: Tensor, by = -1e9) => tf.sub(1, keep).mul(by);

const written: Record<string, Masked> = {
  'bandPart of ones less eye': (s) =>
    tf.softmax(
      s.add(
        tf.linalg
          .bandPart(tf.ones([3, 3]), 0, -1)
          .sub(tf.eye(3))
          .mul(-1e9),
      ),
    ),
  '1 − bandPart of ones': (s) => tf.softmax(s.add(tf.sub(1, causal()).mul(-1e9))),
  'times the mask, plus what is left': (s) => s.mul(causal()).add(negative(causal())).softmax(),
  'range against range, float': (s) => {
    const r = tf.range(0, 3);
    return tf.softmax(s.add(r.expandDims(0).greater(r.expandDims(1)).cast('float32').mul(-1e9)));
  },
  'range against range, int32, where': (s) => {
    const r = tf.range(0, 3, 1, 'int32');
    return tf.softmax(tf.where(r.expandDims(1).greaterEqual(r), s, tf.fill([3, 3], -1e9)));
  },
  'range at most a number': (s) => tf.softmax(s.add(negative(tf.range(0, 3).lessEqual(1).toFloat()))),
  'cumulative sum of eye': (s) => tf.softmax(s.add(negative(tf.cumsum(tf.eye(3), 1).transpose()))),
  'float mask, −1e4': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP), -1e4))),
  'float mask, −1e9': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP)))),
  'float mask, −3.4e38': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP), -3.4e38))),
  'float mask less 1, times 1e9': (s) => tf.softmax(s.add(tf.tensor2d(KEEP).sub(1).mul(1e9))),
  'scores less a big mask': (s) => tf.softmax(s.sub(tf.sub(1, tf.tensor2d(KEEP)).mul(1e30))),
  'int32 mask': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP, [1, 3], 'int32')))),
  'int32 mask, −1e4': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP, [1, 3], 'int32').toFloat(), -10000))),
  'bool mask, logicalNot': (s) =>
    tf.softmax(
      s.add(
        tf
          .logicalNot(tf.tensor2d(KEEP, [1, 3], 'bool'))
          .toFloat()
          .mul(-1e9),
      ),
    ),
  'public int32 mask': (s) => tf.softmax(s.add(negative(declaredPublic(tf.tensor2d(KEEP, [1, 3], 'int32'))))),
  'public float mask, −1e4': (s) => tf.softmax(s.add(negative(declaredPublic(tf.tensor2d(KEEP)), -1e4))),
  'public bool mask, where': (s) =>
    tf.softmax(tf.where(declaredPublic(tf.tensor2d(KEEP, [1, 3], 'bool')), s, tf.scalar(-1e9))),
  'the bias itself, −1e9': (s) => tf.softmax(s.add(tf.tensor2d([[0, 0, -1e9]]))),
  'the bias itself, −1e4': (s) => tf.softmax(s.add(tf.tensor1d([0, 0, -1e4]))),
  'the bias itself, −Infinity': (s) => tf.softmax(s.add(tf.tensor2d([[0, 0, -Infinity]]))),
  'the bias itself, lowest float': (s) => tf.softmax(s.add(tf.tensor2d([[0, 0, -3.4028234663852886e38]]))),
  'the bias first': (s) => tf.softmax(tf.tensor2d([[0, 0, -1e9]]).add(s)),
  'where, fill −1e9': (s) => tf.softmax(tf.where(tf.tensor2d(KEEP, [1, 3], 'bool'), s, tf.fill([3, 3], -1e9))),
  'where, fill −1e4': (s) => tf.softmax(tf.where(tf.tensor2d(KEEP, [1, 3], 'bool'), s, tf.fill([1, 3], -1e4))),
  'where, −Infinity': (s) => tf.softmax(tf.where(tf.tensor2d(KEEP, [1, 3], 'bool'), s, -Infinity)),
  'where, fill −Infinity': (s) => tf.softmax(tf.where(causal().toBool(), s, tf.fill([3, 3], -Infinity))),
  'where, lowest float': (s) => tf.softmax(tf.where(causal().greater(0), s, tf.scalar(-3.4028234663852886e38))),
  'where, onesLike of the scores': (s) => tf.softmax(tf.where(causal().cast('bool'), s, tf.onesLike(s).mul(-1e9))),
  'where, the other way round': (s) => tf.softmax(tf.where(causal().equal(0), tf.fill([3, 3], -1e9), s)),
  'where of zero and −Infinity, added': (s) =>
    tf.softmax(s.add(tf.where(causal().equal(1), tf.scalar(0), tf.scalar(-Infinity)))),
  'where of zerosLike and −1e9, added': (s) =>
    tf.softmax(s.add(tf.where(causal().equal(1), tf.zeros([3, 3]), tf.fill([3, 3], -1e9)))),
  'log of the mask': (s) => tf.softmax(s.add(tf.log(tf.tensor2d(KEEP)))),
  'log of the mask plus little': (s) => tf.softmax(s.add(tf.log(tf.tensor2d(KEEP).add(1e-30)))),
  'padding and causal': (s) =>
    tf.softmax(s.add(negative(tf.logicalAnd(tf.tensor2d(KEEP, [1, 3], 'bool'), causal().cast('bool')).toFloat()))),
  'padding times causal, floats': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP).mul(causal())))),
  'lowest of two masks': (s) => tf.softmax(s.add(tf.minimum(negative(tf.tensor2d(KEEP)), negative(causal())))),
  'as long as lengths say': (s) =>
    tf.softmax(
      s.add(
        negative(
          tf
            .range(0, 3)
            .expandDims(0)
            .less(tf.tensor1d([2, 3, 1]).expandDims(1))
            .toFloat(),
        ),
      ),
    ),
  'as long as int32 lengths say': (s) =>
    tf.softmax(tf.where(tf.range(0, 3, 1, 'int32').less(tf.tensor2d([[2], [3], [1]], [3, 1], 'int32')), s, -1e9)),
  'ids that are not padding': (s) =>
    tf.softmax(
      s.add(
        negative(
          tf
            .tensor2d([[7, 4, 0]], [1, 3], 'int32')
            .notEqual(0)
            .toFloat(),
        ),
      ),
    ),
  'float ids that are not padding': (s) =>
    tf.softmax(
      s.add(
        tf
          .tensor2d([[7, 4, 0]])
          .equal(0)
          .toFloat()
          .mul(-1e9),
      ),
    ),
  'of a buffer': (s) => {
    const mask = tf.buffer([3, 3]);
    for (let i = 0; i < 3; i++) for (let j = i + 1; j < 3; j++) mask.set(-1e9, i, j);
    return tf.softmax(s.add(mask.toTensor()));
  },
  'of oneHot': (s) =>
    tf.softmax(
      s.add(
        tf
          .oneHot(tf.tensor1d([2], 'int32'), 3)
          .toFloat()
          .mul(-1e9),
      ),
    ),
  'of a number by oneHot': (s) => tf.softmax(s.add(tf.oneHot(2, 3).cast('float32').mul(-1e4))),
  'a window around the diagonal': (s) => tf.softmax(s.add(negative(tf.linalg.bandPart(tf.ones([3, 3]), 1, 0)))),
  'a prefix or causal': (s) => tf.softmax(s.add(negative(tf.maximum(causal(), tf.tensor2d([[1, 1, 0]]))))),
  'outer product by expandDims': (s) => {
    const m = tf.tensor1d([1, 1, 0]);
    return tf.softmax(s.add(negative(m.expandDims(1).mul(m.expandDims(0)))));
  },
  'outer product by matMul': (s) => {
    const m = tf.tensor1d([1, 1, 0]);
    return tf.softmax(s.add(negative(m.reshape([3, 1]).matMul(m.reshape([1, 3])))));
  },
  'outer product by einsum': (s) => {
    const m = tf.tensor1d([1, 1, 0]);
    return tf.softmax(s.add(negative(tf.einsum('i,j->ij', m, m))));
  },
  'through tile and reshape': (s) => tf.softmax(s.add(negative(tf.tensor1d([1, 1, 0]).reshape([1, 3]).tile([3, 1])))),
  'through broadcastTo': (s) => tf.softmax(s.add(negative(tf.tensor1d([1, 1, 0])).broadcastTo([3, 3]))),
  'through stack': (s) =>
    tf.softmax(s.add(negative(tf.stack([tf.tensor1d([1, 1, 0]), tf.tensor1d([1, 0, 0]), tf.ones([3])])))),
  'through concat of ones and zeros': (s) =>
    tf.softmax(s.add(negative(tf.concat([tf.ones([3, 2]), tf.zeros([3, 1])], 1)))),
  'through pad': (s) =>
    tf.softmax(
      s.add(
        negative(
          tf.pad(tf.ones([3, 2]), [
            [0, 0],
            [0, 1],
          ]),
        ),
      ),
    ),
  'through gather of rows': (s) => tf.softmax(s.add(negative(tf.gather(causal(), tf.tensor1d([1, 1, 0], 'int32'))))),
  'through slice': (s) => tf.softmax(s.add(negative(tf.linalg.bandPart(tf.ones([5, 5]), -1, 0)).slice([0, 0], [3, 3]))),
  'through reverse and transpose': (s) => tf.softmax(s.add(tf.reverse(negative(causal()), [0, 1]).transpose())),
  'one after the other': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP))).add(negative(causal()))),
  'two of −1e4, summed first': (s) =>
    tf.softmax(s.add(negative(tf.tensor2d(KEEP), -1e4).add(negative(causal(), -1e4)))),
  'then a bias': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP))).add(tf.tensor1d([0.5, -0.5, 1]))),
  'after a bias': (s) => tf.softmax(s.add(tf.tensor1d([0.5, -0.5, 1])).add(negative(tf.tensor2d(KEEP)))),
  'before the scale': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP))).div(Math.sqrt(8))),
  'before a scale by product': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP), -1e4)).mul(0.125)),
  'after the scale': (s) => tf.softmax(s.div(tf.sqrt(tf.scalar(8))).add(negative(tf.tensor2d(KEEP)))),
  'behind reshape': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP))).reshape([1, 3, 3])),
  'behind transpose': (s) => tf.softmax(s.add(negative(tf.tensor2d([[1], [1], [0]]))).transpose()),
  'behind slice': (s) => tf.softmax(s.add(negative(causal())).slice([1, 0], [2, 3])),
  'behind tile': (s) =>
    tf.softmax(
      s
        .add(negative(tf.tensor2d(KEEP)))
        .expandDims(0)
        .tile([2, 1, 1]),
    ),
  'behind concat': (s) => tf.softmax(tf.concat([s.add(negative(tf.tensor2d(KEEP))), s], 1)),
  'twice: the weights masked once more': (s) => tf.softmax(s.add(negative(tf.tensor2d(KEEP)))).mul(tf.tensor2d(KEEP)),
  'a row masked altogether': (s) =>
    tf.softmax(
      s.add(
        negative(
          tf.tensor2d([
            [0, 0, 0],
            [1, 1, 0],
            [1, 1, 1],
          ]),
        ),
      ),
    ),
  'a row masked altogether by where': (s) =>
    tf.softmax(
      tf.where(
        tf
          .tensor2d([
            [0, 0, 0],
            [1, 1, 0],
            [1, 1, 1],
          ])
          .toBool(),
        s,
        -1e9,
      ),
    ),
  'softmax times mask, normalised again': (s) => {
    const p = tf.softmax(s).mul(tf.tensor2d(KEEP));
    return p.div(p.sum(-1, true));
  },
  'exponentials times mask': (s) => {
    const e = tf.exp(s.sub(s.max(-1, true))).mul(causal());
    return e.div(e.sum(-1, true));
  },
  'distances (ALiBi) and causal': (s) => {
    const r = tf.range(0, 3);
    const distance = r.expandDims(0).sub(r.expandDims(1));
    return tf.softmax(s.add(distance.mul(0.5)).add(negative(causal())));
  },
  'a mask that hides nothing': (s) => tf.softmax(s.add(negative(tf.ones([1, 3])))),
  'the weights read, and their context': (s) => {
    const p = tf.softmax(s.add(negative(tf.tensor2d(KEEP))));
    return [p, p.matMul(tf.tensor2d(ROWS))];
  },
};

/** What stands above the mask, other than a softmax directly on it. */
const consumers: Record<string, Masked> = {
  logSoftmax: (s) => tf.logSoftmax(s.add(negative(tf.tensor2d(KEEP)))).slice([0, 0], [3, 2]),
  'logSoftmax, −1e4': (s) => tf.logSoftmax(s.add(negative(tf.tensor2d(KEEP), -1e4))).slice([0, 0], [3, 2]),
  'logSoftmax by where': (s) => tf.logSoftmax(tf.where(causal().toBool(), s, -1e9)).slice([2, 0], [1, 3]),
  logSumExp: (s) => tf.logSumExp(s.add(negative(tf.tensor2d(KEEP))), -1),
  argMax: (s) => tf.argMax(s.add(negative(tf.tensor2d(KEEP))), -1),
  'argMax, −1e4': (s) => tf.argMax(s.add(negative(tf.tensor2d(KEEP), -1e4)), -1),
  'argMin of the opposite': (s) => tf.argMin(s.add(tf.sub(1, tf.tensor2d(KEEP)).mul(1e9)), -1),
  max: (s) => tf.max(s.add(negative(tf.tensor2d(KEEP))), -1),
  'max by where, −Infinity': (s) => tf.max(tf.where(causal().toBool(), s, -Infinity), -1),
  'max pooling of tokens': (s) => s.add(negative(tf.tensor2d([[1], [1], [0]]))).max(0),
  min: (s) => tf.min(s.add(tf.sub(1, tf.tensor2d(KEEP)).mul(1e9)), -1),
  'topk values': (s) => tf.topk(s.add(negative(tf.tensor2d(KEEP))), 2).values,
  'topk indices': (s) => tf.topk(s.add(negative(tf.tensor2d(KEEP), -1e4)), 2).indices,
  sigmoid: (s) => tf.sigmoid(s.add(negative(tf.tensor2d(KEEP)))),
  'sigmoid, −1e4': (s) => tf.sigmoid(s.add(negative(tf.tensor2d(KEEP), -1e4))),
  relu: (s) => tf.relu(s.add(negative(tf.tensor2d(KEEP)))),
  exp: (s) => tf.exp(s.add(negative(tf.tensor2d(KEEP)))),
  tanh: (s) => tf.tanh(s.add(negative(tf.tensor2d(KEEP), -1e4))),
  'softmax written out': (s) => {
    const m = s.add(negative(tf.tensor2d(KEEP)));
    const e = m.sub(m.max(-1, true)).exp();
    return e.div(e.sum(-1, true));
  },
  'softmax written out without its maximum': (s) => {
    const e = s.add(negative(tf.tensor2d(KEEP))).exp();
    return e.div(e.sum(-1, true));
  },
  'softmax along the first axis, by transpose': (s) =>
    tf.softmax(s.add(negative(tf.tensor2d([[1], [1], [0]]))).transpose()).transpose(),
  'cross entropy of masked logits': (s) =>
    tf.losses.softmaxCrossEntropy(
      tf.eye(3).slice([0, 0], [2, 3]),
      s.add(negative(tf.tensor2d([[1, 1, 0]]))).slice([0, 0], [2, 3]),
    ),
  'greater than a number': (s) => s.add(negative(tf.tensor2d(KEEP))).greater(0.75),
};

export const masks: Program[] = [...bothWays('mask', written), ...bothWays('masked', consumers)];
