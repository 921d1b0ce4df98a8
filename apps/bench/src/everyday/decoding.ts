/** Indices that are results themselves: greedy decoding, the best of k, routing. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, normal, type Program, programs, refused } from './program.js';
import { seeded } from './seeded.js';

const logits = () => computed(normal([3, 7], 4));
const table = () => normal([7, 4], 5);

export const decoding: Program[] = programs('decoding', {
  'embedding of the best': () => tf.gather(table(), tf.argMax(logits(), -1)),
  'embedding of the best of one row': () => tf.gather(table(), tf.argMax(logits().slice([0, 0], [1, 7]), -1)),
  'embedding of the best, a scalar index': () =>
    tf.gather(table(), tf.argMax(logits().slice([0, 0], [1, 7]).reshape([7]))),
  'oneHot of the best': () => tf.oneHot(tf.argMax(logits(), -1) as never, 7),
  'oneHot of the best, on and off': () => tf.oneHot(tf.argMax(logits(), -1) as never, 7, 0.9, 0.1),
  'oneHot of the best, on and off, as floats': () =>
    tf.oneHot(tf.argMax(logits(), -1) as never, 7, 0.9, 0.1, 'float32'),
  'oneHot of the best times a table': () =>
    tf
      .oneHot(tf.argMax(logits(), -1) as never, 7)
      .toFloat()
      .matMul(table() as never),
  'oneHot of the best two': () => tf.oneHot(tf.topk(logits(), 2).indices, 7),
  'embedding of the best three': () => tf.gather(table(), tf.topk(logits(), 3).indices),
  'embedding of the worst': () => tf.gather(table(), tf.argMin(logits(), -1)),
  'the best label of a public table': () =>
    tf.gather(tf.tensor1d([10, 20, 30, 40, 50, 60, 70]), tf.argMax(logits(), -1)),
  'the best label of int32 labels': () =>
    tf.gather(tf.tensor1d([10, 20, 30, 40, 50, 60, 70], 'int32'), tf.argMax(logits(), -1)),
  'columns of the best': () => tf.gather(normal([4, 7], 6), tf.argMax(logits(), -1), 1),
  'the score of the best, batched': () => tf.gather(logits(), tf.argMax(logits(), -1).expandDims(1), 1, 1),
  'a secret index plus one': () => tf.gather(normal([9, 4], 5), tf.argMax(logits(), -1).add(tf.scalar(1, 'int32'))),
  'a secret float index, rounded': () => tf.gather(table(), tf.round(computed(tf.tensor1d([1.2, 5.7, 0]))).toInt()),
  'a secret index of a comparison': () => tf.gather(normal([2, 4], 5), logits().max(-1).greater(1.2).toInt()),
  'a secret bucket by floor': () =>
    tf.gather(table(), tf.floor(tf.sigmoid(logits().slice([0, 0], [3, 1]).reshape([3])).mul(7)).toInt()),
  'a table of three rows': () => tf.gather(normal([3, 5], 5), tf.argMax(logits().slice([0, 0], [3, 3]), -1)),
  'a table of one row': () => tf.gather(normal([1, 5], 5), tf.argMax(logits().slice([0, 0], [3, 1]), -1)),
  'a table of 300 rows': () => tf.gather(normal([300, 4], 5), tf.argMax(logits(), -1).mul(tf.scalar(40, 'int32'))),
  'three greedy steps': () => {
    const [w, e] = [normal([4, 7], 1), table()];
    let state = computed(normal([1, 4], 2));
    const tokens = [];
    for (let i = 0; i < 3; i++) {
      const best = tf.argMax(state.matMul(w as never), -1);
      tokens.push(best);
      state = state.mul(0.5).add(tf.gather(e, best));
    }
    return [tf.stack(tokens), state];
  },
  'gatherND by what is best': () => {
    const best = tf.argMax(logits(), -1);
    return tf.gatherND(logits(), tf.stack([tf.range(0, 3, 1, 'int32'), best], 1));
  },
  'the expert of each token': () => {
    const x = computed(normal([3, 4], 8));
    const routed = tf.oneHot(tf.argMax(x.matMul(normal([4, 2], 9) as never), -1) as never, 2).toFloat();
    const experts = tf.stack([x.mul(2), x.neg()], 1);
    return experts.mul(routed.expandDims(-1)).sum(1);
  },
  'the codebook entry that is nearest': () => {
    const [x, book] = [computed(normal([3, 4], 8)), normal([6, 4], 9)];
    const distances = x
      .square()
      .sum(1, true)
      .sub(x.matMul(book as never, false, true).mul(2))
      .add(book.square().sum(1));
    return tf.gather(book, tf.argMin(distances, 1));
  },
  'an embedding layer on the best': () =>
    seeded(tf.sequential({ layers: [tf.layers.embedding({ inputDim: 7, outputDim: 3, inputLength: 3 })] })).predict(
      tf.argMax(logits(), -1).expandDims(0),
    ) as Tensor,
  'how often each label is the best': () => tf.bincount(tf.argMax(logits(), -1) as never, [] as never, 7),
  'sums of what each label is the best of': () => tf.unsortedSegmentSum(logits(), tf.argMax(logits(), -1) as never, 7),
  'scores back at their places': () => tf.scatterND(tf.argMax(logits(), -1).expandDims(1), logits().max(-1), [7]),
  'the best two kept, the others masked': () => {
    const { values } = tf.topk(logits(), 2);
    return tf.softmax(tf.where(logits().less(values.slice([0, 1], [3, 1])), tf.fill([3, 7], -1e9), logits()));
  },
  'beams: the best two of a batch, their states': () => {
    const states = computed(normal([3, 4], 2));
    const { indices } = tf.topk(logits().max(-1), 2);
    return tf.gather(states, indices);
  },
  'temperature, then the best': () => tf.argMax(logits().div(0.7), -1),
  'the second best, the best taken out': () => {
    const best = tf.oneHot(tf.argMax(logits(), -1) as never, 7).toFloat();
    return tf.argMax(logits().sub(best.mul(1e9)), -1);
  },
  'confusion matrix of predictions': () =>
    tf.math.confusionMatrix(tf.tensor1d([0, 3, 6], 'int32'), tf.argMax(logits(), -1) as never, 7),
  'rows where a secret is true': refused('UNSUPPORTED_KERNEL', async () => tf.whereAsync(logits().greater(0))),
  'rows kept by a secret mask': refused('UNSUPPORTED_KERNEL', async () =>
    tf.booleanMaskAsync(logits(), logits().max(1).greater(1)),
  ),
  'boxes kept by a suppression of secrets': refused('UNSUPPORTED_KERNEL', async () =>
    tf.image.nonMaxSuppressionAsync(
      computed(
        tf.tensor2d([
          [0, 0, 1, 1],
          [0, 0, 0.9, 1],
          [2, 2, 3, 3],
        ]),
      ),
      computed(tf.tensor1d([0.9, 0.8, 0.7])),
      2,
    ),
  ),
  'unique of secrets': refused('UNSUPPORTED_KERNEL', () => tf.unique(tf.argMax(logits(), -1)).values),
  'a choice of secrets by multinomial': refused('UNSUPPORTED_KERNEL', () => tf.multinomial(logits() as never, 1, 7)),
  'read, then written as int32': async () =>
    tf.gather(table(), tf.tensor1d(Array.from(await tf.argMax(logits(), -1).data()), 'int32')),
  'read, then used as it is': async () => {
    const best = tf.argMax(logits(), -1);
    await best.data();
    return tf.gather(table(), best);
  },
});
