import { broadcastTo, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { type DealContext, int, type PartyContext, primitive } from '../instruction/primitive.js';
import { binaryReals, shapesOf } from '../instruction/reals.js';
import {
  broadcastShapes,
  check,
  type OpenedType,
  type Shape,
  type ShareType,
  shareType,
  sizeOf,
} from '../instruction/types.js';
import { publicPart, shareOf, twoOpened } from './operands.js';
import { addWrapped, bitsAbove, wrapOfSquare } from './wraps.js';

/** The cases of the unknown part u = y − M of an opened value: −r, and for one with a wrap also −r + 2^k·msb r. */
function unknownParts(c: DealContext<unknown>, i: number, shape: Shape): Words[] {
  const t = c.types[i] as OpenedType;
  const r = broadcastTo(c.kernels, c.ins[i]!.r!, t.shape, shape);
  const minus = zeros(r.length);
  c.kernels.sub(minus, minus, r);
  if (t.modular) return [minus];
  // index 0: msb m = 0, so the wrap counts where msb r = 1
  const h = scratch(r.length);
  c.kernels.affine(h, r, 1n, 0n, t.width);
  const top = zeros(r.length);
  c.kernels.maskForOpening(top, h, top, { offset: 0n, bits: 64, shift: t.width - 1, width: 64 });
  c.kernels.affine(top, top, t.width === 64 ? 0n : 1n << BigInt(t.width), 0n, 64);
  const wrapped = scratch(r.length);
  c.kernels.add(wrapped, minus, top);
  return [wrapped, minus];
}

/** For every element the table that the public top bits of the openings name, the first operand's bit first. */
function choose(c: PartyContext<unknown>, tables: readonly Words[], shape: Shape, operands: readonly number[]): Words {
  const [first, ...others] = operands;
  if (first === undefined) return tables[0]!;
  const t = c.types[first] as OpenedType;
  if (t.modular) return choose(c, tables, shape, others);
  const half = tables.length / 2;
  const [clear, set] = [tables.slice(0, half), tables.slice(half)].map((part) => choose(c, part, shape, others)) as [
    Words,
    Words,
  ];
  const out = scratch(sizeOf(shape));
  c.kernels.choose(out, broadcastTo(c.kernels, c.ins[first]!.m!, t.shape, shape), clear, set, t.width - 1);
  return out;
}

/**
 * Elementwise product of two opened values, broadcast; either may be a truncation's opening with a wrap, so that an m
 * is an operand without an opening of its own.
 *
 *   With y = M + u, M public and u = −r (+ 2^k·msb r where msb m = 0):
 *   ⟦xy⟧ = M_x·⟦y⟧ + ⟦u_x⟧·M_y + ⟦u_x·u_y⟧                              (local)
 *   T gives ⟦u_x·u_y⟧ for each case of the public top bits: one, two or four tables.
 *
 * Domain |xy| < 2^(a − 1 − fx − fy), a the smaller modulus of the two shares, or fewer bits where `bits` says so. Exact
 * modulo 2^a.
 * Cost   no round; dealer ceil(a/8) bytes an element for each case.
 * View   nothing is sent between the parties; the tables are masked one by one, so the unused ones tell nothing.
 * Source Beaver 1991; openings as operands: protocols section 4.
 */
export const mul = primitive({
  name: 'mul',
  attributes: z.object({ magnitude: int(-64, 63), bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [x, y] = twoOpened(ins);
    return shareType(
      broadcastShapes(x.shape, y.shape),
      x.fracBits + y.fracBits,
      Math.min(x.bits, y.bits, a.bits ?? 64),
      a.magnitude,
    );
  },
  needs: (bits) => [bits, bits],
  narrow: (bits) => ({ bits }),
  material(ins, _a, out) {
    const [x, y] = ins as [OpenedType, OpenedType];
    return Array((x.modular ? 1 : 2) * (y.modular ? 1 : 2)).fill({
      count: sizeOf(out.shape),
      bits: (out as ShareType).bits,
    });
  },
  deal(c) {
    const shape = c.out.shape;
    const ys = unknownParts(c, 1, shape);
    const material = unknownParts(c, 0, shape).flatMap((ux) =>
      ys.map((uy) => {
        const p = scratch(ux.length);
        c.kernels.mul(p, ux, uy);
        return p;
      }),
    );
    return { value: {}, material };
  },
  finish(c) {
    const { kernels, role, types, material } = c;
    const shape = c.out.shape;
    const [ex, ey] = [0, 1].map((i) => broadcastTo(kernels, publicPart(c, i), types[i]!.shape, shape)) as [
      Words,
      Words,
    ];
    const [sx, sy] = [0, 1].map((i) => broadcastTo(kernels, shareOf(c, i), types[i]!.shape, shape)) as [Words, Words];
    const out = scratch(ex.length);
    kernels.mul(out, ex, sy);
    // P0's half of u_x is x0 − M, P1's x1
    const u = scratch(ex.length);
    if (role === 0) kernels.sub(u, sx, ex);
    kernels.mul(u, role === 0 ? u : sx, ey);
    kernels.add(out, out, u);
    kernels.add(out, out, choose(c, material, shape, [0, 1]));
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, y) => x * y),
});

/**
 * Square of an opened value: x² = M² + 2M·⟦u⟧ + ⟦u²⟧, with ⟦u²⟧ for each case of the top bit as in `mul`; or for u = −r
 * and, `apart`, what a wrap adds, of which the bits above 2^(k+1) are dealt.
 * Domain |x²| < 2^(a − 1 − 2f). Exact. Cost no round; dealer a bits an element, for an opening with a wrap twice as
 * many, or a − k − 1 more.
 * View   as in `mul`.
 */
export const square = primitive({
  name: 'square',
  attributes: z.object({
    magnitude: int(-64, 63),
    bits: int(1, 64).optional(),
    apart: z.boolean().optional(),
  }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'opened' && x.bits > 0, () => 'square needs one opened value with a share');
    return shareType(x.shape, 2 * x.fracBits, Math.min(x.bits, a.bits ?? 64), a.magnitude);
  },
  needs: (bits) => [bits],
  narrow: (bits) => ({ bits }),
  material(ins, { apart }, out) {
    const { modular, width } = ins[0] as OpenedType;
    const [count, { bits }] = [sizeOf(out.shape), out as ShareType];
    if (modular) return [{ count, bits }];
    return [
      { count, bits },
      { count, bits: apart ? bitsAbove(bits, width + 1) : bits },
    ];
  },
  deal(c) {
    const squared = (u: Words) => {
      const p = scratch(u.length);
      c.kernels.mul(p, u, u);
      return p;
    };
    const { modular, width } = c.types[0] as OpenedType;
    if (modular || !c.a.apart) return { value: {}, material: unknownParts(c, 0, c.out.shape).map(squared) };
    const r = c.ins[0]!.r!;
    return { value: {}, material: [squared(r), wrapOfSquare(c.kernels, r, width)] };
  },
  finish(c) {
    const { kernels, role, material } = c;
    const t = c.types[0] as OpenedType;
    const e = publicPart(c, 0);
    const x = shareOf(c, 0);
    // M² + 2M(x − M) = M·(2x − M) at P0, M·2x at P1
    const out = scratch(e.length);
    kernels.add(out, x, x);
    if (role === 0) kernels.sub(out, out, e);
    kernels.mul(out, out, e);
    if (t.modular || !c.a.apart) kernels.add(out, out, choose(c, material, c.out.shape, [0]));
    else addWrapped(kernels, out, c.ins[0]!.m!, t.width, material as [Words, Words], t.width + 1);
    return { share: out };
  },
  plain: ({ ins }) => ins[0]!.map((v) => v * v),
});
