/**
 * Where elements lie: views, elements by public index, concatenation. Linear as local arithmetic is (see linear): each
 * party applies them to its own share.
 * Cost: no rounds, no bytes. View: nothing new.
 */
import { gatherStrided, halvesOf, type Kernels, scratch, stridesOf, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, noAttributes, primitive } from '../instruction/primitive.js';
import type { PublicWords } from '../instruction/public-words.js';
import { strided } from '../instruction/reals.js';
import { check, describeAll, sameShape, shareType, sizeOf } from '../instruction/types.js';
import { same } from './linear.js';

/** Axes of a view: windows of six axes take twelve. */
const AXES = 16;

/**
 * A strided view, copied: reshape, transpose, slice, reversal, broadcast, tile and overlapping windows. The same
 * permutation of shares, openings and masks, so it applies to opened values too and costs no opening.
 */
export const layout = primitive({
  name: 'layout',
  attributes: z.object({
    shape: z.array(int(0, 2 ** 31)).max(AXES),
    strides: z.array(int(-(2 ** 31), 2 ** 31)).max(AXES),
    offset: int(0, 2 ** 31),
  }),
  infer(ins, a) {
    const [x] = ins;
    check(
      ins.length === 1 && (x?.kind === 'share' || x?.kind === 'opened' || x?.kind === 'public'),
      () => 'layout needs one share, opened value or public tensor',
    );
    check(a.shape.length === a.strides.length, () => 'layout has a stride for each axis');
    const end = (sign: number) =>
      a.shape.reduce((at, d, i) => at + (a.strides[i]! * sign > 0 ? Math.max(0, d - 1) * a.strides[i]! : 0), a.offset);
    check(
      sizeOf(a.shape) === 0 || (end(-1) >= 0 && end(1) < sizeOf(x.shape)),
      () => `layout reads elements ${end(-1)} to ${end(1)} of ${sizeOf(x.shape)}`,
    );
    if (x.kind !== 'opened') return { ...x, shape: a.shape };
    // A view of an opening that stays is another opening
    const { stays: _, ...rest } = x;
    return { ...rest, shape: a.shape };
  },
  needs: same,
  differences: 'passes',
  deal: ({ kernels, a, ins, types }) => ({ value: views(kernels, ins[0]!, a, sizeOf(types[0]!.shape)) }),
  finish: ({ kernels, a, ins, types }) => views(kernels, ins[0]!, a, sizeOf(types[0]!.shape)),
  plain: ({ a, ins }) => strided(ins[0]!, a.shape, a.strides, a.offset),
});

interface View {
  shape: number[];
  strides: number[];
  offset: number;
}

/** Whether a view is of all `n` elements in their order. */
export function isWhole({ shape, strides, offset }: View, n: number): boolean {
  const own = stridesOf(shape);
  return offset === 0 && sizeOf(shape) === n && strides.every((s, i) => s === own[i] || shape[i] === 1);
}

/**
 * The same view of every array that a value is made of; what is stored and only read in another shape is the value
 * itself.
 */
function views<V extends { stored?: unknown; known?: PublicWords }>(
  kernels: Kernels,
  value: V,
  view: View,
  n: number,
): V {
  const whole = isWhole(view, n);
  if (whole && (value.stored || value.known)) return value;
  const { shape, strides, offset } = view;
  const { stored: _, known, ...others } = value;
  const arrays = known ? { words: known.words } : others;
  return Object.fromEntries(
    Object.entries(arrays).map(([name, words]) => [
      name,
      whole ? words : gatherStrided(kernels, words as Words, shape, strides, offset),
    ]),
  ) as V;
}

/**
 * Elements by public index, −1 for a zero: what no strides say, such as scatters by local indices and resizing. The
 * indices are a constant of the Program.
 * `checkProgram` sees to it that they lie inside.
 */
export const pick = primitive({
  name: 'pick',
  attributes: z.object({
    constant: int(0, 65535),
    constantBits: z.literal(0),
    shape: z.array(int(0, 2 ** 31)).max(AXES),
  }),
  infer(ins, a) {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'share', () => 'pick needs one share');
    return { ...x, shape: a.shape };
  },
  needs: same,
  finish({ a, ins, out, constants }) {
    const to = zeros(sizeOf(out.shape));
    const [from, result] = [halvesOf(ins[0]!.share!), halvesOf(to)];
    const indices = halvesOf(constants[a.constant]!);
    for (let i = 0; i < result.length; i += 2) {
      // The high half of −1 is all ones
      if (indices[i + 1] !== 0) continue;
      const at = 2 * (indices[i] as number);
      result[i] = from[at] as number;
      result[i + 1] = from[at + 1] as number;
    }
    return { share: to };
  },
  plain: ({ a, ins, constants }) => Float64Array.from(constants[a.constant]!, (i) => (i < 0 ? 0 : ins[0]![i]!)),
});

/** Concatenation along the first axis; other axes are a layout away. */
export const concat = primitive({
  name: 'concat',
  attributes: noAttributes,
  infer(ins) {
    const [x] = ins;
    check(x?.kind === 'share' && x.shape.length > 0, () => 'concat needs shares with an axis');
    let rows = 0;
    let bits = 64;
    let magnitude = -64;
    for (const t of ins) {
      check(
        t.kind === 'share' && t.fracBits === x.fracBits && sameShape(t.shape, x.shape, 1),
        () => `concat of ${describeAll(ins)}`,
      );
      rows += t.shape[0]!;
      bits = Math.min(bits, t.bits);
      magnitude = Math.max(magnitude, t.magnitude);
    }
    return shareType([rows, ...x.shape.slice(1)], x.fracBits, bits, magnitude);
  },
  needs: same,
  finish({ ins, out }) {
    const to = scratch(sizeOf(out.shape));
    let at = 0;
    for (const { share } of ins) {
      to.set(share!, at);
      at += share!.length;
    }
    return { share: to };
  },
  plain({ ins, out }) {
    const to = new Float64Array(sizeOf(out.shape));
    let at = 0;
    for (const x of ins) {
      to.set(x, at);
      at += x.length;
    }
    return to;
  },
});
