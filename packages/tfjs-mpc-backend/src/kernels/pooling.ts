import { sizeOf } from '@secformer/ring';
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { KernelCall, SecretKernel } from './kernel.js';
import { applied, combined, constants, padded, plus, reshaped, summed, times, transposed } from './nodes.js';
import {
  type Axis,
  axesOf2D,
  axesOf3D,
  filterPlaces,
  insideCounts,
  rowsAt,
  windows,
  windowsInside,
} from './windows.js';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function axesOf(x: TensorInfo, attrs: KernelCall['attrs']): Axis[] {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as PoolAttributes;
  if (x.shape.length === 5)
    return axesOf3D(
      backend_util.computePool3DInfo(
        x.shape as never,
        filterSize as never,
        strides as never,
        1,
        pad as never,
        dimRoundingMode,
      ),
    );
  return axesOf2D(backend_util.computePool2DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode));
}

/** The maximum of a window of padding alone is −Infinity, which no share holds: whoever reads it is told so. */
function lowestOutside(maxima: SecretNode, axes: readonly Axis[]): SecretNode {
  const counts = insideCounts(axes);
  if (!counts.includes(0)) return maxima;
  const lowest = counts.map((c) => (c === 0 ? Number.NEGATIVE_INFINITY : 0));
  return combined('add', maxima, constants(lowest, [1, ...axes.map((a) => a.out), 1]));
}

const shapeOf = (x: TensorInfo, axes: readonly Axis[]) => [x.shape[0]!, ...axes.map((a) => a.out), x.shape.at(-1)!];

/** Maximum of every window, in 2 and 3 spatial dimensions. */
export const MaxPool: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axes = axesOf(x, attrs);
  const n = axes.length;
  const cut = windowsInside(backend.node(x), axes);
  // The window's elements last
  const order = [0, ...axes.map((_, i) => 1 + i), 1 + 2 * n, ...axes.map((_, i) => 1 + n + i)];
  const rows = reshaped(transposed(cut, order), [...shapeOf(x, axes), sizeOf(axes.map((a) => a.filter))]);
  return backend.secret(lowestOutside(new SecretNode('max', [rows], shapeOf(x, axes), { axis: n + 2 }), axes), x.dtype);
};

/** Grey dilation: the maximum of a window plus a filter. */
export const Dilation2D: SecretKernel = ({ inputs, attrs, backend }) => {
  const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
  const { strides, pad, dilations } = attrs as unknown as { strides: number; pad: 'valid' | 'same'; dilations: number };
  const axes = axesOf2D(
    backend_util.computeDilation2DInfo(x.shape as never, filter.shape as never, strides, pad, 'NHWC', dilations),
  );
  const [high, wide, channels] = filter.shape as [number, number, number];
  // Where another element of the window stands for one outside, so does its own element of the filter
  const filters = axes.reduce(
    (f, a, i) => filtersAlong(f, a, 1 + i),
    reshaped(backend.node(filter), [1, 1, 1, high, wide, channels]),
  );
  const raised = combined('add', windowsInside(backend.node(x), axes), filters);
  const rows = reshaped(transposed(raised, [0, 1, 2, 5, 3, 4]), [...shapeOf(x, axes), high * wide]);
  return backend.secret(lowestOutside(new SecretNode('max', [rows], shapeOf(x, axes), { axis: 4 }), axes), x.dtype);
};

/** Filters for each window along an axis, [1, …out, …filter, channels]; one for all that lie inside. */
function filtersAlong(filter: SecretNode, a: Axis, axis: number): SecretNode {
  const places = filterPlaces(a);
  const parts: { filter: SecretNode; places: string; windows: number }[] = [];
  for (const rows of places) {
    const last = parts.at(-1);
    if (last?.places === rows.join()) last.windows++;
    else parts.push({ filter: rowsAt(filter, axis + 2, rows), places: rows.join(), windows: 1 });
  }
  if (parts.length === 1) return parts[0]!.filter;
  const sized = (n: number) => filter.shape.map((d, i) => (i === axis ? n : d));
  const repeated = parts.map((p) => new SecretNode('broadcast', [p.filter], sized(p.windows)));
  return new SecretNode('concat', repeated, sized(a.out), { axis });
}

