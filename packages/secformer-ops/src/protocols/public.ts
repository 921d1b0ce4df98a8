/**
 * Arithmetic with a tensor that both parties have in full: linear in the secret, so each party computes on its own
 * share, and nothing is sent, drawn or corrected. The dealer has no part in it and does not have the tensor.
 * Cost: no rounds, no bytes. View: nothing new. Source: protocols of additive sharing since Ben-Or, Goldwasser and
 * Wigderson 1988.
 */
import { broadcastTo, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, type PartyContext, primitive } from '../instruction/primitive.js';
import { binaryReals, matMulReals, shapesOf } from '../instruction/reals.js';
import {
  broadcastShapes,
  check,
  describeAll,
  PUBLIC_BITS,
  type PublicType,
  type ShareType,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import { magnitude } from './linear.js';
import { batchMatMul, type MatMulAttributes, matMulShape } from './mat-mul.js';

/** A share and a public tensor, in this order. */
function shareAndPublic(ins: ValueType[], name: string): [ShareType, PublicType] {
  const [x, p] = ins;
  check(
    ins.length === 2 && x?.kind === 'share' && p?.kind === 'public',
    () => `${name} needs a share and a public tensor, got ${describeAll(ins)}`,
  );
  return [x, p];
}

/** What of the operands has to be right modulo 2^bits: shares, for public words always are. */
const needs = (bits: number, ins: ValueType[]) => ins.map((t) => (t.kind === 'share' ? bits : 0));

/** The words of a public operand modulo 2^64. */
function wordsOf(c: PartyContext<unknown>, i: number): Words {
  const { known, words } = c.ins[i]!;
  return words ?? known!.words;
}

/** Both operands in the shape of the result. */
function inOneShape(c: PartyContext<unknown>): [Words, Words] {
  const { shape } = c.out;
  return [
    broadcastTo(c.kernels, c.ins[0]!.share!, c.types[0]!.shape, shape),
    broadcastTo(c.kernels, wordsOf(c, 1), c.types[1]!.shape, shape),
  ];
}

/**
 * Matrix product of a share and a public tensor, on either side, batched: ⟦xW⟧_i = x_i·W.
 *
 * `bits` is the modulus that the product is taken modulo: up to 2^49 it takes half the time and a weight lies packed.
 * Domain |Σxw| < 2^(bits − 1 − fx − fw). Exact modulo 2^bits.
 */
export const matMulPublic = primitive<MatMulAttributes & { bits: number; magnitude: number }>({
  name: 'matMulPublic',
  attributes: z.object({ transposeA: z.boolean(), transposeB: z.boolean(), bits: int(1, 64), magnitude }),
  infer(ins, a): ShareType {
    const share = ins.find((t) => t.kind === 'share');
    const known = ins.find((t) => t.kind === 'public');
    check(
      ins.length === 2 && share !== undefined && known !== undefined,
      () => `matMulPublic needs a share and a public tensor, got ${describeAll(ins)}`,
    );
    check(a.bits <= share.bits, () => `a product modulo 2^${a.bits} of a share that is right modulo 2^${share.bits}`);
    const { batch, m, n } = matMulShape(ins[0]!.shape, ins[1]!.shape, a);
    return shareType([...batch, m, n], share.fracBits + known.fracBits, a.bits, a.magnitude);
  },
  needs,
  narrow: (bits) => ({ bits }),
  finish(c) {
    const { kernels, a, ins, types } = c;
    const narrow = a.bits <= PUBLIC_BITS;
    const left = types[0]!.kind === 'share' ? ins[0]!.share! : wordsOf(c, 0);
    const { known } = ins[1]!;
    const right = types[1]!.kind === 'share' ? ins[1]!.share! : known && narrow ? known.stored : wordsOf(c, 1);
    return { share: batchMatMul(kernels, left, right, types, a, narrow ? PUBLIC_BITS : 64) };
  },
  plain: ({ a, ins, types }) => matMulReals(ins, shapesOf({ types }), a.transposeA, a.transposeB),
});

/** x∘p, broadcast: ⟦xp⟧_i = x_i·p. Exact. */
export const timesPublic = primitive({
  name: 'timesPublic',
  attributes: z.object({ magnitude }),
  infer(ins, a) {
    const [x, p] = shareAndPublic(ins, 'timesPublic');
    return shareType(broadcastShapes(x.shape, p.shape), x.fracBits + p.fracBits, x.bits, a.magnitude);
  },
  needs,
  finish(c) {
    const [x, p] = inOneShape(c);
    const out = scratch(sizeOf(c.out.shape));
    c.kernels.mul(out, x, p);
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, p) => x * p),
});

/** x + p, or x − p where `negative`, broadcast, p shifted to x's fractional bits: P0 adds it to its share. Exact. */
export const addPublic = primitive({
  name: 'addPublic',
  attributes: z.object({ negative: z.boolean(), magnitude }),
  infer(ins, a) {
    const [x, p] = shareAndPublic(ins, 'addPublic');
    const up = x.fracBits - p.fracBits;
    check(up >= 0 && up < 64, () => `addPublic of ${p.fracBits} fractional bits to a share of ${x.fracBits}`);
    // What is lost of the public words has to lie beyond the share's modulus
    check(
      Math.max(a.magnitude, p.magnitude) + x.fracBits < x.bits,
      () => `addPublic of ${describeAll(ins)}, which has no room for it`,
    );
    return shareType(broadcastShapes(x.shape, p.shape), x.fracBits, x.bits, a.magnitude);
  },
  needs,
  finish(c) {
    const { kernels, role, a, types } = c;
    const out = scratch(sizeOf(c.out.shape));
    const [x, p] = inOneShape(c);
    const up = 1n << BigInt((types[0] as ShareType).fracBits - (types[1] as PublicType).fracBits);
    if (role === 0) {
      kernels.affine(out, p, BigInt.asUintN(64, a.negative ? -up : up), 0n, 64);
      kernels.add(out, out, x);
    } else {
      kernels.affine(out, x, 1n, 0n, 64);
    }
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, p) => (c.a.negative ? x - p : x + p)),
});

/** A public tensor as a share, for what takes nothing else: P0 holds it, P1 zeros. */
export const sharePublic = primitive({
  name: 'sharePublic',
  attributes: z.object({}),
  infer(ins) {
    const [p] = ins;
    check(ins.length === 1 && p?.kind === 'public', () => `sharePublic of ${describeAll(ins)}`);
    return shareType(p.shape, p.fracBits, 64, p.magnitude);
  },
  needs,
  finish: (c) => ({ share: c.role === 0 ? wordsOf(c, 0) : zeros(sizeOf(c.out.shape)) }),
  plain: ({ ins }) => ins[0],
});
