import { type Kernels, StoredWords, scratch, stridesOf, type Words } from '@secformer/ring';
import { z } from 'zod';
import { int, primitive } from '../instruction/primitive.js';
import { matMulReals } from '../instruction/reals.js';
import { broadcastShapes, check, type Shape, type ShareType, shareType, sizeOf } from '../instruction/types.js';
import { dealProduct, finishProduct, productBits, twoModular } from './bilinear.js';

/** How the operands of a matrix product lie. */
export interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

export function matMulShape(
  x: Shape,
  y: Shape,
  a: MatMulAttributes,
): { batch: Shape; m: number; k: number; n: number } {
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

/**
 * The batched product modulo 2^bits. A right operand that stays, if it is one matrix, is packed once for all its
 * products.
 */
export function batchMatMul(
  kernels: Kernels,
  x: Words,
  y: Words | StoredWords,
  types: readonly { shape: Shape }[],
  a: MatMulAttributes,
  bits: number,
): Words {
  const [tx, ty] = types as [{ shape: Shape }, { shape: Shape }];
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
 *   1. E = x + r_x and D = y + r_y are open (protocols: open)
 *   2. ⟦xy⟧_i = ½(E − 2r_xi)·(D − 2r_yi) − ⟦(r_x1 − r_x0)·(r_y1 − r_y0)⟧_i   (local; see bilinear)
 *
 * Domain |Σxy| < 2^(a − 1 − fx − fy), a the smaller width of the openings and at most 63; only the result must fit,
 * partial sums may wrap. Exact modulo 2^a.
 * Cost   no round; dealer ceil(a/8) bytes an element of the result.
 * View   nothing is sent between the parties; P1 sees its correction, masked by P0's stream.
 * Source Beaver 1991; Mohassel and Zhang 2017 (matrix form). Those take two products a party, or one in the run and one
 * before it where a factor is known beforehand.
 */
export const matMul = primitive<MatMulAttributes & { magnitude: number }>({
  name: 'matMul',
  attributes: z.object({ transposeA: z.boolean(), transposeB: z.boolean(), magnitude: int(-64, 63) }),
  infer(ins, a): ShareType {
    const [x, y] = twoModular(ins);
    const { batch, m, n } = matMulShape(x.shape, y.shape, a);
    return shareType([...batch, m, n], x.fracBits + y.fracBits, productBits(x, y), a.magnitude);
  },
  differences: 'always',
  material: (_ins, _a, out) => [{ count: sizeOf(out.shape), bits: (out as ShareType).bits }],
  deal: (c) => dealProduct(c, (x, y, bits) => batchMatMul(c.kernels, x, y, c.types, c.a, bits)),
  finish: (c) => finishProduct(c, (x, y, bits) => batchMatMul(c.kernels, x, y, c.types, c.a, bits)),
  plain: ({ a, ins, types }) =>
    matMulReals(
      ins,
      types.map((t) => t.shape),
      a.transposeA,
      a.transposeB,
    ),
});
