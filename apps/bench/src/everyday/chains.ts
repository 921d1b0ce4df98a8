/** Long programs, and loops. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { computed, normal, type Program, programs } from './program.js';

const start = () =>
  computed(
    tf.tensor2d([
      [0.5, -0.25],
      [1, 2],
    ]),
  );

export const chains: Program[] = programs('chains', {
  '2,000 additions before a read': () => {
    let y: Tensor = start();
    for (let i = 0; i < 2000; i++) y = y.add(0.001);
    return y;
  },
  '2,000 additions of a tensor': () => {
    let y: Tensor = start();
    const step = tf.tensor1d([0.001, -0.001]);
    for (let i = 0; i < 2000; i++) y = tf.tidy(() => y.add(step));
    return y;
  },
  '2,000 reshapes and transposes': () => {
    let y: Tensor = start();
    for (let i = 0; i < 1000; i++) y = y.transpose().reshape([2, 2]);
    return y;
  },
  'a variable assigned 2,000 times': () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    for (let i = 0; i < 2000; i++) v.assign(tf.tidy(() => v.mul(0.999).add(0.001)));
    return v.clone();
  },
  'a chain of 5,000 that is never read': () => {
    let y: Tensor = start();
    for (let i = 0; i < 5000; i++) {
      const next = y.add(1);
      y.dispose();
      y = next;
    }
    y.dispose();
    return start();
  },
  '500 tensors stacked': () => tf.stack(Array.from({ length: 500 }, (_, i) => tf.tensor1d([i / 1000, 1]))).mean(0),
  'a sum of 100 computed tensors': () => tf.addN(Array.from({ length: 100 }, (_, i) => start().mul(i / 1000))),
  '30 residual steps of tanh': () => {
    let y: Tensor = start();
    for (let i = 0; i < 30; i++) y = y.add(tf.tanh(y.mul(0.1)));
    return y;
  },
  'exponential moving average': () => {
    let average: Tensor = tf.zeros([4]);
    const x = normal([50, 4], 3);
    for (const row of tf.unstack(x)) average = average.mul(0.9).add(row.mul(0.1));
    return average;
  },
  'power iteration': () => {
    const a = tf.tensor2d([
      [2, 1],
      [1, 3],
    ]);
    let v: Tensor = tf.tensor2d([[1], [0]]);
    for (let i = 0; i < 8; i++) {
      v = a.matMul(v as never);
      v = v.div(tf.norm(v));
    }
    return v;
  },
  'a linear recurrence of 100 products': () => {
    let h: Tensor = normal([1, 4], 1);
    const w = tf.eye(4).mul(0.9) as Tensor;
    for (let i = 0; i < 100; i++) h = h.matMul(w as never);
    return h;
  },
  'tf.basicLSTMCell, 4 steps': () => {
    let [c, h]: [Tensor, Tensor] = [tf.zeros([1, 3]), tf.zeros([1, 3])];
    for (let i = 0; i < 4; i++)
      [c, h] = tf.basicLSTMCell(
        tf.scalar(1),
        normal([5, 12], 2, 0.5) as never,
        normal([12], 3) as never,
        normal([1, 2], i + 5) as never,
        c as never,
        h as never,
      );
    return [c, h];
  },
});
