/**
 * Rows by indices that are results themselves, such as the place of a maximum: nobody knows them, and taking rows, or
 * adding them up by place, costs a product with rows of zeros and a one that the nodes make of each index. An index
 * outside takes zeros, as on a GPU, and comes to no place.
 */
import { sizeOf } from '@secformer/ring';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { SecretKernel } from './kernel.js';
import { combined, plus, reshaped, times } from './nodes.js';

/** Zeros, and a one in each row where a secret whole number says. */
export function oneHotOf(index: SecretNode, depth: number): SecretNode {
  return new SecretNode('oneHotOf', [index], [...index.shape, depth], { depth });
}

/**
 * Rows of tables [batch, depth, width], or of one that all have in common.
 * @param index [batch, rows]; of one table [rows]
 * @returns [batch, rows, width]; of one table [rows, width]
 */
export function taken(tables: SecretNode, index: SecretNode): SecretNode {
  const [depth, width] = tables.shape.slice(-2) as [number, number];
  const attrs = { transposeA: false, transposeB: false };
  return new SecretNode('matMul', [oneHotOf(index, depth), tables], [...index.shape, width], attrs);
}

/**
 * Elements of a tensor by secret coordinates [count, depth]: one axis after another, of what those before have chosen.
 */
export function takenByCoordinates(x: SecretNode, coordinates: SecretNode): SecretNode {
  const [count, depth] = coordinates.shape as [number, number];
  const along = (axis: number) => new SecretNode('slice', [coordinates], [count, 1], { begin: [0, axis] });
  const rest = (axis: number) => sizeOf(x.shape.slice(axis + 1));
  let rows = taken(reshaped(x, [x.shape[0]!, rest(0)]), reshaped(along(0), [count]));
  for (let axis = 1; axis < depth; axis++)
    rows = taken(reshaped(rows, [count, x.shape[axis]!, rest(axis)]), along(axis));
  return reshaped(rows, [count, rest(depth - 1)]);
}

/**
 * One-hot rows [count, places] of secret coordinates [count, depth] in a shape, of the product of its sizes; zeros
 * where one of them is outside.
 */
export function hotAt(coordinates: SecretNode, shape: readonly number[]): SecretNode {
  const [count, depth] = coordinates.shape as [number, number];
  const along = (axis: number) =>
    reshaped(new SecretNode('slice', [coordinates], [count, 1], { begin: [0, axis] }), [count]);
  let hot = oneHotOf(along(0), shape[0]!);
  for (let axis = 1; axis < depth; axis++) {
    const [places, size] = [hot.shape[1]!, shape[axis]!];
    const outer = combined(
      'mul',
      reshaped(hot, [count, places, 1]),
      reshaped(oneHotOf(along(axis), size), [count, 1, size]),
    );
    hot = reshaped(outer, [count, places * size]);
  }
  return hot;
}

/** Sums of the rows of x [batch, n, width] that come to each place, by their one-hot rows [batch, n, places]. */
export function addedAt(x: SecretNode, hot: SecretNode): SecretNode {
  return new SecretNode('matMul', [hot, x], [x.shape[0]!, hot.shape[2]!, x.shape[2]!], {
    transposeA: true,
    transposeB: false,
  });
}

export const OneHot: SecretKernel = ({ inputs, attrs, backend }) => {
  const indices = inputs.indices as TensorInfo;
  const { depth, onValue, offValue, dtype } = attrs as unknown as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: TensorInfo['dtype'];
  };
  const hot = oneHotOf(backend.node(indices), depth);
  // As they fit into a tensor of that type
  const fitting = (v: number) => (dtype === 'int32' ? Math.trunc(v) : dtype === 'bool' ? Number(v !== 0) : v);
  const [on, off] = [fitting(onValue ?? 1), fitting(offValue ?? 0)];
  return backend.secret(on === 1 && off === 0 ? hot : plus(times(hot, on - off), off), dtype ?? 'float32');
};