/**
 * Mean of what lies inside the image of every window; of padding alone 0/0, which is refused as −Infinity is, and 0 in
 * three dimensions, as elsewhere.
 */
export const AvgPool: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axes = axesOf(x, attrs);
  const n = axes.length;
  const total = summed(
    windows(backend.node(x), axes),
    axes.map((_, i) => 1 + n + i),
  );
  const counts = insideCounts(axes);
  const weights = counts.every((c) => c === counts[0])
    ? undefined
    : constants(
        counts.map((c) => 1 / (n === 3 ? Math.max(1, c) : c)),
        [1, ...axes.map((a) => a.out), 1],
      );
  return backend.secret(weights ? combined('mul', total, weights) : times(total, 1 / counts[0]!));
};

/** x/(b + α·Σx²)^β over neighbouring channels. */
export const LRN: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = backend.node(inputs.x as TensorInfo);
  const { depthRadius, bias, alpha, beta } = attrs as unknown as Record<
    'depthRadius' | 'bias' | 'alpha' | 'beta',
    number
  >;
  const squares = padded(
    new SecretNode('square', [x], x.shape),
    [
      [0, 0],
      [0, 0],
      [0, 0],
      [depthRadius, depthRadius],
    ],
    0,
  );
  const shifted = Array.from(
    { length: 2 * depthRadius + 1 },
    (_, i) => new SecretNode('slice', [squares], x.shape, { begin: [0, 0, 0, i] }),
  );
  const base = plus(
    times(
      shifted.reduce((a, b) => combined('add', a, b)),
      alpha,
    ),
    bias,
  );
  const finer = 2 ** finerBits(bias, alpha, beta);
  const normal = combined('mul', x, times(inversePower(base, beta), finer));
  return backend.secret(times(normal, 1 / finer));
};

/** x^(−p). */
function inversePower(x: SecretNode, p: number): SecretNode {
  if (p === 0.5) return applied('rsqrt', x);
  return p === 1 ? applied('reciprocal', x) : applied('exp', times(applied('log', x), -p));
}

/** log2 of the largest value, of the largest base of a root, and of what a product is to stay below. */
const LRN_RANGE = { value: 14, base: 20, product: 13 } as const;
/** What the factors of a normalization gain at most: at |x| = 2^9, an error of 2^−15. */
const MOST_FINER = 8;

/**
 * A product has factors of 16 fractional bits, and x·(bias + alpha·Σx²)^(−beta) is large times small: the bits that the
 * power is multiplied by first, and the product divided by. Both cost nothing, for powers of two move the point. The
 * element itself is among its neighbours, so that the result is at most the largest of x·(bias + alpha·x²)^(−beta),
 * which has to have room. None where the power may be above 1.
 */
function finerBits(bias: number, alpha: number, beta: number): number {
  if (!(bias >= 1 && alpha > 0 && beta > 0)) return 0;
  const most = Math.min(2 ** LRN_RANGE.value, Math.sqrt(2 ** LRN_RANGE.base / alpha));
  const peak = beta > 0.5 ? Math.min(most, Math.sqrt(bias / (alpha * (2 * beta - 1)))) : most;
  const largest = peak * (bias + alpha * peak * peak) ** -beta;
  return Math.max(0, Math.min(MOST_FINER, LRN_RANGE.product - Math.ceil(Math.log2(largest))));
}

/** (x − mean)·γ/√(variance + ε) + β. */
export const FusedBatchNorm: SecretKernel = ({ inputs, attrs, backend }) => {
  const node = (name: string) => inputs[name] && backend.node(inputs[name] as TensorInfo);
  const { varianceEpsilon } = attrs as unknown as { varianceEpsilon: number };
  const variance = plus(node('variance')!, varianceEpsilon);
  // A quotient keeps more of 1/√ than a product, whose factors have 16 fractional bits
  const normal = combined(
    'div',
    combined('sub', node('x')!, node('mean')!),
    new SecretNode('sqrt', [variance], variance.shape),
  );
  const scaled = node('scale') ? combined('mul', normal, node('scale')!) : normal;
  return backend.secret(node('offset') ? combined('add', scaled, node('offset')!) : scaled);
};
