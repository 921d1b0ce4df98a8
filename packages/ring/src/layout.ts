import { halvesOf, sizeOf, type Words } from './words.js';

/** Row-major strides of a shape. */
export function stridesOf(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) out[i] = (out[i + 1] as number) * (shape[i + 1] as number);
  return out;
}

/**
 * A strided copy: out of shape `shape` takes its element at index (i0, i1, …) from offset + Σ ij·strides[j]. Stride 0 broadcasts,
 * so transpose, slice, tile and broadcast are all this. Runs of stride 1 are copied as blocks.
 */
export function gatherStrided(a: Words, shape: readonly number[], strides: readonly number[], offset = 0): Words {
  const n = sizeOf(shape);
  const out = new BigUint64Array(n);
  if (n === 0) return out;
  const from = halvesOf(a);
  const to = halvesOf(out);
  const rank = shape.length;
  const inner = rank === 0 ? 1 : (shape[rank - 1] as number);
  const step = rank === 0 ? 1 : (strides[rank - 1] as number);
  const index = new Array<number>(Math.max(0, rank - 1)).fill(0);
  let base = offset;
  for (let at = 0; at < n; at += inner) {
    if (step === 1) {
      if (inner >= 16) {
        out.set(a.subarray(base, base + inner), at);
      } else {
        for (let j = 0; j < 2 * inner; j++) to[2 * at + j] = from[2 * base + j] as number;
      }
    } else {
      let p = 2 * base;
      for (let j = 2 * at, end = 2 * (at + inner); j < end; j += 2, p += 2 * step) {
        to[j] = from[p] as number;
        to[j + 1] = from[p + 1] as number;
      }
    }
    for (let d = rank - 2; d >= 0; d--) {
      base += strides[d] as number;
      const next = (index[d] as number) + 1;
      if (next < (shape[d] as number)) {
        index[d] = next;
        break;
      }
      base -= (strides[d] as number) * (shape[d] as number);
      index[d] = 0;
    }
  }
  return out;
}

/** Strides that read `shape` broadcast to `target` (NumPy's rules). */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, i) => (i < lead || shape[i - lead] === 1 ? 0 : (own[i - lead] as number)));
}

/** `a` of shape `shape` expanded to `target`; the same array where nothing has to be repeated. */
export function broadcastTo(a: Words, shape: readonly number[], target: readonly number[]): Words {
  if (sizeOf(shape) === sizeOf(target)) return a;
  return gatherStrided(a, target, broadcastStrides(shape, target));
}
