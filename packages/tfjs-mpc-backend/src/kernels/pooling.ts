import { sizeOf } from '@secformer/ring';
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { KernelCall, SecretKernel } from './kernel.js';
import { combined, constants, padded, plus, reshaped, summed, times, transposed } from './nodes.js';
import { type Axis, axesOf2D, axesOf3D, insideCounts, windows } from './windows.js';

/** Below every value in range, so that it never is the maximum of a window with an element of the image. */
const OUTSIDE = -16384;

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function axesOf(x: TensorInfo, attrs: KernelCall['attrs']): Axis[] {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as PoolAttributes;
  if (x.shape.length === 5) return axesOf3D(backend_util.computePool3DInfo(x.shape as never, filterSize as never, strides as never, 1, pad as never, dimRoundingMode));
  return axesOf2D(backend_util.computePool2DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode));
}

const shapeOf = (x: TensorInfo, axes: readonly Axis[]) => [x.shape[0]!, ...axes.map((a) => a.out), x.shape.at(-1)!];

/** Maximum of every window, in 2 and 3 spatial dimensions. */
export const MaxPool: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axes = axesOf(x, attrs);
  const n = axes.length;
  const cut = windows(backend.node(x), axes, OUTSIDE);
  // The window's elements last
  const order = [0, ...axes.map((_, i) => 1 + i), 1 + 2 * n, ...axes.map((_, i) => 1 + n + i)];
  const rows = reshaped(transposed(cut, order), [...shapeOf(x, axes), sizeOf(axes.map((a) => a.filter))]);
  return backend.secret(new SecretNode('max', [rows], shapeOf(x, axes), { axis: n + 2 }), x.dtype);
};

/** Grey dilation: the maximum of a window plus a filter. */
export const Dilation2D: SecretKernel = ({ inputs, attrs, backend }) => {
  const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
  const { strides, pad, dilations } = attrs as unknown as { strides: number; pad: 'valid' | 'same'; dilations: number };
  const axes = axesOf2D(backend_util.computeDilation2DInfo(x.shape as never, filter.shape as never, strides, pad, 'NHWC', dilations));
  const [high, wide, channels] = filter.shape as [number, number, number];
  // Below everything in range, and still in range with a filter's element added
  const raised = combined('add', windows(backend.node(x), axes, OUTSIDE / 2), reshaped(backend.node(filter), [1, 1, 1, high, wide, channels]));
  const rows = reshaped(transposed(raised, [0, 1, 2, 5, 3, 4]), [...shapeOf(x, axes), high * wide]);
  return backend.secret(new SecretNode('max', [rows], shapeOf(x, axes), { axis: 4 }), x.dtype);
};

/** Mean of what lies inside the image of every window. */
export const AvgPool: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axes = axesOf(x, attrs);
  const n = axes.length;
  const total = summed(
    windows(backend.node(x), axes, 0),
    axes.map((_, i) => 1 + n + i),
  );
  const counts = insideCounts(axes);
  const weights =
    counts[0] !== 0 && counts.every((c) => c === counts[0])
      ? undefined
      : constants(
          counts.map((c) => (c === 0 ? 0 : 1 / c)),
          [1, ...axes.map((a) => a.out), 1],
        );
  return backend.secret(weights ? combined('mul', total, weights) : times(total, 1 / counts[0]!));
};

/** x/(b + α·Σx²)^β over neighbouring channels. */
export const LRN: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = backend.node(inputs.x as TensorInfo);
  const { depthRadius, bias, alpha, beta } = attrs as unknown as Record<'depthRadius' | 'bias' | 'alpha' | 'beta', number>;
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
  const shifted = Array.from({ length: 2 * depthRadius + 1 }, (_, i) => new SecretNode('slice', [squares], x.shape, { begin: [0, 0, 0, i] }));
  const base = plus(
    times(
      shifted.reduce((a, b) => combined('add', a, b)),
      alpha,
    ),
    bias,
  );
  if (beta === 0.5) return backend.secret(combined('mul', x, new SecretNode('rsqrt', [base], x.shape)));
  if (beta === 1) return backend.secret(combined('mul', x, new SecretNode('reciprocal', [base], x.shape)));
  const power = new SecretNode('exp', [times(new SecretNode('log', [base], x.shape), -beta)], x.shape);
  return backend.secret(combined('mul', x, power));
};

/** (x − mean)·γ/√(variance + ε) + β. */
export const FusedBatchNorm: SecretKernel = ({ inputs, attrs, backend }) => {
  const node = (name: string) => inputs[name] && backend.node(inputs[name] as TensorInfo);
  const { varianceEpsilon } = attrs as unknown as { varianceEpsilon: number };
  const variance = plus(node('variance')!, varianceEpsilon);
  // A quotient keeps more of 1/√ than a product, whose factors have 16 fractional bits
  const normal = combined('div', combined('sub', node('x')!, node('mean')!), new SecretNode('sqrt', [variance], variance.shape));
  const scaled = node('scale') ? combined('mul', normal, node('scale')!) : normal;
  return backend.secret(node('offset') ? combined('add', scaled, node('offset')!) : scaled);
};
