/** Layout and products of plain arrays, for what stands beside the shares: the interpreters in floating point. */
import { broadcastStrides, sizeOf, stridesOf } from '@secformer/ring';
import { broadcastShapes, type Shape, type ValueType } from './types.js';

/** The shapes of an instruction's operands, as an interpreter is given them. */
export const shapesOf = ({ types }: { types: readonly ValueType[] }): Shape[] => types.map((t) => t.shape);

/** A strided copy: element (i0, i1, …) of the result is a[offset + Σ ij·strides[j]]. */
export function strided(a: Float64Array, shape: Shape, strides: readonly number[], offset = 0): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  if (out.length === 0) return out;
  const rank = shape.length;
  const inner = rank === 0 ? 1 : shape[rank - 1]!;
  const step = rank === 0 ? 1 : strides[rank - 1]!;
  const index = new Array<number>(Math.max(0, rank - 1)).fill(0);
  for (let at = 0, base = offset; at < out.length; at += inner) {
    for (let j = 0, from = base; j < inner; j++, from += step) out[at + j] = a[from] as number;
    for (let d = rank - 2; d >= 0; d--) {
      base += strides[d]!;
      if (++index[d]! < shape[d]!) break;
      base -= strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
  return out;
}

/** `a` of shape `from` repeated to `to`. */
export function broadcastReals(a: Float64Array, from: Shape, to: Shape): Float64Array {
  return sizeOf(from) === sizeOf(to) ? a : strided(a, to, broadcastStrides(from, to));
}

/** f(x, y) element by element, broadcast. */
export function binaryReals(
  ins: readonly Float64Array[],
  shapes: readonly Shape[],
  out: Shape,
  f: (x: number, y: number) => number,
): Float64Array {
  const [x, y] = [0, 1].map((i) => broadcastReals(ins[i]!, shapes[i]!, out)) as [Float64Array, Float64Array];
  return x.map((v, i) => f(v, y[i] as number));
}

/** Applies `f` to every row of the last axis. */
export function byRow(
  x: Float64Array,
  width: number,
  f: (row: Float64Array, index: number) => ArrayLike<number>,
): Float64Array {
  const rows = width === 0 ? 0 : x.length / width;
  const first = rows === 0 ? [] : f(x.subarray(0, width), 0);
  const out = new Float64Array(rows * first.length);
  for (let r = 0; r < rows; r++)
    out.set(r === 0 ? first : f(x.subarray(r * width, (r + 1) * width), r), r * first.length);
  return out;
}

/** Sums over some axes, which stay with size 1. */
export function sumAxes(x: Float64Array, shape: Shape, axes: readonly number[]): Float64Array {
  const kept = shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const strides = stridesOf(shape);
  const order = [...kept, ...axes];
  const n = sizeOf(axes.map((a) => shape[a]!));
  const rows = strided(
    x,
    order.map((i) => shape[i]!),
    order.map((i) => strides[i]!),
  );
  return byRow(rows, n, (row) => [row.reduce((a, b) => a + b, 0)]);
}

/** Running sums: of everything up to an element, or before it, or from the end. */
export function runningSums(
  row: Float64Array,
  { exclusive, reverse }: { exclusive: boolean; reverse: boolean },
): Float64Array {
  const out = new Float64Array(row.length);
  let total = 0;
  for (let i = 0; i < row.length; i++) {
    const at = reverse ? row.length - 1 - i : i;
    if (exclusive) out[at] = total;
    total += row[at]!;
    if (!exclusive) out[at] = total;
  }
  return out;
}

/** Batched matrix product of [..., m, k] and [..., k, n], each transposed where it says so. */
export function matMulReals(
  ins: readonly Float64Array[],
  shapes: readonly Shape[],
  transposeA: boolean,
  transposeB: boolean,
): Float64Array {
  const [a, b] = shapes as [Shape, Shape];
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  const plain = (i: number, flip: boolean) => {
    const own = shapes[i]!;
    const wide = [...batch, ...own.slice(-2)];
    const strides = broadcastStrides(own, wide);
    if (!flip) return broadcastReals(ins[i]!, own, wide);
    return strided(
      ins[i]!,
      [...batch, own.at(-1)!, own.at(-2)!],
      [...strides.slice(0, -2), strides.at(-1)!, strides.at(-2)!],
    );
  };
  const [p, q] = [plain(0, transposeA), plain(1, transposeB)];
  const [m, k] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const n = transposeB ? b.at(-2)! : b.at(-1)!;
  const out = new Float64Array(sizeOf(batch) * m * n);
  for (let r = 0; r < sizeOf(batch) * m; r++) {
    const other = Math.floor(r / m) * k * n;
    const row = out.subarray(r * n, (r + 1) * n);
    for (let t = 0; t < k; t++) {
      const v = p[r * k + t] as number;
      // Rows of a lookup are zeros but for one place
      if (v === 0) continue;
      const from = other + t * n;
      for (let j = 0; j < n; j++) row[j] = (row[j] as number) + v * (q[from + j] as number);
    }
  }
  return out;
}
