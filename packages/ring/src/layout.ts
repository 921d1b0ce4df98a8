import { scratch } from './arena.js';
import type { Kernels } from './kernels.js';
import { sizeOf, type Words } from './words.js';

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) out[i] = (out[i + 1] as number) * (shape[i + 1] as number);
  return out;
}

/** A strided copy as a new array; `Kernels.gather` says which. */
export function gatherStrided(
  kernels: Kernels,
  a: Words,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Words {
  const out = scratch(sizeOf(shape));
  kernels.gather(out, a, shape, strides, offset);
  return out;
}

/** Strides that read `shape` broadcast to `target` (NumPy's rules). */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : (own[i - lead] as number)));
}

/** `a` of shape `shape` expanded to `target`; the same array where nothing has to be repeated. */
export function broadcastTo(kernels: Kernels, a: Words, shape: readonly number[], target: readonly number[]): Words {
  if (sizeOf(shape) === sizeOf(target)) return a;
  return gatherStrided(kernels, a, target, broadcastStrides(shape, target));
}
