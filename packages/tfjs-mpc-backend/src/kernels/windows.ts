/** What convolutions and pooling share: every window of an image as a strided view, so that one opening serves all windows an element lies in. */
import { stridesOf } from '@secformer/ring';
import type { backend_util } from '@tensorflow/tfjs-core';
import type { SecretNode } from '../node-values.js';
import { padded, view } from './nodes.js';

/** One spatial axis of an operation on windows. */
export interface Axis {
  in: number;
  out: number;
  filter: number;
  stride: number;
  dilation: number;
  before: number;
  after: number;
}

export function axesOf2D(i: backend_util.Conv2DInfo): Axis[] {
  const { padInfo: p } = i;
  return [
    { in: i.inHeight, out: i.outHeight, filter: i.filterHeight, stride: i.strideHeight, dilation: i.dilationHeight, before: p.top, after: p.bottom },
    { in: i.inWidth, out: i.outWidth, filter: i.filterWidth, stride: i.strideWidth, dilation: i.dilationWidth, before: p.left, after: p.right },
  ];
}

export function axesOf3D(i: backend_util.Conv3DInfo): Axis[] {
  const { padInfo: p } = i;
  return [
    { in: i.inDepth, out: i.outDepth, filter: i.filterDepth, stride: i.strideDepth, dilation: i.dilationDepth, before: p.front, after: p.back },
    { in: i.inHeight, out: i.outHeight, filter: i.filterHeight, stride: i.strideHeight, dilation: i.dilationHeight, before: p.top, after: p.bottom },
    { in: i.inWidth, out: i.outWidth, filter: i.filterWidth, stride: i.strideWidth, dilation: i.dilationWidth, before: p.left, after: p.right },
  ];
}

/** Windows of x, [batch, …spatial, channels], as [batch, …out, …filter, channels], or with the channels first. */
export function windows(x: SecretNode, axes: readonly Axis[], outside: number, channelsFirst = false): SecretNode {
  const around = axes.map((a) => [a.before, Math.max(a.after, (a.out - 1) * a.stride + (a.filter - 1) * a.dilation + 1 - a.in - a.before)] as const);
  const whole = padded(x, [[0, 0], ...around, [0, 0]], outside);
  const strides = stridesOf(whole.shape);
  const spatial = strides.slice(1, -1);
  const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
  const shape = [batch, ...axes.map((a) => a.out), ...axes.map((a) => a.filter)];
  const steps = [strides[0]!, ...axes.map((a, i) => spatial[i]! * a.stride), ...axes.map((a, i) => spatial[i]! * a.dilation)];
  return channelsFirst ? view(whole, [channels, ...shape], [1, ...steps]) : view(whole, [...shape, channels], [...steps, 1]);
}

/** How many elements of each window lie inside the image, row by row. */
export function insideCounts(axes: readonly Axis[]): number[] {
  const counts = axes.map((a) =>
    Array.from({ length: a.out }, (_, o) => {
      const first = o * a.stride - a.before;
      return Array.from({ length: a.filter }, (_, f) => first + f * a.dilation).filter((at) => at >= 0 && at < a.in).length;
    }),
  );
  return counts.reduce<number[]>((rows, axis) => rows.flatMap((r) => axis.map((c) => r * c)), [1]);
}
