import { planeWords, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { type Block, planeBlock } from '../instruction/blocks.js';
import { int, noAttributes, primitive } from '../instruction/primitive.js';
import {
  type BitsType,
  check,
  describeAll,
  type OpenBitsType,
  type OpenedType,
  offsetOf,
  type Shape,
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import { shareOf } from './operands.js';

/**
 * From rising thresholds τ_0 < … < τ_(T−1) to the one interval a value lies in: T planes [x < τ_j] become T + 1 planes,
 * o_0 = [x < τ_0], o_j = [x < τ_j] ⊕ [x < τ_(j−1)], o_T = 1 ⊕ [x < τ_(T−1)]. Local.
 */
export const oneHot = primitive({
  name: 'oneHot',
  attributes: noAttributes,
  infer(ins): BitsType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'bits', () => 'oneHot needs bits');
    return { ...x, planes: x.planes + 1 };
  },
  finish({ kernels, role, ins, types }) {
    const bits = ins[0]!.planes!;
    const { planes } = types[0] as BitsType;
    const size = bits.length / planes;
    const out = zeros(bits.length + size);
    out.set(bits);
    const shifted = zeros(out.length);
    shifted.set(bits, size);
    if (role === 0) out.fill(0xffff_ffff_ffff_ffffn, bits.length);
    kernels.xor(out, out, shifted);
    return { planes: out };
  },
  plain({ ins, types }) {
    const n = sizeOf(types[0]!.shape);
    const out = new Float64Array(ins[0]!.length + n);
    out.set(ins[0]!);
    out.fill(1, ins[0]!.length);
    for (let i = out.length - 1; i >= n; i--) out[i] = Number(out[i] !== out[i - n]);
    return out;
  },
});

/** Some of the planes, in order. Local; of opened bits the β go along. */
export const planes = primitive({
  name: 'planes',
  attributes: z.object({ from: int(0, 64), count: int(1, 64) }),
  infer(ins, a): BitsType | OpenBitsType {
    const [x] = ins;
    check(
      ins.length === 1 && (x?.kind === 'bits' || x?.kind === 'openBits') && a.from + a.count <= x.planes,
      () => `planes ${a.from} to ${a.from + a.count - 1} of ${describeAll(ins)}`,
    );
    return { ...x, planes: a.count };
  },
  deal({ a, ins, types }) {
    const { beta } = ins[0]!;
    return { value: beta ? { beta: cut(beta, types, a) } : {} };
  },
  finish: ({ a, ins, types }) => ({ planes: cut(ins[0]!.planes!, types, a) }),
  plain({ a, ins, types }) {
    const n = sizeOf(types[0]!.shape);
    return ins[0]!.subarray(a.from * n, (a.from + a.count) * n);
  },
});

function cut(words: Words, types: ValueType[], { from, count }: { from: number; count: number }): Words {
  const size = words.length / (types[0] as BitsType).planes;
  return words.subarray(from * size, (from + count) * size);
}

/**
 * Opening of shared bits: c = b ⊕ β, β = β0 ⊕ β1 from the streams.
 * Cost 1 round, 1 bit each way a bit; nothing from the dealer. View c is uniform because β is, and β serves this value
 * alone.
 */
export const openBits = primitive({
  name: 'openBits',
  attributes: noAttributes,
  infer(ins): OpenBitsType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'bits', () => `openBits of ${describeAll(ins)}`);
    return { ...x, kind: 'openBits' };
  },
  masks: (ins) => [planesOf(ins)],
  opens: (ins) => planesOf(ins),
  deal: ({ masks }) => ({ value: { beta: masks[0]! } }),
  begin({ kernels, ins, masks }) {
    const out = scratch(masks[0]!.length);
    kernels.xor(out, ins[0]!.planes!, masks[0]!);
    return out;
  },
  finish: ({ opened }) => ({ planes: opened }),
  plain: ({ ins }) => ins[0],
});

function planesOf(ins: ValueType[]): Block {
  const t = ins[0] as BitsType;
  return planeBlock(t.planes, sizeOf(t.shape));
}

/** The shape of one value a plane: the planes become a leading axis where there are several. */
function stacked(t: OpenBitsType): Shape {
  return t.planes === 1 ? t.shape : [t.planes, ...t.shape];
}

function eachPlane(
  planes: number,
  n: number,
  bits: Words,
  each: (plane: Words, from: number, to: number) => void,
): void {
  const size = planeWords(n);
  for (let p = 0; p < planes; p++) each(bits.subarray(p * size, (p + 1) * size), p * n, (p + 1) * n);
}

/**
 * Opened bits as shares of the integers 0 and 1: b = c + (1 − 2c)·⟦β⟧.
 * Cost no round; dealer ceil(bits/8) bytes a bit. View as in openBits; P1's ⟦β⟧ is masked by P0's stream.
 */
