import { broadcastTo, type Kernels, MINUS_ONE, StoredWords, scratch, stridesOf, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { type DealContext, type DealerValue, int, type PartyContext, primitive } from '../program/primitive.js';
import { binaryReals, matMulReals } from '../program/reals.js';
import { broadcastShapes, check, describe, type OpenedType, type Shape, type ShareType, shareType, sizeOf, type ValueType } from '../program/types.js';

function twoOpened(ins: ValueType[]): [OpenedType, OpenedType] {
  const [x, y] = ins;
  check(ins.length === 2 && x?.kind === 'opened' && y?.kind === 'opened', () => `a product needs two opened values, got ${ins.map(describe).join('; ')}`);
  check(x.bits > 0 && y.bits > 0, () => 'a product needs the shares of both operands');
  return [x, y];
}

function publicPart(c: PartyContext<unknown>, i: number): Words {
  const t = c.types[i] as OpenedType;
  const m = c.ins[i]!.m!;
  if (t.offsetLog < 0) return m;
  const out = scratch(m.length);
  c.kernels.affine(out, m, 1n, BigInt.asUintN(64, -(1n << BigInt(t.offsetLog))), 64);
  return out;
}

/** This party's share m − 2r_i of 2y. */
function twice(c: PartyContext<unknown>, i: number): Words {
  const { share } = c.ins[i]!;
  const e = publicPart(c, i);
  const out = scratch(e.length);
  c.kernels.add(out, share!, share!);
  if (c.role === 0) c.kernels.sub(out, out, e);
  else c.kernels.add(out, out, e);
  return out;
}

interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
  magnitude: number;
}

function matMulShape(x: Shape, y: Shape, a: MatMulAttributes): { batch: Shape; m: number; k: number; n: number } {
  check(x.length >= 2 && y.length >= 2, () => `matMul of ranks ${x.length} and ${y.length}`);
  const [m, k] = a.transposeA ? [x.at(-1)!, x.at(-2)!] : [x.at(-2)!, x.at(-1)!];
  const [k2, n] = a.transposeB ? [y.at(-1)!, y.at(-2)!] : [y.at(-2)!, y.at(-1)!];
  check(k === k2, () => `matMul: inner dimensions ${k} and ${k2} of [${x}] and [${y}] differ`);
  return { batch: broadcastShapes(x.slice(0, -2), y.slice(0, -2)), m, k, n };
}

/** Calls `each` with the offsets of every pair of matrices, the batch axes broadcast. */
function eachPair(x: Shape, y: Shape, batch: Shape, each: (x: number, y: number, out: number) => void): void {
  const n = sizeOf(batch);
  const offsets = (shape: Shape) => {
    const own = shape.slice(0, -2);
    const lead = batch.length - own.length;
    const strides = stridesOf(own);
    return batch.map((_, i) => (i < lead || own[i - lead] === 1 ? 0 : strides[i - lead]!));
  };
  const [sx, sy, sb] = [offsets(x), offsets(y), stridesOf(batch)];
  for (let i = 0; i < n; i++) {
    let [ox, oy] = [0, 0];
    for (let d = 0, left = i; d < batch.length; d++) {
      const at = Math.floor(left / sb[d]!);
      left -= at * sb[d]!;
      ox += at * sx[d]!;
      oy += at * sy[d]!;
    }
    each(ox, oy, i);
  }
}

/** The batched product modulo 2^bits. A right operand that stays, if it is one matrix, is packed once for all its products. */
function batchMatMul(kernels: Kernels, x: Words, y: Words | StoredWords, types: ValueType[], a: MatMulAttributes, bits: number): Words {
  const [tx, ty] = types as [OpenedType, OpenedType];
  const { batch, m, k, n } = matMulShape(tx.shape, ty.shape, a);
  const out = scratch(sizeOf(batch) * m * n);
  const shape = { m, k, n, transposeA: a.transposeA, transposeB: a.transposeB, bits };
  const right = y instanceof StoredWords ? (sizeOf(ty.shape) === k * n ? y.packed(shape) : y.words) : y;
  eachPair(tx.shape, ty.shape, batch, (ox, oy, i) => {
    const of = 'words' in right ? right : right.subarray(oy * k * n, (oy + 1) * k * n);
    kernels.matMul(out.subarray(i * m * n, (i + 1) * m * n), x.subarray(ox * m * k, (ox + 1) * m * k), of, shape);
  });
  return out;
}

