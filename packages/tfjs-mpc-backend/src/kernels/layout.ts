import { sizeOf } from '@secformer/ring';
import { backend_util, slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type SecretKernel, UnsupportedKernelError } from './kernel.js';

export const Identity: SecretKernel = ({ inputs, backend }) => backend.alias(inputs.x as TensorInfo, (inputs.x as TensorInfo).shape);

export const Cast: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { dtype } = attrs as unknown as { dtype: TensorInfo['dtype'] };
  const whole = x.dtype === 'bool' || x.dtype === 'int32';
  if (dtype !== x.dtype && !(dtype === 'float32' || (whole && dtype === 'int32'))) throw new UnsupportedKernelError('Cast', `cannot turn secret ${x.dtype} into ${dtype}`);
  return backend.secret(backend.node(x), dtype);
};

export const Reshape: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { shape } = attrs as unknown as { shape: number[] };
  const inferred = util.inferFromImplicitShape(shape, util.sizeFromShape(x.shape));
  util.assert(
    sizeOf(inferred) === sizeOf(x.shape),
    () => `The new shape (${inferred}) has ${sizeOf(inferred)} elements and the old shape (${x.shape}) has ${sizeOf(x.shape)} elements. They must be equal.`,
  );
  return backend.alias(x, inferred);
};

export const ExpandDims: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.input as TensorInfo;
  const { dim } = attrs as unknown as { dim: number };
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
  const a = attrs as unknown as Record<'beginMask' | 'endMask' | 'ellipsisMask' | 'newAxisMask' | 'shrinkAxisMask', number> & Record<'begin' | 'end' | 'strides', number[]>;
  const info = slice_util.sliceInfo(x.shape, a.begin, a.end, a.strides, a.beginMask, a.endMask, a.ellipsisMask, a.newAxisMask, a.shrinkAxisMask);
  if (info.strides.some((s) => s < 1)) throw new UnsupportedKernelError('StridedSlice', 'with negative strides is not there for secret tensors');
  const shape = slice_util.computeOutShape(info.begin, info.end, info.strides);
  const cut = new SecretNode('slice', [backend.node(x)], shape, { begin: info.begin, strides: info.strides });
  return backend.secret(shape.join() === info.finalShape.join() ? cut : new SecretNode('reshape', [cut], info.finalShape), x.dtype);
};

export const Concat: SecretKernel = ({ inputs, attrs, backend }) => {
  const all = (Object.values(inputs) as unknown as TensorInfo[]).filter((t) => util.sizeFromShape(t.shape) > 0);
  const axis = util.parseAxisParam((attrs as unknown as { axis: number }).axis, all[0]!.shape)[0]!;
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
  let out = backend.node(x);
  paddings.forEach(([before, after], axis) => {
    const block = (n: number): SecretNode[] => {
      const shape = out.shape.map((d, i) => (i === axis ? n : d));
      const value = new SecretNode('constant', [], [], { values: [constantValue] });
      return n === 0 ? [] : [new SecretNode('broadcast', [value], shape)];
    };
    const parts = [...block(before), out, ...block(after)];
    if (parts.length > 1) {
      const shape = out.shape.map((d, i) => (i === axis ? d + before + after : d));
      out = new SecretNode('concat', parts, shape, { axis });
    }
  });
  return backend.secret(out, x.dtype);
};

/** Rows of a secret table by local indices: a private lookup, the indices never leave this process in the clear. */
export const GatherV2: SecretKernel = ({ inputs, attrs, backend }) => {
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number };
  if (backend.privacy(indices) === 'secret')
    throw new UnsupportedKernelError('GatherV2', 'needs indices that are not secret shares; int32 tensors stay local and are looked up privately');
  if (batchDims !== 0 && batchDims !== undefined) throw new UnsupportedKernelError('GatherV2', 'with batchDims is not there for secret tensors');
  const at = util.parseAxisParam(axis, x.shape)[0]!;
  const ids = Int32Array.from(backend.plain(indices).values as ArrayLike<number>);
  const depth = x.shape[at]!;
  ids.forEach((index) => {
    if (!(index >= 0 && index < depth)) throw new Error(`GatherV2: the index value ${index} is not in [0, ${depth - 1}]`);
  });
  const front = [at, ...x.shape.map((_, i) => i).filter((i) => i !== at)];
  const moved = front.map((i) => x.shape[i]!);
  const table = at === 0 ? backend.node(x) : new SecretNode('transpose', [backend.node(x)], moved, { perm: front });
  const rows = new SecretNode('gather', [table], [...indices.shape, ...moved.slice(1)], { indices: ids });
  if (at === 0) return backend.secret(rows, x.dtype);
  const n = indices.shape.length;
  const perm = [
    ...Array.from({ length: at }, (_, i) => n + i),
    ...Array.from({ length: n }, (_, i) => i),
    ...Array.from({ length: x.shape.length - 1 - at }, (_, i) => n + at + i),
  ];
  return backend.secret(
    new SecretNode(
      'transpose',
      [rows],
      perm.map((p) => rows.shape[p]!),
      { perm },
    ),
    x.dtype,
  );
};
