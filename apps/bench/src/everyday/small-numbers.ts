/** Constants and values below the resolution: epsilons, small norms, small learning rates. */
import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../quiet-tfjs.js';
import { type Answer, computed, normal, type Program, programs, refused, within } from './program.js';

type Of = (x: (values: number[]) => Tensor) => Answer;

/** Largest errors where values that the nodes have computed are so small that their 16 fractional bits show. */
const COARSE: Readonly<Record<string, number>> = {
  // 0.001 is 65.5 units, which is half a unit off
  'l2-normalised by maximum(norm, 1e-12)': 6e-3,
  'squares of small values, summed': 6e-3,
  // Products of 2e-4 are 13 units
  'cosine of short vectors': 2e-2,
};

function bothWays(forms: Readonly<Record<string, Of>>): Program[] {
  return Object.entries(forms).flatMap(([name, f]) =>
    programs('small numbers', {
      [`${name}, own`]: () => f((values) => tf.tensor1d(values)),
      [`${name}, computed`]: {
        run: () => f((values) => computed(tf.tensor1d(values))),
        refusal: 'RANGE_LEFT',
        ...(name in COARSE && { tolerance: COARSE[name]! }),
      },
    }),
  );
}

const unit = (x: Tensor, epsilon: number): Tensor => x.div(tf.maximum(tf.norm(x, 2, -1, true), epsilon));
const layerNorm = (x: Tensor, epsilon: number): Tensor => {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).div(variance.add(epsilon).sqrt());
};

export const smallNumbers: Program[] = [
  ...bothWays({
    'l2-normalised by maximum(norm, 1e-12)': (x) => unit(x([0.001, 0.002, 0]), 1e-12),
    'l2-normalised with an epsilon of 1e-8': (x) => unit(x([0.01, 0.02, -0.01]), 1e-8),
    'l2-normalised by rsqrt of the squares': (x) => {
      const v = x([0.003, 0.004, 0]);
      return v.mul(v.square().sum().add(1e-12).rsqrt());
    },
    'l2-normalised by rsqrt of a maximum': (x) => {
      const v = x([0.03, 0.04, 0]);
      return v.mul(tf.rsqrt(tf.maximum(v.square().sum(), 1e-12)));
    },
    'variance of equal values plus 1e-12, rsqrt': (x) =>
      tf
        .moments(x([2, 2, 2]))
        .variance.add(1e-12)
        .rsqrt(),
    'variance plus 1e-12, rsqrt': (x) =>
      tf
        .moments(x([1, 2, 3]))
        .variance.add(1e-12)
        .rsqrt(),
    'log of x + 1e-7 at 0': (x) => tf.log(x([0, 0.5]).add(1e-7)),
    'log of a clipped probability': (x) => tf.log(tf.clipByValue(x([0, 0.5, 1]), 1e-7, 1 - 1e-7)),
    'log of maximum(p, epsilon)': (x) => tf.log(tf.maximum(x([0, 0.25]), tf.backend().epsilon())),
    'division by x + 1e-8': (x) => x([1, 2]).div(x([0.5, 4]).add(1e-8)),
    'division by x + 1e-8 at 0': (x) => x([0, 2]).div(x([0, 4]).add(1e-8)),
    'cosine of short vectors': (x) => {
      const [a, b] = [x([0.01, 0.02, 0.01]), x([0.02, 0.01, 0.01])];
      return a
        .mul(b)
        .sum()
        .div(tf.norm(a).mul(tf.norm(b)).add(1e-8));
    },
    'times 3e-6, then times 1000': (x) => x([1000, 500]).mul(3e-6).mul(1000),
    'times 1e-4': (x) => x([100, 5000]).mul(1e-4),
    'over 1e5': (x) => x([16000, 100]).div(1e5).mul(1e4),
    'activations around 0.01 in a LayerNorm': (x) => layerNorm(x([0.01, -0.02, 0.015, 0]).reshape([1, 4]), 1e-12),
    'activations around 0.01 in a LayerNorm of epsilon 1e-5': (x) =>
      layerNorm(x([0.01, -0.02, 0.015, 0]).reshape([1, 4]), 1e-5),
    'equal values in a LayerNorm': (x) => layerNorm(x([0.5, 0.5, 0.5, 0.5]).reshape([1, 4]), 1e-12),
    'softmax plus 1e-9, logarithm': (x) =>
      tf
        .softmax(x([3, 1, 0.2]))
        .add(1e-9)
        .log(),
    'sum over itself plus 1e-6': (x) => {
      const p = x([0.2, 0.3, 0.1]);
      return p.div(p.sum().add(1e-6));
    },
    'root of squares plus 1e-10': (x) => tf.sqrt(x([0, 3]).square().add(1e-10)),
    'squares of small values, summed': (x) => x([0.001, 0.002]).square().sum().mul(1e6),
  }),
  ...programs('small numbers', {
    'weights of 1e-5': refused('VALUE_TOO_SMALL', () =>
      tf
        .tensor2d(new Float32Array(100).fill(100), [1, 100])
        .matMul(tf.tensor2d(new Float32Array(200).fill(1e-5), [100, 2])),
    ),
    // 0.0025 is 164 units
    'rows of norm 0.01, normalised': within(6e-3, () => {
      const x = normal([4, 16], 3, 0.0025).matMul(tf.eye(16) as never);
      return x.div(tf.norm(x, 2, 1, true));
    }),
    'embeddings of a model, normalised': () => {
      const x = normal([4, 16], 3).matMul(normal([16, 32], 4, 0.25) as never);
      return unit(x, 1e-12);
    },
    'LayerNorm of a model, epsilon 1e-12': () =>
      layerNorm(normal([4, 16], 3).matMul(normal([16, 32], 4, 0.25) as never), 1e-12),
    'RMSNorm of a model, epsilon 1e-6': () => {
      const x = normal([4, 16], 3).matMul(normal([16, 32], 4, 0.25) as never);
      return x.mul(x.square().mean(-1, true).add(1e-6).rsqrt());
    },
    'cosine similarity of two embeddings': () => {
      const [a, b] = [normal([1, 32], 5), normal([1, 32], 6)];
      return tf.matMul(unit(a, 1e-12), unit(b, 1e-12), false, true);
    },
    'cosine similarity of two computed embeddings': () => {
      const [a, b] = [5, 6].map((seed) => normal([1, 16], seed).matMul(normal([16, 32], 7, 0.25) as never));
      return a!
        .mul(b!)
        .sum(-1)
        .div(tf.norm(a!, 2, -1).mul(tf.norm(b!, 2, -1)));
    },
    'losses.cosineDistance of own unit vectors': () =>
      tf.losses.cosineDistance(tf.tensor2d([[0.6, 0.8]]), tf.tensor2d([[0.8, 0.6]]), 1),
    'a gradient step by hand, rate 1e-3': () => {
      const [w, x, y] = [normal([4, 1], 1), normal([8, 4], 2), normal([8, 1], 3)];
      const error = x.matMul(w as never).sub(y);
      return w.sub(tf.matMul(x as never, error as never, true).mul(1e-3));
    },
  }),
];
