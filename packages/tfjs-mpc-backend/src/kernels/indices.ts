/**
 * Integers that say where elements go or come from: a public tensor's may shape the program, own ones stay in this
 * process.
 */
import { stridesOf } from '@secformer/ring';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type KernelCall, UnsupportedKernelError } from './kernel.js';

/** Integers that the client knows; `hidden` ones must reach the nodes as masked inputs only. */
export interface Integers {
  values: Int32Array;
  hidden: boolean;
}

/** @throws UnsupportedKernelError where they are secret shares, which nobody knows */
export function integersOf({ backend }: KernelCall, t: TensorInfo, kernel: string): Integers {
  const privacy = backend.privacy(t);
  if (privacy === 'secret')
    throw new UnsupportedKernelError(kernel, 'needs indices that are not secret shares; int32 tensors stay local');
  const { values } = privacy === 'public' ? backend.plain(t) : backend.ownPlain(t);
  return { values: Int32Array.from(values as ArrayLike<number>), hidden: privacy !== 'public' };
}

/** Row numbers of `count` N-dimensional indices of `depth` coordinates each. */
export function flatRows(
  indices: Int32Array,
  count: number,
  depth: number,
  shape: readonly number[],
  kernel: string,
): Int32Array {
  const strides = stridesOf(shape.slice(0, depth));
  return Int32Array.from({ length: count }, (_, r) => {
    let row = 0;
    for (let d = 0; d < depth; d++) {
      const i = indices[r * depth + d]!;
      if (!(i >= 0 && i < shape[d]!))
        throw new Error(
          `Invalid indices: ${indices.slice(r * depth, (r + 1) * depth)} does not index into ${shape} (${kernel})`,
        );
      row += i * strides[d]!;
    }
    return row;
  });
}
