import type { Shape } from '../instruction/types.js';

/** Places of one axis: `count` of them, from `begin` on, `step` apart. */
export interface Places {
  begin: number;
  /** 1 where there is one place only */
  step: number;
  count: number;
}

/** Places of every axis of a tensor: the part of it where all of them meet. */
export type Part = readonly Places[];

export function placesOf(begin: number, step: number, count: number): Places {
  return { begin, step: count > 1 ? step : 1, count };
}

export function allOf(shape: Shape): Places[] {
  return shape.map((d) => placesOf(0, 1, d));
}

export function samePart(a: Part, b: Part): boolean {
  return a.every((p, i) => p.begin === b[i]!.begin && p.step === b[i]!.step && p.count === b[i]!.count);
}

export function shapeOf(part: Part): number[] {
  return part.map((p) => p.count);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const last = (p: Places) => p.begin + (p.count - 1) * p.step;

/** The fewest places, evenly apart, that hold all of both. */
export function cover(a: Places, b: Places): Places {
  const begin = Math.min(a.begin, b.begin);
  const steps = [a, b].map((p) => (p.count > 1 ? p.step : 0));
  const step = gcd(gcd(steps[0]!, steps[1]!), Math.abs(a.begin - b.begin)) || 1;
  return placesOf(begin, step, (Math.max(last(a), last(b)) - begin) / step + 1);
}

/** Those places of an axis that are `inner` among the places `outer`. */
export function among(inner: Places, outer: Places): Places {
  return placesOf(outer.begin + inner.begin * outer.step, inner.step * outer.step, inner.count);
}

/** Where `part` is among the places `whole`, which hold it. */
export function within(part: Places, whole: Places): Places {
  return placesOf((part.begin - whole.begin) / whole.step, part.step / whole.step, part.count);
}

/**
 * A part of a tensor of shape `to` that was reshaped from `from`: the same elements, in the same order, as a part of
 * `from`. Where they are no part of it, `made` is all of the axes that go together in the reshape.
 */
export function beforeReshape(part: Part, from: Shape, to: Shape): { made: Places[]; before: Places[] } {
  const made: Places[] = [];
  const before: Places[] = [];
  for (const [ins, outs] of groups(from, to)) {
    const own = part.slice(made.length, made.length + outs.length);
    const flat = flattened(own, outs);
    const apart = flat && unflattened(flat, ins);
    made.push(...(apart ? own : allOf(outs)));
    before.push(...(apart ?? allOf(ins)));
  }
  return { made, before };
}

/** Axes of two shapes that hold elements, in the smallest groups that hold as many on either side. */
function groups(from: Shape, to: Shape): [Shape, Shape][] {
  const found: [Shape, Shape][] = [];
  let [i, o] = [0, 0];
  while (i < from.length || o < to.length) {
    const start = [i, o];
    let [p, q] = [from[i++] ?? 1, to[o++] ?? 1];
    while (p !== q) {
      if (p < q) p *= from[i++]!;
      else q *= to[o++]!;
    }
    found.push([from.slice(start[0], i), to.slice(start[1], o)]);
  }
  return found;
}

/** A part's places among all elements, in their order, if those are evenly apart. */
function flattened(part: Part, shape: Shape): Places | undefined {
  let flat = placesOf(0, 1, 1);
  for (const [i, p] of part.entries()) {
    const d = shape[i]!;
    const begin = flat.begin * d + p.begin;
    if (flat.count === 1) flat = placesOf(begin, p.step, p.count);
    else if (p.count === 1) flat = placesOf(begin, flat.step * d, flat.count);
    else if (flat.step * d === p.step * p.count) flat = placesOf(begin, p.step, flat.count * p.count);
    else return undefined;
  }
  return flat;
}

/** The part that has these places among all elements, if there is one. */
function unflattened(flat: Places, shape: Shape): Places[] | undefined {
  const part: Places[] = [];
  let rest = flat;
  for (const d of [...shape].reverse()) {
    const { begin, step, count } = rest;
    const [at, outer] = [begin % d, Math.floor(begin / d)];
    const period = d / step;
    if (count === 1 || step % d === 0) {
      part.unshift(placesOf(at, 1, 1));
      rest = placesOf(outer, step / d, count);
    } else if (Math.floor(last(rest) / d) === outer) {
      part.unshift(placesOf(at, step, count));
      rest = placesOf(outer, 1, 1);
    } else if (Number.isInteger(period) && at < step && count % period === 0) {
      part.unshift(placesOf(at, step, period));
      rest = placesOf(outer, 1, count / period);
    } else {
      return undefined;
    }
  }
  return part;
}
