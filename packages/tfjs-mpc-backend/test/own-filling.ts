/** Values that the client alone knows, in fillings that differ in all but their shapes. */
import * as tf from '@tensorflow/tfjs';
import { sample } from './harness.js';

/** What the client alone knows: one filling of it for each variant of a case. */
export class Own {
  #next: number;
  readonly #variant: number;

  constructor(variant: number) {
    this.#variant = variant;
    this.#next = 1 + 1000 * variant;
  }

  static readonly variants = 7;

  /** Integers in [0, below): zeros, ones, in order, all alike, others. */
  ints<T = tf.Tensor1D>(shape: number[], below: number): T {
    const n = shape.reduce((a, b) => a * b, 1);
    const random = sample(n, 0, below - 1e-3, this.#next++).map(Math.floor);
    const kinds: ((i: number) => number)[] = [
      () => 0,
      () => Math.min(1, below - 1),
      (i) => i % below,
      () => below - 1,
      (i) => random[i]!,
      (i) => below - 1 - (i % below),
    ];
    const kind = kinds[this.#variant] ?? ((i: number) => random[n - 1 - i]!);
    return tf.tensor(
      Int32Array.from({ length: n }, (_, i) => kind(i)),
      shape,
      'int32',
    ) as T;
  }

  /**
   * Floats that were integers, masks of all sizes: local. The number is public, and that it is far from 0 may be seen.
   */
  mask<T = tf.Tensor>(shape: number[]): T {
    const far = [-10_000, -1e9, -3.4e38, -8192, -1e6, -32_768, -1e4][this.#variant]!;
    return tf.mul(tf.cast(this.ints<tf.Tensor>(shape, 2), 'float32'), far) as T;
  }

  /** The same times a small number. */
  bias<T = tf.Tensor>(shape: number[]): T {
    return tf.mul(
      tf.cast(this.ints<tf.Tensor>(shape, 3), 'float32'),
      [1, -1000, 0.5, -4000, 3, 0, -1][this.#variant]!,
    ) as T;
  }

  bits<T = tf.Tensor>(shape: number[]): T {
    return tf.cast(this.ints<tf.Tensor>(shape, 2), 'bool') as T;
  }

  /** Floats that the caller wrote: secret. */
  floats<T = tf.Tensor>(shape: number[]): T {
    const n = shape.reduce((a, b) => a * b, 1);
    const random = sample(n, -3, 3, this.#next++);
    const kinds: ((i: number) => number)[] = [
      () => 0,
      () => 1,
      (i) => random[i]!,
      (i) => (i % 2 ? -1e9 : 0),
      (i) => (random[i]! > 0 ? 1 : 0),
      () => -1e4,
    ];
    const kind = kinds[this.#variant] ?? ((i: number) => 1000 * random[i]!);
    return tf.tensor(
      Float32Array.from({ length: n }, (_, i) => kind(i)),
      shape,
    ) as T;
  }

  /** A secret that a written tensor and a local one went into. */
  x<T = tf.Tensor>(shape: number[]): T {
    const n = shape.reduce((a, b) => a * b, 1);
    const product = tf.matMul(this.floats<tf.Tensor2D>([1, 2]), this.floats<tf.Tensor2D>([2, n]));
    return tf.add(tf.reshape(product, shape), this.bias<tf.Tensor>(shape)) as T;
  }

  /** Secret bits. */
  flags(shape: number[]): tf.Tensor {
    return tf.greater(this.x<tf.Tensor>(shape), this.mask<tf.Tensor>(shape));
  }
}