/**
 * Matrix product of two secret tensors, batched: one product a party.
 *
 *   1. E = x + r_x and D = y + r_y are open (protocols: open); u_i = E − 2r_xi, so u_0 + u_1 = 2x and u_0 − u_1 = 2d_x, d_x = r_x1 − r_x0; v_i of y likewise
 *   2. s_i = u_i·v_i modulo 2^(a+1)                                        (local)
 *      s_0 + s_1 = ½[(u_0 + u_1)(v_0 + v_1) + (u_0 − u_1)(v_0 − v_1)] = 2(xy + d_x·d_y), and both are odd where E·D is
 *   3. ⟦xy⟧_i = s_i/2, rounded up at P0 and down at P1, and ⟦−d_x·d_y⟧_i modulo 2^a
 *
 * Domain |Σxy| < 2^(a − 1 − fx − fy), a the smaller width of the openings and at most 63; only the result must fit, partial sums may wrap. Exact modulo 2^a.
 * Cost   no round; dealer ceil(a/8) bytes an element of the result.
 * View   nothing is sent between the parties; P1 sees its correction, masked by P0's stream.
 * Source Beaver 1991; Mohassel and Zhang 2017 (matrix form), with two products a party, or three where a factor is known beforehand. Here the dealer's product is one of
 *        differences, by the identity of step 2.
 */
export const matMul = primitive<MatMulAttributes>({
  name: 'matMul',
  attributes: z.object({ transposeA: z.boolean(), transposeB: z.boolean(), magnitude: int(-64, 63) }),
  infer(ins, a): ShareType {
    const [x, y] = twoOpened(ins);
    check(x.modular && y.modular, () => 'matMul needs modular openings of both operands');
    const { batch, m, n } = matMulShape(x.shape, y.shape, a);
    return shareType([...batch, m, n], x.fracBits + y.fracBits, Math.min(x.width, y.width, 63), a.magnitude);
  },
  differences: 'always',
  material: (_ins, _a, out) => [{ count: sizeOf(out.shape), bits: (out as ShareType).bits }],
  deal({ kernels, a, ins, types, out }) {
    const [x, y] = ins as [DealerValue, DealerValue];
    const d = x.stored?.words.words ?? x.difference!;
    const minus = scratch(d.length);
    kernels.affine(minus, d, MINUS_ONE, 0n, 64);
    return { value: {}, material: [batchMatMul(kernels, minus, y.stored?.words ?? y.difference!, types, a, (out as ShareType).bits)] };
  },
  finish(c) {
    const { kernels, role, a, ins, types, material } = c;
    const { bits } = c.out as ShareType;
    const [u, v] = [0, 1].map((i) => ins[i]!.stored?.words ?? twice(c, i)) as [Words | StoredWords, Words | StoredWords];
    const share = batchMatMul(kernels, u instanceof StoredWords ? u.words : u, v, types, a, bits + 1);
    kernels.maskForOpening(share, share, material[0]!, { offset: role === 0 ? 1n : 0n, bits: bits + 1, shift: 1, width: bits });
    return { share };
  },
  plain: ({ a, ins, types }) =>
    matMulReals(
      ins,
      types.map((t) => t.shape),
      a.transposeA,
      a.transposeB,
    ),
});

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
  const [clear, set] = [tables.slice(0, half), tables.slice(half)].map((part) => choose(c, part, shape, others)) as [Words, Words];
  const out = scratch(sizeOf(shape));
  c.kernels.choose(out, broadcastTo(c.kernels, c.ins[first]!.m!, t.shape, shape), clear, set, t.width - 1);
  return out;
}

