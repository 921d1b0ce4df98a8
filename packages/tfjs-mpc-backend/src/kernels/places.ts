/** Kernels that move elements by public or local places: scatters, gathers, resizing, reversal, blocks. Nothing of it costs a message. */
import { sizeOf, stridesOf } from '@secformer/ring';
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type KernelCall, type SecretKernel, UnsupportedKernelError } from './kernel.js';
import { combined, constants, gathered, padded, picked, reshaped, reversed, transposed } from './nodes.js';

/** Integers that never left this process. */
function localIntegers({ backend }: KernelCall, t: TensorInfo, kernel: string): Int32Array {
  if (backend.privacy(t) === 'secret') throw new UnsupportedKernelError(kernel, 'needs indices that are not secret shares; int32 tensors stay local');
  return Int32Array.from(backend.plain(t).values as ArrayLike<number>);
}

export const Reverse: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axes = util.parseAxisParam((attrs as unknown as { dims: number | number[] }).dims, x.shape);
  return backend.secret(x.shape.length === 0 ? backend.node(x) : reversed(backend.node(x), axes), x.dtype);
};

export const FlipLeftRight: SecretKernel = ({ inputs, backend }) => {
  const image = inputs.image as TensorInfo;
  return backend.secret(reversed(backend.node(image), [2]), image.dtype);
};

export const MirrorPad: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { paddings, mode } = attrs as unknown as { paddings: [number, number][]; mode: 'reflect' | 'symmetric' };
  const edge = mode === 'reflect' ? 0 : 1;
  const strides = stridesOf(x.shape);
  const shape = x.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]);
  // Beyond an end the row runs back, from the end itself or the element before it
  const mirrored = (i: number, n: number) => (i < 0 ? -i - edge : i >= n ? 2 * n - 2 + edge - i : i);
  return backend.secret(
    picked(backend.node(x), shape, (at) => at.reduce((s, i, d) => s + mirrored(i - paddings[d]![0], x.shape[d]!) * strides[d]!, 0)),
    x.dtype,
  );
};

export const SpaceToBatchND: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { blockShape, paddings } = attrs as unknown as { blockShape: number[]; paddings: [number, number][] };
  util.assert(x.shape.length <= 4, () => `spaceToBatchND for rank > 4 with a WebGL backend not implemented yet`);
  const product = sizeOf(blockShape);
  const rest = x.shape.slice(1 + blockShape.length).map(() => [0, 0] as [number, number]);
  const whole = padded(backend.node(x), [[0, 0], ...paddings, ...rest], 0);
  const spread = reshaped(whole, backend_util.getReshaped(whole.shape as number[], blockShape, product, false));
  const moved = transposed(spread, backend_util.getPermuted(spread.shape.length, blockShape.length, false));
  return backend.secret(reshaped(moved, backend_util.getReshapedPermuted(whole.shape as number[], blockShape, product, false)), x.dtype);
};

export const BatchToSpaceND: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { blockShape, crops } = attrs as unknown as { blockShape: number[]; crops: number[][] };
  const product = sizeOf(blockShape);
  const spread = reshaped(backend.node(x), backend_util.getReshaped(x.shape, blockShape, product));
  const moved = transposed(spread, backend_util.getPermuted(spread.shape.length, blockShape.length));
  const whole = reshaped(moved, backend_util.getReshapedPermuted(x.shape, blockShape, product));
  const rest = whole.shape.slice(1 + blockShape.length);
  const begin = [...backend_util.getSliceBeginCoords(crops, blockShape.length), ...rest.map(() => 0)].slice(0, whole.shape.length);
  const shape = [...backend_util.getSliceSize(whole.shape as number[], crops, blockShape.length), ...rest];
  return backend.secret(new SecretNode('slice', [whole], shape, { begin }), x.dtype);
};

export const DepthToSpace: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { blockSize: b, dataFormat } = attrs as unknown as { blockSize: number; dataFormat: 'NHWC' | 'NCHW' };
  const first = dataFormat === 'NCHW';
  const image = first ? transposed(backend.node(x), [0, 2, 3, 1]) : backend.node(x);
  const [n, h, w, c] = image.shape as [number, number, number, number];
  const depth = c / (b * b);
  const made = reshaped(transposed(reshaped(image, [n, h, w, b, b, depth]), [0, 1, 3, 2, 4, 5]), [n, h * b, w * b, depth]);
  return backend.secret(first ? transposed(made, [0, 3, 1, 2]) : made, x.dtype);
};

