/**
 * Ids and indices as people have them: float32 from a buffer or padded lists, cast, made by cumsum or range, of any
 * shape.
 */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, declaredPublic, normal, type Program, programs, refused } from './program.js';
import { seeded } from './seeded.js';

const table = () => normal([10, 4], 3);
const embedding = () =>
  seeded(tf.sequential({ layers: [tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 5 })] }));

export const ids: Program[] = programs('ids', {
  'embedding layer by float ids': () => embedding().predict(tf.tensor2d([[3, 7, 1, 0, 0]])) as Tensor,
  'embedding layer by int32 ids': () => embedding().predict(tf.tensor2d([[3, 7, 1, 0, 0]], [1, 5], 'int32')) as Tensor,
  'embedding layer by ids of a buffer': () => {
    const buffer = tf.buffer([1, 5]);
    [3, 7, 1].forEach((id, i) => void buffer.set(id, 0, i));
    return embedding().predict(buffer.toTensor()) as Tensor;
  },
  'embedding layer by padded lists': () => {
    const padded = [
      [3, 7],
      [1, 2, 9],
    ].map((s) => [...s, ...new Array(5 - s.length).fill(0)]);
    return embedding().predict(tf.tensor2d(padded)) as Tensor;
  },
  'embedding layer by zeros': () => embedding().predict(tf.zeros([1, 5])) as Tensor,
  'embedding layer by ids made by tf.pad': () =>
    embedding().predict(
      tf.pad(tf.tensor2d([[3, 7, 1]]), [
        [0, 0],
        [0, 2],
      ]),
    ) as Tensor,
  'gather by a list of ids': () => tf.gather(table(), [1, 2]),
  'gather by floats cast': () => tf.gather(table(), tf.tensor1d([1, 2]).toInt()),
  'gather by floats rounded': () => tf.gather(table(), tf.tensor1d([1.4, 2.6]).round().toInt()),
  'gather by floats that are cut': () => tf.gather(table(), tf.tensor1d([1.4, 2.6]).toInt()),
  'gather by ids of rank 2': () =>
    tf.gather(
      table(),
      tf
        .tensor2d([
          [1, 2],
          [9, 0],
        ])
        .toInt(),
    ),
  'gather by ids plus an offset': () => tf.gather(table(), tf.tensor1d([1, 2]).add(2).toInt()),
  'gather by ids where known, else 0': () => {
    const x = tf.tensor1d([1, 12, 3]);
    return tf.gather(table(), tf.where(x.less(10), x, tf.zerosLike(x)).toInt());
  },
  'gather by public float ids': () => tf.gather(table(), declaredPublic(tf.tensor1d([1, 2])).toInt()),
  'gather along the last axis': () => tf.gather(table(), tf.tensor1d([3, 0]).toInt(), 1),
  'gather with batchDims, float ids': () =>
    tf.gather(
      normal([2, 5, 3], 4),
      tf
        .tensor2d([
          [1, 2],
          [4, 0],
        ])
        .toInt(),
      1,
      1,
    ),
  'gather of a computed table by float ids': () => tf.gather(computed(table()), tf.tensor1d([5, 5, 0]).toInt()),
  'gather by range': () => tf.gather(table(), tf.range(0, 4, 1, 'int32')),
  'gather by float range, cast': () => tf.gather(table(), tf.range(8, 4, -2).toInt()),
  'positions by cumsum of a float mask': () => {
    const mask = tf.tensor2d([[1, 1, 1, 0]]);
    return tf.gather(table(), tf.cumsum(mask, 1).mul(mask).add(1).toInt());
  },
  'positions by cumsum of an int32 mask, exclusive': () =>
    tf.gather(table(), tf.cumsum(tf.tensor2d([[1, 1, 1, 0]], [1, 4], 'int32'), 1, true)),
  'positions added to words': () =>
    tf.gather(table(), tf.tensor2d([[4, 2, 7]]).toInt()).add(tf.gather(normal([6, 4], 5), tf.range(0, 3, 1, 'int32'))),
  'relative positions': () => {
    const r = tf.range(0, 4);
    return tf.gather(normal([7, 2], 5), r.expandDims(0).sub(r.expandDims(1)).add(3).toInt());
  },
  'buckets by floor of a quotient': () => tf.gather(table(), tf.tensor1d([11, 37, 95]).div(10).floor().toInt()),
  'buckets by floorDiv': () =>
    tf.gather(table(), tf.floorDiv(tf.tensor1d([11, 37, 95], 'int32'), tf.scalar(10, 'int32'))),
  'hashed by mod': () => tf.gather(table(), tf.mod(tf.tensor1d([11, 37, 95], 'int32'), tf.scalar(10, 'int32'))),
  'the last real token of each row': () => {
    const h = computed(normal([2, 4, 3], 6));
    const last = tf
      .tensor2d([
        [1, 1, 1, 0],
        [1, 0, 0, 0],
      ])
      .sum(1)
      .sub(1)
      .toInt();
    return tf.gather(h, last.expandDims(1), 1, 1);
  },
  'the last real token by oneHot': () => {
    const h = computed(normal([2, 4, 3], 6));
    const last = tf
      .tensor2d([
        [1, 1, 1, 0],
        [1, 0, 0, 0],
      ])
      .sum(1)
      .sub(1)
      .toInt();
    return h.mul(tf.oneHot(last, 4).toFloat().expandDims(-1)).sum(1);
  },
  'oneHot of floats cast': () => tf.oneHot(tf.tensor1d([0, 2, 1]).toInt(), 3),
  'oneHot of int32 times secrets': () =>
    tf
      .oneHot(tf.tensor1d([0, 2, 1], 'int32'), 3)
      .toFloat()
      .matMul(normal([3, 2], 1) as never),
  'oneHot of float ids times secrets': () =>
    tf
      .oneHot(tf.tensor1d([0, 2, 1]).toInt(), 3)
      .toFloat()
      .matMul(normal([3, 2], 1) as never),
  'oneHot with values on and off': () => tf.oneHot(tf.tensor1d([0, 2]).toInt(), 3, 0.9, 0.05),
  'oneHot of a float tensor by comparison': () =>
    tf
      .tensor1d([0, 2, 1])
      .expandDims(1)
      .equal(tf.range(0, 3))
      .toFloat()
      .matMul(normal([3, 2], 1) as never),
  'gatherND by floats cast': () =>
    tf.gatherND(
      table(),
      tf
        .tensor2d([
          [0, 1],
          [3, 2],
        ])
        .toInt(),
    ),
  'gatherND by int32': () =>
    tf.gatherND(
      computed(table()),
      tf.tensor2d(
        [
          [0, 1],
          [3, 2],
        ],
        [2, 2],
        'int32',
      ),
    ),
  'scatterND at floats cast': () => tf.scatterND(tf.tensor2d([[0], [3]]).toInt(), computed(normal([2, 3], 1)), [5, 3]),
  'unsortedSegmentSum by floats cast': () =>
    tf.unsortedSegmentSum(computed(normal([4, 2], 1)), tf.tensor1d([0, 1, 0, 2]).toInt(), 3),
  'bincount of floats cast': () => tf.bincount(tf.tensor1d([0, 1, 1, 2]).toInt(), tf.tensor1d([]), 4),
  'a row by slice, its number computed': () =>
    table().slice([tf.tensor1d([1, 4, 2]).toInt().max().dataSync()[0]!, 0], [1, 4]),
  'rows by booleanMask of own flags': refused('SHAPE_NOT_PUBLIC', async () =>
    computed(await tf.booleanMaskAsync(table(), tf.tensor1d([1, 0, 1, 0, 0, 0, 1, 0, 0, 0], 'bool'))),
  ),
  'token types by zerosLike of float ids': () =>
    tf.gather(normal([2, 4], 8), tf.zerosLike(tf.tensor2d([[4, 2, 7]])).toInt()),
  'ids reversed and concatenated': () =>
    tf.gather(table(), tf.concat([tf.tensor1d([1, 2]), tf.reverse(tf.tensor1d([3, 4]))]).toInt()),
  'ids sorted by topk': () => tf.gather(table(), tf.topk(tf.tensor1d([1, 5, 2]), 3).indices),
  'argMax of own values as an index': () =>
    tf.gather(
      table(),
      tf.argMax(
        tf.tensor2d([
          [1, 5, 2],
          [3, 0, 0],
        ]),
        1,
      ),
    ),
  'a batch shuffled by own indices': () =>
    tf.gather(normal([4, 3], 2), tf.tensor1d(new Float32Array([2, 0, 3, 1])).toInt()),
});
