/** Kernels that move elements: gathers, resizing, reversal, blocks. By public places nothing of it costs a message. */
import { sizeOf, stridesOf } from '@secformer/ring';
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { rowed } from '../rows.js';
import { integersOf } from './indices.js';
import type { SecretKernel } from './kernel.js';
import { combined, constants, lookedUp, padded, picked, reshaped, reversed, transposed } from './nodes.js';
import { takenByCoordinates } from './secret-indices.js';

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
    picked(backend.node(x), shape, (at) =>
      at.reduce((s, i, d) => s + mirrored(i - paddings[d]![0], x.shape[d]!) * strides[d]!, 0),
    ),
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
  return backend.secret(
    reshaped(moved, backend_util.getReshapedPermuted(whole.shape as number[], blockShape, product, false)),
    x.dtype,
  );
};

export const BatchToSpaceND: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { blockShape, crops } = attrs as unknown as { blockShape: number[]; crops: number[][] };
  const product = sizeOf(blockShape);
  const spread = reshaped(backend.node(x), backend_util.getReshaped(x.shape, blockShape, product));
  const moved = transposed(spread, backend_util.getPermuted(spread.shape.length, blockShape.length));
  const whole = reshaped(moved, backend_util.getReshapedPermuted(x.shape, blockShape, product));
  const rest = whole.shape.slice(1 + blockShape.length);
  const begin = [...backend_util.getSliceBeginCoords(crops, blockShape.length), ...rest.map(() => 0)].slice(
    0,
    whole.shape.length,
  );
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
  const made = reshaped(transposed(reshaped(image, [n, h, w, b, b, depth]), [0, 1, 3, 2, 4, 5]), [
    n,
    h * b,
    w * b,
    depth,
  ]);
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
function scaledPlace(
  from: number,
  to: number,
  { alignCorners, halfPixelCenters }: ResizeAttributes,
): (i: number) => number {
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

/**
 * Rows by N-dimensional indices: of the caller's own ones a private lookup in the table of all rows that there are, of
 * secret ones a product an axis.
 */
export const GatherNd: SecretKernel = (call) => {
  const { params, indices } = call.inputs as { params: TensorInfo; indices: TensorInfo };
  util.assert(indices.shape.length > 0, () => 'gatherND: indices must be of rank 1 or more');
  const depth = indices.shape.at(-1)!;
  const count = sizeOf(indices.shape.slice(0, -1));
  const inner = params.shape.slice(depth);
  const width = sizeOf(inner);
  const shape = [...indices.shape.slice(0, -1), ...inner];
  if (count * width === 0)
    return call.backend.unshared({ values: new Float32Array(0), shape, dtype: params.dtype }, 'public');
  const table = call.backend.node(params);
  if (call.backend.privacy(indices) === 'secret') {
    const coordinates = reshaped(call.backend.node(indices), [count, depth]);
    return call.backend.secret(reshaped(takenByCoordinates(table, coordinates), shape), params.dtype);
  }
  const all = integersOf(call, indices, 'GatherNd');
  const rows = rowed({ rows: 'flat', depth, shape: params.shape, kernel: 'GatherNd' }, all);
  const made = all.hidden
    ? lookedUp(reshaped(table, [sizeOf(params.shape.slice(0, depth)), width]), rows)
    : picked(table, [count, width], ([r, i]) => rows.values[r!]! * width + i!);
  return call.backend.secret(reshaped(made, shape), params.dtype);
};

export const Diag: SecretKernel = ({ inputs, backend }) => {
  const x = inputs.x as TensorInfo;
  const n = sizeOf(x.shape);
  return backend.secret(
    picked(backend.node(x), [...x.shape, ...x.shape], (_at, flat) =>
      Math.floor(flat / n) === flat % n ? flat % n : -1,
    ),
    x.dtype,
  );
};

/** Rotation or any projective map of an image by public numbers: nearest or bilinear mixtures of elements. */
export const RotateWithOffset: SecretKernel = ({ inputs, attrs, backend }) => {
  const image = inputs.image as TensorInfo;
  const { radians, fillValue, center } = attrs as unknown as {
    radians: number;
    fillValue: number | [number, number, number];
    center: number | [number, number];
  };
  const [, h, w, c] = image.shape as [number, number, number, number];
  const [cx, cy] = backend_util.getImageCenter(center, h, w);
  const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
  const fills: number[] = [];
  const made = picked(backend.node(image), image.shape, ([n, row, column, d]) => {
    const [x, y] = [column! - cx, row! - cy];
    const [atX, atY] = [Math.round(x * cos - y * sin + cx), Math.round(x * sin + y * cos + cy)];
    const inside = atX >= 0 && atX < w && atY >= 0 && atY < h;
    // The last channel of four is opacity
    fills.push(
      inside ? 0 : typeof fillValue === 'number' ? (d === 3 ? 255 : fillValue) : d === 3 ? 255 : fillValue[d!]!,
    );
    return inside ? ((n! * h + atY) * w + atX) * c + d! : -1;
  });
  return backend.secret(combined('add', made, constants(fills, image.shape)), image.dtype);
};
