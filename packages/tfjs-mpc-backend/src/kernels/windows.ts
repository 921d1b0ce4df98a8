/**
 * What convolutions and pooling share: every window of an image as a strided view, so that one opening serves all
 * windows an element lies in.
 */
import { stridesOf } from '@secformer/ring';
import type { backend_util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
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

/** What a convolution in two dimensions and one in three both have of the last two. */
type Plane = Pick<
  backend_util.Conv2DInfo,
  | 'inHeight'
  | 'inWidth'
  | 'outHeight'
  | 'outWidth'
  | 'filterHeight'
  | 'filterWidth'
  | 'strideHeight'
  | 'strideWidth'
  | 'dilationHeight'
  | 'dilationWidth'
> & { padInfo: { top: number; bottom: number; left: number; right: number } };

export function axesOf2D(i: Plane): Axis[] {
  const { padInfo: p } = i;
  return [
    {
      in: i.inHeight,
      out: i.outHeight,
      filter: i.filterHeight,
      stride: i.strideHeight,
      dilation: i.dilationHeight,
      before: p.top,
      after: p.bottom,
    },
    {
      in: i.inWidth,
      out: i.outWidth,
      filter: i.filterWidth,
      stride: i.strideWidth,
      dilation: i.dilationWidth,
      before: p.left,
      after: p.right,
    },
  ];
}

export function axesOf3D(i: backend_util.Conv3DInfo): Axis[] {
  const { padInfo: p } = i;
  return [
    {
      in: i.inDepth,
      out: i.outDepth,
      filter: i.filterDepth,
      stride: i.strideDepth,
      dilation: i.dilationDepth,
      before: p.front,
      after: p.back,
    },
    ...axesOf2D(i),
  ];
}

/** Rows of an axis before the image and after it that its windows reach. */
function reached(a: Axis): [number, number] {
  return [a.before, Math.max(a.after, (a.out - 1) * a.stride + (a.filter - 1) * a.dilation + 1 - a.in - a.before)];
}

/**
 * Windows of x, [batch, …spatial, channels], as [batch, …out, …filter, channels], or with the channels first; zeros
 * around it.
 */
export function windows(x: SecretNode, axes: readonly Axis[], channelsFirst = false): SecretNode {
  return cut(padded(x, [[0, 0], ...axes.map(reached), [0, 0]], 0), axes, channelsFirst);
}

/**
 * Windows of x with every place outside the image taken by the nearest one inside, counted in steps of the dilation: an
 * element that the window has anyway, so that its maximum stays. One wholly outside has some element of the image.
 */
export function windowsInside(x: SecretNode, axes: readonly Axis[]): SecretNode {
  const whole = axes.reduce((image, a, i) => {
    const [before, after] = reached(a);
    const places = Array.from({ length: before + a.in + after }, (_, at) => at - before);
    const rows = places.map((at) => nearest(at, a));
    return rowsAt(image, 1 + i, rows);
  }, x);
  return cut(whole, axes, false);
}

/** Of each window along an axis and each of its places, the place of the filter whose element is taken there. */
export function filterPlaces(a: Axis): number[][] {
  return Array.from({ length: a.out }, (_, o) => {
    const first = o * a.stride - a.before;
    return Array.from({ length: a.filter }, (_, f) => (nearest(first + f * a.dilation, a) - first) / a.dilation);
  });
}

function nearest(at: number, { in: size, dilation: step }: Axis): number {
  const found =
    at < 0 ? at + step * Math.ceil(-at / step) : at < size ? at : at - step * Math.ceil((at - size + 1) / step);
  // No window has a place from which no step leads inside
  return found >= 0 && found < size ? found : 0;
}

/** Rows of one axis by their numbers, which may come again: runs of neighbours as they are. */
export function rowsAt(x: SecretNode, axis: number, rows: readonly number[]): SecretNode {
  const resized = (n: number) => x.shape.map((d, i) => (i === axis ? n : d));
  if (rows.length === x.shape[axis] && rows.every((row, i) => row === i)) return x;
  const parts: SecretNode[] = [];
  for (let from = 0, to = 1; from < rows.length; from = to++) {
    while (to < rows.length && rows[to] === rows[to - 1]! + 1) to++;
    const begin = x.shape.map((_, i) => (i === axis ? rows[from]! : 0));
    parts.push(to - from === x.shape[axis] ? x : new SecretNode('slice', [x], resized(to - from), { begin }));
  }
  return parts.length === 1 ? parts[0]! : new SecretNode('concat', parts, resized(rows.length), { axis });
}

/** Every window of an image that has its surroundings. */
function cut(whole: SecretNode, axes: readonly Axis[], channelsFirst: boolean): SecretNode {
  const strides = stridesOf(whole.shape);
  const spatial = strides.slice(1, -1);
  const [batch, channels] = [whole.shape[0]!, whole.shape.at(-1)!];
  const shape = [batch, ...axes.map((a) => a.out), ...axes.map((a) => a.filter)];
  const steps = [
    strides[0]!,
    ...axes.map((a, i) => spatial[i]! * a.stride),
    ...axes.map((a, i) => spatial[i]! * a.dilation),
  ];
  return channelsFirst
    ? view(whole, [channels, ...shape], [1, ...steps])
    : view(whole, [...shape, channels], [...steps, 1]);
}

/** How many elements of each window lie inside the image, row by row. */
export function insideCounts(axes: readonly Axis[]): number[] {
  const counts = axes.map((a) =>
    Array.from({ length: a.out }, (_, o) => {
      const first = o * a.stride - a.before;
      return Array.from({ length: a.filter }, (_, f) => first + f * a.dilation).filter((at) => at >= 0 && at < a.in)
        .length;
    }),
  );
  return counts.reduce<number[]>((rows, axis) => rows.flatMap((r) => axis.map((c) => r * c)), [1]);
}