interface ResizeAttributes {
  size: [number, number];
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

/** Steps of the input for one of the output, along one axis. */
function scaleOf(from: number, to: number, alignCorners: boolean): number {
  return alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
}

/** From a place of the output of one axis to one of the input, a real. */
function scaledPlace(from: number, to: number, { alignCorners, halfPixelCenters }: ResizeAttributes): (i: number) => number {
  const scale = scaleOf(from, to, alignCorners);
  return (i) => (halfPixelCenters ? scale * (i + 0.5) - 0.5 : scale * i);
}

export const ResizeNearestNeighbor: SecretKernel = ({ inputs, attrs, backend }) => {
  const images = inputs.images as TensorInfo;
  const a = attrs as unknown as ResizeAttributes;
  const [n, h, w, c] = images.shape as [number, number, number, number];
  const [high, wide] = a.size;
  const nearest = (from: number, to: number) => {
    const scale = scaleOf(from, to, a.alignCorners);
    return (i: number) => {
      const at = a.halfPixelCenters ? scale * (i + 0.5) : scale * i;
      return Math.max(0, Math.min(from - 1, a.alignCorners ? Math.round(at) : Math.floor(at)));
    };
  };
  const [row, column] = [nearest(h, high), nearest(w, wide)];
  return backend.secret(
    picked(backend.node(images), [n, high, wide, c], ([b, y, x, d]) => ((b! * h + row(y!)) * w + column(x!)) * c + d!),
    images.dtype,
  );
};

/** Every output is a public mixture of four elements. */
export const ResizeBilinear: SecretKernel = ({ inputs, attrs, backend }) => {
  const images = inputs.images as TensorInfo;
  const a = attrs as unknown as ResizeAttributes;
  const [n, h, w, c] = images.shape as [number, number, number, number];
  const [high, wide] = a.size;
  const [rowAt, columnAt] = [scaledPlace(h, high, a), scaledPlace(w, wide, a)];
  const x = backend.node(images);
  const shape = [n, high, wide, c];
  const around = (at: number, size: number) => {
    const low = Math.max(0, Math.floor(at));
    return { low, high: Math.min(size - 1, Math.ceil(at)), part: at - low };
  };
  const corner = (below: boolean, right: boolean): SecretNode => {
    const weights: number[] = [];
    const part = picked(x, shape, ([b, i, j, d]) => {
      const [r, q] = [around(rowAt(i!), h), around(columnAt(j!), w)];
      weights.push((below ? r.part : 1 - r.part) * (right ? q.part : 1 - q.part));
      return ((b! * h + (below ? r.high : r.low)) * w + (right ? q.high : q.low)) * c + d!;
    });
    return combined('mul', part, constants(weights, shape));
  };
  const corners = [corner(false, false), corner(false, true), corner(true, false), corner(true, true)];
  return backend.secret(corners.reduce((s, t) => combined('add', s, t)));
};

/** Row numbers of N-dimensional indices. */
function flatRows(indices: Int32Array, depth: number, shape: readonly number[], kernel: string): number[] {
  const strides = stridesOf(shape.slice(0, depth));
  return Array.from({ length: depth === 0 ? 0 : indices.length / depth }, (_, r) => {
    let row = 0;
    for (let d = 0; d < depth; d++) {
      const i = indices[r * depth + d]!;
      if (!(i >= 0 && i < shape[d]!)) throw new Error(`Invalid indices: ${indices.slice(r * depth, (r + 1) * depth)} does not index into ${shape} (${kernel})`);
      row += i * strides[d]!;
    }
    return row;
  });
}

export const GatherNd: SecretKernel = (call) => {
  const { params, indices } = call.inputs as { params: TensorInfo; indices: TensorInfo };
  util.assert(indices.shape.length > 0, () => 'gatherND: indices must be of rank 1 or more');
  const depth = indices.shape.at(-1)!;
  const rows = flatRows(localIntegers(call, indices, 'GatherNd'), depth, params.shape, 'GatherNd');
  const inner = params.shape.slice(depth);
  const width = sizeOf(inner);
  const made = picked(call.backend.node(params), [rows.length, width], ([r, i]) => rows[r!]! * width + i!);
  return call.backend.secret(reshaped(made, [...indices.shape.slice(0, -1), ...inner]), params.dtype);
};

/** Where each output element comes from, by row of the updates. */
function placesOf(rows: readonly number[], outRows: number, width: number, lastOnly: boolean): number[][] {
  const from: number[][] = Array.from({ length: outRows }, () => []);
  rows.forEach((row, i) => {
    if (lastOnly) from[row] = [i];
    else from[row]!.push(i);
  });
  return elementsOf(from, width);
}

/** From rows to the elements of rows of `width`. */
function elementsOf(rows: readonly (readonly number[])[], width: number): number[][] {
  return rows.flatMap((sources) => Array.from({ length: width }, (_, i) => sources.map((s) => s * width + i)));
}

export const ScatterNd: SecretKernel = (call) => {
  const { indices, updates } = call.inputs as { indices: TensorInfo; updates: TensorInfo };
  const { shape } = call.attrs as unknown as { shape: number[] };
  const depth = indices.shape.length < 2 ? 1 : indices.shape.at(-1)!;
  const rows = flatRows(localIntegers(call, indices, 'ScatterNd'), depth, shape, 'ScatterNd');
  const width = sizeOf(shape.slice(depth));
  return call.backend.secret(gathered(call.backend.node(updates), shape, placesOf(rows, sizeOf(shape.slice(0, depth)), width, false)), updates.dtype);
};

export const TensorScatterUpdate: SecretKernel = (call) => {
  const { tensor, indices, updates } = call.inputs as { tensor: TensorInfo; indices: TensorInfo; updates: TensorInfo };
  const depth = indices.shape.at(-1)!;
  const rows = flatRows(localIntegers(call, indices, 'TensorScatterUpdate'), depth, tensor.shape, 'TensorScatterUpdate');
  const width = sizeOf(tensor.shape.slice(depth));
  const places = placesOf(rows, sizeOf(tensor.shape.slice(0, depth)), width, true);
  const kept = picked(call.backend.node(tensor), tensor.shape, (_at, flat) => (places[flat]!.length > 0 ? -1 : flat));
  return call.backend.secret(combined('add', kept, gathered(call.backend.node(updates), tensor.shape, places)), tensor.dtype);
};

export const SparseToDense: SecretKernel = (call) => {
  const { sparseIndices, sparseValues, defaultValue } = call.inputs as { sparseIndices: TensorInfo; sparseValues: TensorInfo; defaultValue: TensorInfo };
  const { outputShape } = call.attrs as unknown as { outputShape: number[] };
  const depth = sparseIndices.shape.length < 2 ? 1 : sparseIndices.shape[1]!;
  const rows = flatRows(localIntegers(call, sparseIndices, 'SparseToDense'), depth, outputShape, 'SparseToDense');
  const places = placesOf(rows, sizeOf(outputShape), 1, true);
  const values = call.backend.node(sparseValues);
  const spread = values.shape.length === 0 ? new SecretNode('broadcast', [values], [rows.length]) : values;
  const written = gathered(spread, outputShape, places);
  const free = constants(
    places.map((p) => (p.length > 0 ? 0 : 1)),
    outputShape,
  );
  return call.backend.secret(combined('add', written, combined('mul', new SecretNode('broadcast', [call.backend.node(defaultValue)], outputShape), free)), sparseValues.dtype);
};

export const UnsortedSegmentSum: SecretKernel = (call) => {
  const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const { numSegments } = call.attrs as unknown as { numSegments: number };
  const ids = localIntegers(call, segmentIds, 'UnsortedSegmentSum');
  const inner = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(inner);
  const from: number[][] = Array.from({ length: numSegments }, () => []);
  // Ids outside are dropped
  ids.forEach((id, i) => {
    if (id >= 0 && id < numSegments) from[id]!.push(i);
  });
  return call.backend.secret(gathered(call.backend.node(x), [numSegments, ...inner], elementsOf(from, width)), x.dtype);
};

/** Rows of a secret table by local numbers, added up or averaged by local segment. */
export function sparseSegment(kernel: string, mean: boolean): SecretKernel {
  return (call) => {
    const { data, indices, segmentIds } = call.inputs as { data: TensorInfo; indices: TensorInfo; segmentIds: TensorInfo };
    const [rows, ids] = [localIntegers(call, indices, kernel), localIntegers(call, segmentIds, kernel)];
    const n = ids.length === 0 ? 0 : ids.at(-1)! + 1;
    if (n < 0 || (ids.length > 0 && n === 0)) throw new Error(backend_util.getSparseSegmentReductionNegativeSegmentIdsErrorMessage());
    const from: number[][] = Array.from({ length: Math.max(0, n) }, () => []);
    ids.forEach((id, i) => {
      if (i > 0 && id < ids[i - 1]!) throw new Error(backend_util.getSparseSegmentReductionNonIncreasingSegmentIdsErrorMessage());
      if (id < 0 || id >= n) throw new Error(backend_util.getSparseSegmentReductionSegmentIdOutOfRangeErrorMessage(id, n));
      const row = rows[i]!;
      if (!(row >= 0 && row < data.shape[0]!)) throw new Error(backend_util.getSparseSegmentReductionIndicesOutOfRangeErrorMessage(i, row, data.shape[0]!));
      from[id]!.push(row);
    });
    const inner = data.shape.slice(1);
    const width = sizeOf(inner);
    const shape = [n, ...inner];
    if (sizeOf(shape) === 0) return call.backend.unshared({ values: new Float32Array(0), shape, dtype: data.dtype }, 'public');
    const places = elementsOf(from, width);
    const total = gathered(call.backend.node(data), shape, places);
    const shares = constants(
      places.map((p) => 1 / Math.max(1, p.length)),
      shape,
    );
    return call.backend.secret(mean ? combined('mul', total, shares) : total, data.dtype);
  };
}

/** Secret weights added up by local number. */
export const Bincount: SecretKernel = (call) => {
  const { x, weights } = call.inputs as { x: TensorInfo; weights: TensorInfo };
  const { size } = call.attrs as unknown as { size: number };
  if (sizeOf(weights.shape) === 0) return counted(call, x, [1, x.shape[0]!], size, [size]);
  return call.backend.secret(binned(call, x, weights, [1, x.shape[0]!], size, [size]));
};

export const DenseBincount: SecretKernel = (call) => {
  const { x, weights } = call.inputs as { x: TensorInfo; weights: TensorInfo };
  const { size, binaryOutput } = call.attrs as unknown as { size: number; binaryOutput: boolean };
  const [rows, n] = x.shape.length === 1 ? [1, x.shape[0]!] : (x.shape as [number, number]);
  const shape = x.shape.length === 1 ? [size] : [rows, size];
  if (binaryOutput) {
    const values = new Float32Array(rows * size);
    localIntegers(call, x, 'DenseBincount').forEach((id, i) => {
      if (id < size) values[Math.floor(i / n) * size + id] = 1;
    });
    return call.backend.unshared({ values, shape, dtype: weights.dtype }, 'local');
  }
  if (sizeOf(weights.shape) === 0) return counted(call, x, [rows, n], size, shape);
  return call.backend.secret(binned(call, x, weights, [rows, n], size, shape));
};

/** Without weights every number counts once, which is no secret. */
function counted(call: KernelCall, x: TensorInfo, [rows, n]: [number, number], size: number, shape: number[]): TensorInfo {
  const values = new Float32Array(rows * size);
  localIntegers(call, x, 'DenseBincount').forEach((id, i) => {
    if (id < size) values[Math.floor(i / n) * size + id]!++;
  });
  return call.backend.unshared({ values, shape, dtype: 'float32' }, 'local');
}

function binned(call: KernelCall, x: TensorInfo, weights: TensorInfo, [rows, n]: [number, number], size: number, shape: number[]): SecretNode {
  const places: number[][] = Array.from({ length: rows * size }, () => []);
  localIntegers(call, x, 'DenseBincount').forEach((id, i) => {
    if (id < 0) throw new Error('Input x must be non-negative!');
    if (id < size) places[Math.floor(i / n) * size + id]!.push(i);
  });
  return gathered(call.backend.node(weights), shape, places);
}

export const Diag: SecretKernel = ({ inputs, backend }) => {
  const x = inputs.x as TensorInfo;
  const n = sizeOf(x.shape);
  return backend.secret(
    picked(backend.node(x), [...x.shape, ...x.shape], (_at, flat) => (Math.floor(flat / n) === flat % n ? flat % n : -1)),
    x.dtype,
  );
};

/** Rotation or any projective map of an image by public numbers: nearest or bilinear mixtures of elements. */
export const RotateWithOffset: SecretKernel = ({ inputs, attrs, backend }) => {
  const image = inputs.image as TensorInfo;
  const { radians, fillValue, center } = attrs as unknown as { radians: number; fillValue: number | [number, number, number]; center: number | [number, number] };
  const [, h, w, c] = image.shape as [number, number, number, number];
  const [cx, cy] = backend_util.getImageCenter(center, h, w);
  const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
  const fills: number[] = [];
  const made = picked(backend.node(image), image.shape, ([n, row, column, d]) => {
    const [x, y] = [column! - cx, row! - cy];
    const [atX, atY] = [Math.round(x * cos - y * sin + cx), Math.round(x * sin + y * cos + cy)];
    const inside = atX >= 0 && atX < w && atY >= 0 && atY < h;
    // The last channel of four is opacity
    fills.push(inside ? 0 : typeof fillValue === 'number' ? (d === 3 ? 255 : fillValue) : d === 3 ? 255 : fillValue[d!]!);
    return inside ? ((n! * h + atY) * w + atX) * c + d! : -1;
  });
  return backend.secret(combined('add', made, constants(fills, image.shape)), image.dtype);
};
