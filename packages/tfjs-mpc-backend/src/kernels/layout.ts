import { sizeOf, stridesOf } from '@secformer/ring';
import { backend_util, slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { rowed } from '../rows.js';
import { integersOf } from './indices.js';
import type { SecretKernel } from './kernel.js';
import { lookedUp, padded, reshaped, transposed, view } from './nodes.js';
import { taken } from './secret-indices.js';

export const Identity: SecretKernel = ({ inputs, backend }) =>
  backend.alias(inputs.x as TensorInfo, (inputs.x as TensorInfo).shape);

export const Reshape: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { shape } = attrs as unknown as { shape: number[] };
  const inferred = util.inferFromImplicitShape(shape, util.sizeFromShape(x.shape));
  util.assert(
    sizeOf(inferred) === sizeOf(x.shape),
    () =>
      `The new shape (${inferred}) has ${sizeOf(inferred)} elements and the old shape (${x.shape}) has ` +
      `${sizeOf(x.shape)} elements. They must be equal.`,
  );
  return backend.alias(x, inferred);
};

export const ExpandDims: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.input as TensorInfo;
  const { dim } = attrs as unknown as { dim: number };
  const rank = x.shape.length;
  util.assert(-(rank + 1) <= dim && dim <= rank, () => `Axis must be in the interval [${-(rank + 1)}, ${rank}]`);
  const shape = [...x.shape];
  shape.splice(dim < 0 ? x.shape.length + dim + 1 : dim, 0, 1);
  return backend.alias(x, shape);
};

export const Transpose: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { perm } = attrs as unknown as { perm: number[] };
  return backend.secret(
    new SecretNode(
      'transpose',
      [backend.node(x)],
      perm.map((p) => x.shape[p]!),
      { perm },
    ),
    x.dtype,
  );
};

export const Slice: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { begin, size } = attrs as unknown as { begin: number[]; size: number[] };
  const [from, shape] = slice_util.parseSliceParams(x as never, begin, size);
  slice_util.assertParamsValid(x as never, from, shape);
  return backend.secret(new SecretNode('slice', [backend.node(x)], shape, { begin: from }), x.dtype);
};

export const StridedSlice: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const a = attrs as unknown as Record<
    'beginMask' | 'endMask' | 'ellipsisMask' | 'newAxisMask' | 'shrinkAxisMask',
    number
  > &
    Record<'begin' | 'end' | 'strides', number[]>;
  const info = slice_util.sliceInfo(
    x.shape,
    a.begin,
    a.end,
    a.strides,
    a.beginMask,
    a.endMask,
    a.ellipsisMask,
    a.newAxisMask,
    a.shrinkAxisMask,
  );
  const shape = slice_util.computeOutShape(info.begin, info.end, info.strides);
  const strides = stridesOf(x.shape);
  const cut = info.strides.some((s) => s < 1)
    ? view(
        backend.node(x),
        shape,
        strides.map((s, i) => s * info.strides[i]!),
        sizeOf(shape) === 0 ? 0 : info.begin.reduce((at, b, i) => at + b * strides[i]!, 0),
      )
    : new SecretNode('slice', [backend.node(x)], shape, { begin: info.begin, strides: info.strides });
  return backend.secret(
    shape.join() === info.finalShape.join() ? cut : new SecretNode('reshape', [cut], info.finalShape),
    x.dtype,
  );
};

export const Concat: SecretKernel = ({ inputs, attrs, backend }) => {
  const given = Object.values(inputs) as unknown as TensorInfo[];
  const axis = util.parseAxisParam((attrs as unknown as { axis: number }).axis, given[0]!.shape)[0]!;
  backend_util.assertParamsConsistent(
    given.map((t) => t.shape),
    axis,
  );
  const all = given.filter((t) => util.sizeFromShape(t.shape) > 0);
  if (all.length === 0) {
    const shape = backend_util.computeOutShape(
      given.map((t) => t.shape),
      axis,
    );
    return backend.unshared({ values: new Float32Array(0), shape, dtype: given[0]!.dtype }, 'public');
  }
  if (all.length === 1) return backend.alias(all[0]!, all[0]!.shape);
  const shape = backend_util.computeOutShape(
    all.map((t) => t.shape),
    axis,
  );
  return backend.secret(
    new SecretNode(
      'concat',
      all.map((t) => backend.node(t)),
      shape,
      { axis },
    ),
    all[0]!.dtype,
  );
};

export const Pack: SecretKernel = ({ inputs, attrs, backend }) => {
  const all = Object.values(inputs) as unknown as TensorInfo[];
  const { axis } = attrs as unknown as { axis: number };
  for (const t of all) {
    util.assertShapesMatch(all[0]!.shape, t.shape, 'All tensors passed to stack must have matching shapes');
    util.assert(t.dtype === all[0]!.dtype, () => 'All tensors passed to stack must have matching dtypes');
  }
  const one = [...all[0]!.shape];
  one.splice(axis, 0, 1);
  const parts = all.map((t) => new SecretNode('reshape', [backend.node(t)], one));
  const shape = [...one];
  shape[axis] = all.length;
  return backend.secret(new SecretNode('concat', parts, shape, { axis }), all[0]!.dtype);
};

