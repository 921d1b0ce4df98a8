import { sizeOf, stridesOf } from '@secformer/ring';
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { KernelCall, SecretKernel } from './kernel.js';
import { picked, reshaped, transposed, view } from './nodes.js';
import { finished } from './products.js';
import { type Axis, axesOf2D, axesOf3D, windows } from './windows.js';

function product(a: SecretNode, b: SecretNode): SecretNode {
  const shape = [...a.shape.slice(0, -1), b.shape.at(-1)!];
  return new SecretNode('matMul', [a, b], shape, { transposeA: false, transposeB: false });
}

/** Convolution as one matrix product: windows as rows, filters as columns. */
function convolved(x: SecretNode, filter: SecretNode, axes: readonly Axis[]): SecretNode {
  const out = axes.map((a) => a.out);
  const inner = sizeOf(filter.shape.slice(0, -1));
  const rows = reshaped(windows(x, axes), [x.shape[0]! * sizeOf(out), inner]);
  return reshaped(product(rows, reshaped(filter, [inner, filter.shape.at(-1)!])), [
    x.shape[0]!,
    ...out,
    filter.shape.at(-1)!,
  ]);
}

/** A product for each channel: windows [channels, positions, window], filters [channels, window, multiplier]. */
function convolvedByChannel(x: SecretNode, filter: SecretNode, axes: readonly Axis[]): SecretNode {
  const out = axes.map((a) => a.out);
  const [channels, multiplier] = filter.shape.slice(-2) as [number, number];
  const window = sizeOf(axes.map((a) => a.filter));
  const rows = reshaped(windows(x, axes, true), [channels, x.shape[0]! * sizeOf(out), window]);
  const columns = reshaped(transposed(filter, [2, 0, 1, 3]), [channels, window, multiplier]);
  const made = reshaped(product(rows, columns), [channels, x.shape[0]!, ...out, multiplier]);
  return reshaped(transposed(made, [1, 2, 3, 0, 4]), [x.shape[0]!, ...out, channels * multiplier]);
}

interface ConvAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dataFormat: 'NHWC' | 'NCHW';
  dilations: [number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

/** The image with channels last, convolved, and its channels where they were. */
function convolution2D({ inputs, attrs, backend }: KernelCall, byChannel: boolean): SecretNode {
  const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
  const { strides, pad, dataFormat, dilations, dimRoundingMode } = attrs as unknown as ConvAttributes;
  const format = backend_util.convertConv2DDataFormat(dataFormat ?? 'NHWC');
  const info = backend_util.computeConv2DInfo(
    x.shape as never,
    filter.shape as never,
    strides,
    dilations ?? [1, 1],
    pad,
    dimRoundingMode,
    byChannel,
    format,
  );
  const first = format === 'channelsFirst';
  const image = first ? transposed(backend.node(x), toLast) : backend.node(x);
  const made = (byChannel ? convolvedByChannel : convolved)(image, backend.node(filter), axesOf2D(info));
  return first ? transposed(made, toFirst) : made;
}

/** Bias and weights of an activation stand for the channels, which are an inner axis where they come first. */
function overChannels(call: KernelCall): KernelCall {
  if ((call.attrs as unknown as ConvAttributes).dataFormat !== 'NCHW') return call;
  const { backend } = call;
  const spread = (t: TensorInfo | undefined) =>
    t && t.shape.length === 1 && t.shape[0]! > 1 ? backend.alias(t, [t.shape[0]!, 1, 1]) : t;
  const inputs = { ...call.inputs };
  for (const name of ['bias', 'preluActivationWeights'])
    if (inputs[name]) inputs[name] = spread(inputs[name] as TensorInfo) as never;
  return { ...call, inputs };
}

export const Conv2D: SecretKernel = (call) => call.backend.secret(convolution2D(call, false));
export const DepthwiseConv2dNative: SecretKernel = (call) => call.backend.secret(convolution2D(call, true));
export const FusedConv2D: SecretKernel = (call) =>
  finished(overChannels(call), 'FusedConv2D', convolution2D(call, false));
export const FusedDepthwiseConv2D: SecretKernel = (call) =>
  finished(overChannels(call), 'FusedDepthwiseConv2D', convolution2D(call, true));

export const Conv3D: SecretKernel = ({ inputs, attrs, backend }) => {
  const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
  const { strides, pad, dilations } = attrs as unknown as { strides: number; pad: 'valid' | 'same'; dilations: number };
  const info = backend_util.computeConv3DInfo(x.shape as never, filter.shape as never, strides, dilations, pad);
  return backend.secret(convolved(backend.node(x), backend.node(filter), axesOf3D(info)));
};

/** Transposed convolution: the gradient with zeros between its elements, convolved with the filter turned round. */
export const Conv2DBackpropInput: SecretKernel = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  const { inputShape, strides, pad, dataFormat, dimRoundingMode } = attrs as unknown as ConvAttributes & {
    inputShape: [number, number, number, number];
  };
  const format = backend_util.convertConv2DDataFormat(dataFormat ?? 'NHWC');
  const info = backend_util.computeConv2DInfo(
    inputShape,
    filter.shape as never,
    strides,
    1,
    pad,
    dimRoundingMode,
    false,
    format,
  );
  const first = format === 'channelsFirst';
  const from = first ? transposed(backend.node(dy), toLast) : backend.node(dy);
  const [high, wide] = axesOf2D(info) as [Axis, Axis];
  const [batch, rows, columns, channels] = from.shape as [number, number, number, number];
  // Where element i of an axis of the gradient lies, if anywhere
  const place = (a: Axis, i: number) => {
    const at = i - (a.filter - 1 - a.before);
    return at >= 0 && at % a.stride === 0 && at / a.stride < a.out ? at / a.stride : -1;
  };
  const spread = picked(
    from,
    [batch, high.in + high.filter - 1, wide.in + wide.filter - 1, channels],
    ([n, h, w, c]) => {
      const [y, x] = [place(high, h!), place(wide, w!)];
      return y < 0 || x < 0 ? -1 : ((n! * rows + y) * columns + x) * channels + c!;
    },
  );
  const kernel = backend.node(filter);
  const [fh, fw, inner] = kernel.shape as [number, number, number, number];
  const s = stridesOf(kernel.shape) as [number, number, number, number];
  const turned = view(kernel, [fh, fw, channels, inner], [-s[0], -s[1], s[3], s[2]], (fh - 1) * s[0] + (fw - 1) * s[1]);
  const plain = (a: Axis): Axis => ({
    in: a.in + a.filter - 1,
    out: a.in,
    filter: a.filter,
    stride: 1,
    dilation: 1,
    before: 0,
    after: 0,
  });
  const made = convolved(spread, turned, [plain(high), plain(wide)]);
  return backend.secret(first ? transposed(made, toFirst) : made);
};
