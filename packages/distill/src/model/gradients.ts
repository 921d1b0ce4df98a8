/**
 * Gradients that backends lack, or compute slowly: those of a table's rows (WebAssembly has no UnsortedSegmentSum, and
 * the plain backend's takes a pass over the batch for each row of the table), and of products of matrices
 * (WebAssembly's fast product takes no transposed operands). They give what TensorFlow.js's own give.
 */
import * as tf from '@tensorflow/tfjs';

type Gradient = tf.GradConfig['gradFunc'];

/** Rows of `dy` added up at the row of the table that each was read from. */
function scattered(dy: tf.Tensor, rows: tf.Tensor, shape: number[]): tf.Tensor {
  const [from, at] = [dy.dataSync(), rows.dataSync()];
  const width = shape.slice(1).reduce((a, b) => a * b, 1);
  const sum = new Float32Array(shape[0]! * width);
  for (let r = 0; r < at.length; r++) {
    const [to, row] = [at[r]! * width, r * width];
    for (let i = 0; i < width; i++) sum[to + i] = sum[to + i]! + from[row + i]!;
  }
  return tf.tensor(sum, shape, 'float32');
}

const gather =
  (own: Gradient): Gradient =>
  (dy, saved, attrs) => {
    const [x, indices] = saved as [tf.Tensor, tf.Tensor];
    const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number };
    if (axis !== 0 || batchDims !== 0) return own(dy, saved, attrs);
    return { x: () => scattered(dy as tf.Tensor, indices, x.shape), indices: () => indices };
  };

const turned = (x: tf.Tensor): tf.Tensor => {
  const axes = x.shape.map((_, i) => i);
  return tf.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

const product =
  (own: Gradient): Gradient =>
  (dy, saved, attrs) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
    if (tf.getBackend() !== 'wasm' || transposeA) return own(dy, saved, attrs);
    const d = dy as tf.Tensor;
    return {
      a: () => tf.matMul(d, transposeB ? b : turned(b)),
      b: () => (transposeB ? tf.matMul(turned(d), a) : tf.matMul(turned(a), d)),
    };
  };

let there = false;

/** Puts them in the place of TensorFlow.js's, for the whole process. */
export function registerGradients(): void {
  if (there) return;
  there = true;
  for (const [kernelName, made] of [
    ['GatherV2', gather],
    ['BatchMatMul', product],
  ] as const) {
    const own = tf.getGradient(kernelName);
    tf.registerGradient({ ...own, gradFunc: made(own.gradFunc) });
  }
}