/**
 * Elementwise product of two opened values, broadcast; either may be a truncation's opening with a wrap, so that an m is an operand without
 * an opening of its own.
 *
 *   With y = M + u, M public and u = −r (+ 2^k·msb r where msb m = 0):
 *   ⟦xy⟧ = M_x·⟦y⟧ + ⟦u_x⟧·M_y + ⟦u_x·u_y⟧                              (local)
 *   T gives ⟦u_x·u_y⟧ for each case of the public top bits: one, two or four tables.
 *
 * Domain |xy| < 2^(a − 1 − fx − fy), a the smaller modulus of the two shares, or fewer bits where `bits` says so. Exact modulo 2^a.
 * Cost   no round; dealer ceil(a/8) bytes an element for each case.
 * View   nothing is sent between the parties; the tables are masked one by one, so the unused ones tell nothing.
 * Source Beaver 1991; openings as operands: protocols section 4.
 */
export const mul = primitive({
  name: 'mul',
  attributes: z.object({ magnitude: int(-64, 63), bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [x, y] = twoOpened(ins);
    return shareType(broadcastShapes(x.shape, y.shape), x.fracBits + y.fracBits, Math.min(x.bits, y.bits, a.bits ?? 64), a.magnitude);
  },
  needs: (bits) => [bits, bits],
  narrow: (bits) => ({ bits }),
  material(ins, _a, out) {
    const [x, y] = ins as [OpenedType, OpenedType];
    return Array((x.modular ? 1 : 2) * (y.modular ? 1 : 2)).fill({ count: sizeOf(out.shape), bits: (out as ShareType).bits });
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
    const { kernels, role, ins, types, material } = c;
    const shape = c.out.shape;
    const [ex, ey] = [0, 1].map((i) => broadcastTo(kernels, publicPart(c, i), types[i]!.shape, shape)) as [Words, Words];
    const [sx, sy] = [0, 1].map((i) => broadcastTo(kernels, ins[i]!.share!, types[i]!.shape, shape)) as [Words, Words];
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
  plain: ({ ins, types, out }) =>
    binaryReals(
      ins,
      types.map((t) => t.shape),
      out.shape,
      (x, y) => x * y,
    ),
});

/**
 * Square of an opened value: x² = M² + 2M·⟦u⟧ + ⟦u²⟧, with ⟦u²⟧ for each case of the top bit as in `mul`.
 * Domain |x²| < 2^(a − 1 − 2f). Exact. Cost no round; dealer ceil(a/8) bytes an element, twice for an opening with a wrap.
 * View   as in `mul`.
 */
export const square = primitive({
  name: 'square',
  attributes: z.object({ magnitude: int(-64, 63), bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'opened' && x.bits > 0, () => 'square needs one opened value with a share');
    return shareType(x.shape, 2 * x.fracBits, Math.min(x.bits, a.bits ?? 64), a.magnitude);
  },
  needs: (bits) => [bits],
  narrow: (bits) => ({ bits }),
  material: (ins, _a, out) => Array((ins[0] as OpenedType).modular ? 1 : 2).fill({ count: sizeOf(out.shape), bits: (out as ShareType).bits }),
  deal(c) {
    const material = unknownParts(c, 0, c.out.shape).map((u) => {
      const p = scratch(u.length);
      c.kernels.mul(p, u, u);
      return p;
    });
    return { value: {}, material };
  },
  finish(c) {
    const { kernels, role, ins, material } = c;
    const e = publicPart(c, 0);
    const x = ins[0]!.share!;
    // M² + 2M(x − M) = M·(2x − M) at P0, M·2x at P1
    const out = scratch(e.length);
    kernels.add(out, x, x);
    if (role === 0) kernels.sub(out, out, e);
    kernels.mul(out, out, e);
    kernels.add(out, out, choose(c, material, c.out.shape, [0]));
    return { share: out };
  },
  plain: ({ ins }) => ins[0]!.map((v) => v * v),
});