export const bitValue = primitive({
  name: 'bitValue',
  attributes: z.object({ bits: int(2, 64) }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'openBits', () => 'bitValue needs opened bits');
    return shareType(stacked(x), 0, a.bits, 1);
  },
  narrow: (bits) => ({ bits: Math.max(2, bits) }),
  material: (_ins, a, out) => [{ count: sizeOf(out.shape), bits: a.bits }],
  deal({ kernels, ins, types, out }) {
    const t = types[0] as OpenBitsType;
    const words = scratch(sizeOf(out.shape));
    eachPlane(t.planes, sizeOf(t.shape), ins[0]!.beta!, (plane, from, to) =>
      kernels.planeToWords(words.subarray(from, to), plane),
    );
    return { value: {}, material: [words] };
  },
  finish({ kernels, role, ins, types, material, out }) {
    const t = types[0] as OpenBitsType;
    const n = sizeOf(t.shape);
    const share = scratch(sizeOf(out.shape));
    eachPlane(t.planes, n, ins[0]!.planes!, (plane, from, to) =>
      kernels.bitShare(share.subarray(from, to), plane, material[0]!.subarray(from, to), role === 0),
    );
    return { share };
  },
  plain: ({ ins }) => ins[0],
});

/** A product with a value opened modulo 2^k holds its wrap-around, 2^k, too. */
function withWrap(bits: number, [, x]: ValueType[]): number {
  const { modular, width } = x as OpenedType;
  return modular ? bits : Math.max(bits, width + 1);
}

/**
 * Opened bits times an opened value, every plane with the same value: for b = c ⊕ β, x = M − r + 2^k(1 − msb m)·msb r,
 *
 *   ⟦b·x⟧ = c·⟦x⟧ + (1 − 2c)·(M·⟦β⟧ − ⟦β·r⟧ + 2^k(1 − msb m)·⟦β·msb r⟧)         (local)
 *
 * Exact modulo 2^bits, that of x's share if absent. Cost no round; dealer two words of that many bits and one of bits −
 * k an element and plane.
 * View   nothing is sent between the parties; every plane has its own β and corrections. Source protocols section 5.
 */
export const bitMultiply = primitive({
  name: 'bitMultiply',
  attributes: z.object({ bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [b, x] = ins;
    const ok =
      ins.length === 2 && b?.kind === 'openBits' && x?.kind === 'opened' && x.bits > 0 && sameShape(b.shape, x.shape);
    check(ok, () => `bitMultiply of ${describeAll(ins)}`);
    const bits = Math.min(x.bits, a.bits ?? x.bits);
    check(x.modular || bits > x.width, () => `a product modulo 2^${bits} of a value opened in ${x.width} bits`);
    return shareType(stacked(b), x.fracBits, bits, x.magnitude);
  },
  needs: (bits, ins) => [0, withWrap(bits, ins)],
  narrow: (bits, ins) => ({ bits: withWrap(bits, ins) }),
  material(ins, _a, out) {
    const x = ins[1] as OpenedType;
    const { bits } = out as ShareType;
    const count = sizeOf(out.shape);
    const blocks = [
      { count, bits },
      { count, bits },
    ];
    return x.modular ? blocks : [...blocks, { count, bits: bits - x.width }];
  },
  deal({ kernels, ins, types, out }) {
    const t = types[0] as OpenBitsType;
    const x = types[1] as OpenedType;
    const r = ins[1]!.r!;
    const count = sizeOf(out.shape);
    const [b, br, bh] = [scratch(count), scratch(count), scratch(count)];
    const zero = zeros(r.length);
    eachPlane(t.planes, r.length, ins[0]!.beta!, (plane, from, to) => {
      kernels.planeToWords(b.subarray(from, to), plane);
      kernels.mul(br.subarray(from, to), b.subarray(from, to), r);
    });
    if (x.modular) return { value: {}, material: [b, br] };
    const h = scratch(r.length);
    kernels.affine(h, r, 1n, 0n, x.width);
    kernels.maskForOpening(h, h, zero, { offset: 0n, bits: 64, shift: x.width - 1, width: 64 });
    eachPlane(t.planes, r.length, ins[0]!.beta!, (_plane, from, to) =>
      kernels.mul(bh.subarray(from, to), b.subarray(from, to), h),
    );
    return { value: {}, material: [b, br, bh] };
  },
  finish(c) {
    const { kernels, ins, types, material, out } = c;
    const t = types[0] as OpenBitsType;
    const x = types[1] as OpenedType;
    const { m } = ins[1]!;
    const share = shareOf(c, 1);
    const result = scratch(sizeOf(out.shape));
    const [b, br, bh] = material as [Words, Words, Words?];
    eachPlane(t.planes, m!.length, ins[0]!.planes!, (plane, from, to) => {
      const high = bh ? bh.subarray(from, to) : b;
      kernels.bitMultiply(
        result.subarray(from, to),
        plane,
        share,
        m!,
        b.subarray(from, to),
        br.subarray(from, to),
        high,
        x.width,
        offsetOf(x),
        !x.modular,
      );
    });
    return { share: result };
  },
  plain: ({ ins }) => ins[0]!.map((b, i) => (b === 0 ? 0 : b * ins[1]![i % ins[1]!.length]!)),
});