export const Unpack: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.value as TensorInfo;
  const rank = x.shape.length;
  const axis = (((attrs as unknown as { axis: number }).axis % rank) + rank) % rank;
  const shape = x.shape.map((d, i) => (i === axis ? 1 : d));
  return Array.from({ length: x.shape[axis]! }, (_, i) => {
    const begin = x.shape.map((_, d) => (d === axis ? i : 0));
    const cut = new SecretNode('slice', [backend.node(x)], shape, { begin });
    return backend.secret(
      new SecretNode(
        'reshape',
        [cut],
        x.shape.filter((_, d) => d !== axis),
      ),
      x.dtype,
    );
  });
};

export const SplitV: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { numOrSizeSplits, axis } = attrs as unknown as { numOrSizeSplits: number[] | number; axis: number };
  const $axis = util.parseAxisParam(axis, x.shape)[0]!;
  const begin = x.shape.map(() => 0);
  return backend_util.prepareSplitSize(x as never, numOrSizeSplits, $axis).map((n) => {
    const shape = x.shape.map((d, i) => (i === $axis ? n : d));
    const cut = new SecretNode('slice', [backend.node(x)], shape, { begin: [...begin] });
    begin[$axis]! += n;
    return backend.secret(cut, x.dtype);
  });
};

export const Tile: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { reps } = attrs as unknown as { reps: number[] };
  // Every axis that repeats is split into (repetitions, size)
  const split = x.shape.flatMap((d) => [1, d]);
  const wide = x.shape.flatMap((d, i) => [reps[i]!, d]);
  const inner = new SecretNode('reshape', [backend.node(x)], split);
  const spread = new SecretNode('broadcast', [inner], wide);
  return backend.secret(
    new SecretNode(
      'reshape',
      [spread],
      x.shape.map((d, i) => d * reps[i]!),
    ),
    x.dtype,
  );
};

/** Padding with a public number. */
export const PadV2: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { paddings, constantValue } = attrs as unknown as { paddings: [number, number][]; constantValue: number };
  return backend.secret(padded(backend.node(x), paddings, constantValue), x.dtype);
};

/**
 * Rows of a secret table: by local indices a private lookup, the indices never leave this process in the clear; by
 * indices that are secret themselves a product with one-hot rows that the nodes make.
 */
export const GatherV2: SecretKernel = (call) => {
  const { inputs, attrs, backend } = call;
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number };
  const at = util.parseAxisParam(axis, x.shape)[0]!;
  const batches = backend_util.segment_util.collectGatherOpShapeInfo(
    x as never,
    indices as never,
    at,
    batchDims ?? 0,
  ).batchSize;
  const outer = (batchDims ?? 0) + (batchDims < 0 ? indices.shape.length : 0);
  const depth = x.shape[at]!;
  // Batches and the axis to the front: one table of batches·depth rows
  const between = x.shape.map((_, i) => i).filter((i) => i >= outer && i !== at);
  const batch = x.shape.slice(0, outer);
  const table = transposed(backend.node(x), [...batch.map((_, i) => i), at, ...between]);
  const inner = between.map((i) => x.shape[i]!);
  const perBatch = sizeOf(indices.shape) / Math.max(1, batches);
  const rows =
    backend.privacy(indices) === 'secret'
      ? rowsBySecret(table, backend.node(indices), [batches, perBatch, depth, sizeOf(inner)])
      : lookedUp(
          reshaped(table, [batches * depth, ...inner]),
          rowed({ rows: 'gather', depth, perBatch }, integersOf(call, indices, 'GatherV2')),
        );
  const own = indices.shape.slice(outer);
  const spread = reshaped(rows, [...batch, ...own, ...inner]);
  // The axes that stood before the gathered one go back before it
  const n = own.length;
  const before = at - outer;
  const perm = [
    ...batch.map((_, i) => i),
    ...Array.from({ length: before }, (_, i) => outer + n + i),
    ...Array.from({ length: n }, (_, i) => outer + i),
    ...Array.from({ length: inner.length - before }, (_, i) => outer + n + before + i),
  ];
  return backend.secret(transposed(spread, perm), x.dtype);
};

function rowsBySecret(
  table: SecretNode,
  index: SecretNode,
  [batches, perBatch, depth, width]: [number, number, number, number],
): SecretNode {
  if (batches === 1) return taken(reshaped(table, [depth, width]), reshaped(index, [perBatch]));
  return taken(reshaped(table, [batches, depth, width]), reshaped(index, [batches, perBatch]));
}
