/** Small pieces of recorded graphs that several kernels are made of. */
import { sizeOf, stridesOf } from '@secformer/ring';
import { broadcastShapes, type Shape } from '@secformer/secformer-ops';
import { type RecordedOp, SecretNode } from '../node-values.js';
import type { Indices } from '../rows.js';

export const constant = (value: number): SecretNode => new SecretNode('constant', [], [], { values: [value] });
export const constants = (values: ArrayLike<number>, shape: Shape): SecretNode =>
  new SecretNode('constant', [], shape, { values: Array.from(values) });

export function combined(op: 'add' | 'sub' | 'mul' | 'div', x: SecretNode, y: SecretNode): SecretNode {
  return new SecretNode(op, [x, y], broadcastShapes(x.shape, y.shape));
}

export const applied = (op: RecordedOp, x: SecretNode, attrs: Record<string, unknown> = {}): SecretNode =>
  new SecretNode(op, [x], x.shape, attrs);
export const plus = (x: SecretNode, c: number): SecretNode => combined('add', x, constant(c));
export const times = (x: SecretNode, c: number): SecretNode => combined('mul', x, constant(c));

export function reshaped(x: SecretNode, shape: Shape): SecretNode {
  return x.shape.join() === shape.join() ? x : new SecretNode('reshape', [x], shape);
}

export function transposed(x: SecretNode, perm: readonly number[]): SecretNode {
  if (perm.every((p, i) => p === i)) return x;
  return new SecretNode(
    'transpose',
    [x],
    perm.map((p) => x.shape[p]!),
    { perm: [...perm] },
  );
}

/** Element (i0, i1, …) is element offset + Σ ij·strides[j] of x, row by row. */
export function view(x: SecretNode, shape: Shape, strides: readonly number[], offset = 0): SecretNode {
  return new SecretNode('view', [x], shape, { strides: [...strides], offset });
}

/** x with some axes from their end to their start. */
export function reversed(x: SecretNode, axes: readonly number[]): SecretNode {
  const strides = stridesOf(x.shape);
  const offset = axes.reduce((at, a) => at + (x.shape[a]! - 1) * strides[a]!, 0);
  return view(
    x,
    x.shape,
    strides.map((s, i) => (axes.includes(i) ? -s : s)),
    offset,
  );
}

/** Calls `each` with the coordinates of every element, row by row. */
export function eachIndex(shape: Shape, each: (at: readonly number[], flat: number) => void): void {
  const n = sizeOf(shape);
  const at = shape.map(() => 0);
  for (let flat = 0; flat < n; flat++) {
    each(at, flat);
    for (let d = shape.length - 1; d >= 0; d--) {
      if (++at[d]! < shape[d]!) break;
      at[d] = 0;
    }
  }
}

/** Elements of x by public place, −1 for a zero. */
export function picked(
  x: SecretNode,
  shape: Shape,
  place: (at: readonly number[], flat: number) => number,
): SecretNode {
  const indices = new Array<number>(sizeOf(shape));
  eachIndex(shape, (at, flat) => {
    indices[flat] = place(at, flat);
  });
  return new SecretNode('pick', [x], shape, { indices });
}

/** Sums of elements of x by public places: as many picks as the longest list has places. */
export function gathered(x: SecretNode, shape: Shape, places: readonly (readonly number[])[]): SecretNode {
  const most = Math.max(1, ...places.map((p) => p.length));
  const parts = Array.from({ length: most }, (_, i) => picked(x, shape, (_at, flat) => places[flat]![i] ?? -1));
  return parts.reduce((a, b) => combined('add', a, b));
}

/** Rows of a table [rows, …] by indices that nobody else sees: the private lookup. They have to be in range. */
export function lookedUp(table: SecretNode, indices: Indices): SecretNode {
  const rows = new SecretNode('gather', [table], [indices.values.length, ...table.shape.slice(1)]);
  rows.takeIndices(indices);
  return rows;
}

/** Zeros, and a one in each row where the index says, which nobody else sees. */
export function oneHot(indices: Indices, shape: Shape): SecretNode {
  const hot = new SecretNode('oneHot', [], shape);
  hot.takeIndices(indices);
  return hot;
}

/** x with a public number around it. */
export function padded(x: SecretNode, paddings: readonly (readonly [number, number])[], value: number): SecretNode {
  let out = x;
  paddings.forEach(([before, after], axis) => {
    const block = (n: number): SecretNode[] => {
      const shape = out.shape.map((d, i) => (i === axis ? n : d));
      return n === 0 ? [] : [new SecretNode('broadcast', [constant(value)], shape)];
    };
    const parts = [...block(before), out, ...block(after)];
    if (parts.length === 1) return;
    const shape = out.shape.map((d, i) => (i === axis ? d + before + after : d));
    out = new SecretNode('concat', parts, shape, { axis });
  });
  return out;
}

/** Sums over some axes, which go away. */
export function summed(x: SecretNode, axes: readonly number[]): SecretNode {
  if (axes.length === 0) return x;
  return new SecretNode(
    'sum',
    [x],
    x.shape.filter((_, i) => !axes.includes(i)),
    { axes: [...axes] },
  );
}
