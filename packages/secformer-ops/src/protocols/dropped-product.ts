import { broadcastTo, type Kernels, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import type { Block } from '../instruction/blocks.js';
import { int, primitive } from '../instruction/primitive.js';
import { binaryReals, shapesOf } from '../instruction/reals.js';
import {
  broadcastShapes,
  check,
  describeAll,
  type OpenedType,
  offsetOf,
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import { publicPart, shareOf } from './operands.js';

interface Dropped {
  shift: number;
  magnitude: number;
  bits?: number;
}

/** Bits of words [from, from + width) of each, as a number. */
function part(kernels: Kernels, words: Words, from: number, width: number): Words {
  const out = scratch(words.length);
  kernels.maskForOpening(out, words, zeros(words.length), { offset: 0n, bits: from + width, shift: from, width });
  return out;
}

/** words·2^shift, which is 0 modulo 2^64 from 64 on. */
function raised(kernels: Kernels, words: Words, shift: number): Words {
  const out = scratch(words.length);
  kernels.affine(out, words, shift > 63 ? 0n : 1n << BigInt(shift), 0n, 64);
  return out;
}

function times(kernels: Kernels, a: Words, b: Words): Words {
  const out = scratch(a.length);
  kernels.mul(out, a, b);
  return out;
}

const both = (ins: readonly ValueType[]) => ins as [OpenedType, OpenedType];

/** The corrections: of the scales, then of the elements; those that a wrap adds have only the bits above it. */
function blocksOf(ins: readonly ValueType[], { shift }: Dropped, bits: number): Block[] {
  const [x, y] = both(ins);
  const above = (least: number) => Math.max(1, bits - least);
  const [n, scales] = [sizeOf(x.shape), sizeOf(y.shape)];
  return [
    { count: scales, bits },
    { count: scales, bits: above(y.width - shift) },
    { count: scales, bits },
    { count: n, bits },
    { count: n, bits: above(x.width - shift) },
    { count: n, bits },
    { count: n, bits: above(x.width - shift) },
    { count: n, bits: above(y.width - shift) },
    { count: n, bits: above(x.width + y.width - shift) },
  ];
}

/**
 * Elementwise product x·y/2^s of two truncations' openings, y broadcast: rows and what each is scaled by. Dropped of
 * the product itself, the last s bits would take as many of its modulus; here the result is right modulo 2^64, so that
 * an operand of 48 bits can be opened of it in one round.
 *
 *   With x = M + u as in `mul`, and for either operand its bits above s and those below:
 *     x = 2^s·X + …, X = (m_x ≫ s) − (r_x ≫ s) (+ 2^(k−s)·msb r where msb m = 0)
 *     y = 2^s·Y + E, E = (m_y mod 2^s) − (r_y mod 2^s), which has no wrap
 *   x·y/2^s = x·Y + X·E but for the product of what is below s of both                     (local)
 *   T gives ⟦u_Y⟧, ⟦u_E⟧, ⟦u_X⟧ and ⟦u_x·u_Y + u_X·u_E⟧, and apart what a wrap adds to them: a multiple of 2^(k−s),
 *   of which the bits above are dealt
 *
 * Domain |xy| < 2^(a − 1 − fx − fy + s). Error: less than 2^s units of the result's last place, 2^−22 at s = 10 and 32
 * fractional bits.
 * Cost   no round; dealer 33 bytes an element and 20 a scale for openings of 30 and 36 bits, s = 10.
 * View   nothing is sent between the parties; P1's corrections are masked by P0's streams, one by one, those not taken
 *        as well.
 * Source `mul`; protocols section 4.
 */
export const mulDrop = primitive<Dropped>({
  name: 'mulDrop',
  attributes: z.object({ shift: int(1, 32), magnitude: int(-64, 63), bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [x, y] = both(ins);
    const lifted = (t: ValueType | undefined) =>
      t?.kind === 'opened' &&
      !t.modular &&
      t.width > a.shift + 1 &&
      (t.offsetLog < 0 || (t.offsetLog >= a.shift && t.offsetLog < t.width));
    check(
      ins.length === 2 && lifted(x) && lifted(y) && x.bits > 0,
      () => `mulDrop by ${a.shift} of ${describeAll(ins)}`,
    );
    check(sameShape(broadcastShapes(x.shape, y.shape), x.shape), () => `[${y.shape}] scales nothing of [${x.shape}]`);
    return shareType(x.shape, x.fracBits + y.fracBits - a.shift, Math.min(x.bits, a.bits ?? 64), a.magnitude);
  },
  needs: (bits) => [bits, 0],
  narrow: (bits) => ({ bits }),
  material: (ins, a, out) => blocksOf(ins, a, (out as ShareType).bits),
  deal({ kernels, a: { shift }, ins, types }) {
    const [x, y] = both(types);
    const [r, ry] = [ins[0]!.r!, ins[1]!.r!];
    const wide = (words: Words) => broadcastTo(kernels, words, y.shape, x.shape);
    const minus = (words: Words) => {
      const out = scratch(words.length);
      kernels.affine(out, words, -1n, 0n, 64);
      return out;
    };
    const [above, top] = [part(kernels, r, shift, x.width - shift), part(kernels, r, x.width - 1, 1)];
    const [aboveY, topY] = [part(kernels, ry, shift, y.width - shift), part(kernels, ry, y.width - 1, 1)];
    const below = part(kernels, ry, 0, shift);
    const product = times(kernels, r, wide(aboveY));
    kernels.add(product, product, times(kernels, above, wide(below)));
    const material = [
      minus(aboveY),
      topY,
      minus(below),
      minus(above),
      top,
      product,
      minus(times(kernels, top, wide(ry))),
      minus(times(kernels, r, wide(topY))),
      times(kernels, top, wide(topY)),
    ];
    return { value: {}, material };
  },
  finish(c) {
    const { kernels, role, a, ins, types, material } = c;
    const [x, y] = both(types);
    const [m, my] = [ins[0]!.m!, ins[1]!.m!];
    const [uY, wrapY, uE, uX, wrapX, base, ofX, ofY, ofBoth] = material as Words[] as [
      Words,
      Words,
      Words,
      Words,
      Words,
      Words,
      Words,
      Words,
      Words,
    ];
    const wide = (words: Words) => broadcastTo(kernels, words, y.shape, x.shape);
    const none = zeros(m.length);
    /** words where the top bit of an opening is clear, and 0 where it is set */
    const whereClear = (words: Words, of: Words, width: number) => {
      kernels.choose(words, of, words, none.subarray(0, words.length), width - 1);
      return words;
    };
    const high = (words: Words, t: OpenedType) => {
      const out = part(kernels, words, a.shift, t.width - a.shift);
      kernels.affine(out, out, 1n, BigInt.asUintN(64, -(offsetOf(t) >> BigInt(a.shift))), 64);
      return out;
    };
    // The scales: public parts, and shares of Y and E
    const [publicY, publicE] = [high(my, y), part(kernels, my, 0, a.shift)];
    const shareY = whereClear(raised(kernels, wrapY, y.width - a.shift), my, y.width);
    kernels.add(shareY, shareY, uY);
    const shareE = scratch(uE.length);
    kernels.add(shareE, uE, role === 0 ? publicE : zeros(uE.length));
    if (role === 0) kernels.add(shareY, shareY, publicY);
    const [scale, rest] = [wide(publicY), wide(publicE)];
    // M_x·⟦Y⟧ + ⟦u_x⟧·M_Y + M_X·⟦E⟧ + ⟦u_X⟧·M_E + the products of what nobody knows
    const shown = publicPart(c, 0);
    const out = times(kernels, shown, wide(shareY));
    const own = scratch(out.length);
    if (role === 0) kernels.sub(own, shareOf(c, 0), shown);
    kernels.mul(own, role === 0 ? own : shareOf(c, 0), scale);
    kernels.add(out, out, own);
    kernels.add(out, out, times(kernels, high(m, x), wide(shareE)));
    kernels.add(out, out, times(kernels, uX, rest));
    kernels.add(out, out, base);
    const clearY = wide(my);
    const wrapped = times(kernels, wrapX, rest);
    kernels.add(wrapped, wrapped, ofX);
    kernels.add(wrapped, wrapped, whereClear(raised(kernels, ofBoth, y.width), clearY, y.width));
    kernels.add(out, out, whereClear(raised(kernels, wrapped, x.width - a.shift), m, x.width));
    kernels.add(out, out, whereClear(raised(kernels, ofY, y.width - a.shift), clearY, y.width));
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, y) => x * y),
  error: ({ shift }, out) => 2 ** (shift - (out as ShareType).fracBits),
});
