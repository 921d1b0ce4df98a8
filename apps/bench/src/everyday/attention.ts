/** Attention as models write it, and pooling over the tokens that are kept. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { causal, negative, ROWS } from './masks.js';
import { type Answer, computed, normal, type Program, programs } from './program.js';

const four = () => computed(normal([2, 2, 3, 3], 5));
const layers: Record<string, () => Answer> = {
  '4-D scores, [batch, 1, 1, n]': () => tf.softmax(four().add(negative(tf.tensor4d([1, 1, 0, 1, 0, 0], [2, 1, 1, 3])))),
  '4-D scores, a mask of rank 2 expanded twice': () =>
    tf.softmax(
      four().add(
        negative(
          tf
            .tensor2d(
              [
                [1, 1, 0],
                [1, 0, 0],
              ],
              [2, 3],
              'int32',
            )
            .expandDims(1)
            .expandDims(2)
            .toFloat(),
          -1e4,
        ),
      ),
    ),
  '4-D scores, where, causal': () =>
    tf.softmax(tf.where(causal().toBool().reshape([1, 1, 3, 3]).tile([2, 2, 1, 1]), four(), tf.scalar(-1e9))),
  '4-D scores, padding and causal': () =>
    tf.softmax(
      four().add(negative(tf.minimum(tf.tensor4d([1, 1, 0, 1, 0, 0], [2, 1, 1, 3]), causal().reshape([1, 1, 3, 3])))),
    ),
  'tf.layers.softmax with a mask': () =>
    tf.layers.softmax({ axis: -1 }).apply(computed(tf.tensor2d(ROWS)), {
      mask: tf.tensor2d(
        [
          [1, 1, 0],
          [1, 0, 1],
          [1, 1, 1],
        ],
        [3, 3],
        'bool',
      ),
    }) as Tensor,
  'tf.layers.softmax with a mask of floats': () =>
    tf.layers.softmax({ axis: -1 }).apply(computed(tf.tensor2d(ROWS)), {
      mask: tf.tensor2d([
        [1, 1, 0],
        [1, 0, 1],
        [1, 1, 1],
      ]),
    }) as Tensor,
  'tf.layers.softmax with a mask, own scores': () =>
    tf.tidy(() => tf.layers.softmax({ axis: -1 }).apply(tf.tensor2d(ROWS), { mask: causal().toBool() }) as Tensor),
  'an attention head, causal': () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([4, 8], seed) as Tensor2D);
    const r = tf.range(0, 4);
    const scores = q!.matMul(k!, false, true).div(Math.sqrt(8));
    return tf.softmax(scores.add(r.expandDims(0).greater(r.expandDims(1)).toFloat().mul(-1e9))).matMul(v!);
  },
  'an attention head, tidy, padded': () =>
    tf.tidy(() => {
      const [q, k, v] = [1, 2, 3].map((seed) => normal([2, 4, 8], seed));
      const scores = tf.matMul(q!, k!, false, true).div(tf.scalar(Math.sqrt(8)));
      const mask = tf
        .tensor2d([
          [1, 1, 1, 0],
          [1, 1, 0, 0],
        ])
        .expandDims(1);
      return tf.matMul(tf.softmax(scores.add(tf.sub(1, mask).mul(-1e4))), v!);
    }),
  'heads by einsum, masked': () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([1, 4, 2, 4], seed));
    const scores = tf.einsum('bqhd,bkhd->bhqk', q!, k!).mul(0.5);
    const p = tf.softmax(scores.add(tf.sub(1, tf.tensor4d([1, 1, 1, 0], [1, 1, 1, 4])).mul(-1e9)));
    return tf.einsum('bhqk,bkhd->bqhd', p, v!);
  },
  'mean pooling over what is kept': () => {
    const h = computed(normal([2, 4, 8], 3));
    const m = tf
      .tensor2d([
        [1, 1, 1, 0],
        [1, 0, 0, 0],
      ])
      .expandDims(-1);
    return h
      .mul(m)
      .sum(1)
      .div(tf.maximum(m.sum(1), 1e-9));
  },
  'mean pooling, int32 mask': () => {
    const h = computed(normal([2, 4, 8], 3));
    const m = tf
      .tensor2d(
        [
          [1, 1, 1, 0],
          [1, 0, 0, 0],
        ],
        [2, 4],
        'int32',
      )
      .expandDims(-1)
      .toFloat();
    return tf.div(h.mul(m).sum(1), tf.clipByValue(m.sum(1), 1e-9, Infinity));
  },
  'max pooling over what is kept': () => {
    const h = computed(normal([2, 4, 8], 3));
    const m = tf
      .tensor2d([
        [1, 1, 1, 0],
        [1, 0, 0, 0],
      ])
      .expandDims(-1);
    return h.add(m.sub(1).mul(1e9)).max(1);
  },
  'attention pooling of tokens': () => {
    const h = computed(normal([2, 4, 8], 3));
    const w = h
      .reshape([8, 8])
      .matMul(normal([8, 1], 9) as Tensor2D)
      .reshape([2, 4]);
    const p = tf.softmax(
      tf.where(
        tf
          .tensor2d([
            [1, 1, 1, 0],
            [1, 0, 0, 0],
          ])
          .toBool(),
        w,
        tf.fill([2, 4], -1e9),
      ),
    );
    return h.mul(p.expandDims(-1)).sum(1);
  },
};

export const attention: Program[] = programs('attention', layers);
