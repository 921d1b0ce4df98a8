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
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
  type ValueType,
} from '../instruction/types.js';
import { publicPart, shareOf } from './operands.js';
import { addWrapped, bitsAbove, scaled, topOf, wrapOfSquare } from './wraps.js';

/** Whether a value is a bit that was opened modulo 2. */
const isBit = (t: ValueType | undefined): t is OpenedType =>
  t?.kind === 'opened' && t.width === 1 && t.fracBits === 0 && t.offsetLog < 0;

/** The corrections: β of each mask's bit; u², β·u and β·u² of the elements, and what a wrap adds to each of these. */
function blocksOf(ins: readonly ValueType[], bits: number): Block[] {
  const [x, b] = ins as [OpenedType, OpenedType];
  const count = sizeOf(x.shape);
  const own = [{ count: sizeOf(b.shape), bits }, ...Array(3).fill({ count, bits })];
  if (x.modular) return own;
  return [...own, ...[x.width + 1, x.width, x.width + 1].map((least) => ({ count, bits: bitsAbove(bits, least) }))];
}

function product(kernels: Kernels, a: Words, b: Words): Words {
  const out = scratch(a.length);
  kernels.mul(out, a, b);
  return out;
}

/**
 * Squares of an opened value where a mask of bits has ones, and zeros elsewhere. The bits are opened modulo 2, under
 * masks of their own, and broadcast: b = c ⊕ β.
 *
 *   With x = M + u as in `square`:
 *     x² = M² + 2M·⟦u⟧ + ⟦u²⟧,  β·x² = M²·⟦β⟧ + 2M·⟦β·u⟧ + ⟦β·u²⟧
 *     b·x² = β·x² where c = 0, x² − β·x² where c = 1                            (local)
 *   T gives ⟦β⟧, ⟦u²⟧, ⟦β·u⟧ and ⟦β·u²⟧ for u = −r, and apart what a wrap adds, u = −r + 2^k·msb r where msb m = 0:
 *   multiples of 2^(k+1), 2^k and 2^(k+1), of which the bits above are dealt
 *
 * Domain |x²| < 2^(a − 1 − 2f), a the modulus of the share. Exact modulo 2^a.
 * Cost   no round; dealer 3 words an element of a bits, and for an opening with a wrap 3(a − k) − 2 bits more.
 * View   nothing is sent between the parties; P1's corrections are masked by P0's streams, one by one.
 * Source `square`; `bitMultiply`; protocols section 9.
 */
export const maskedSquare = primitive<{ magnitude: number; bits?: number }>({
  name: 'maskedSquare',
  attributes: z.object({ magnitude: int(-64, 63), bits: int(1, 64).optional() }),
  infer(ins, a): ShareType {
    const [x, b] = ins;
    const ok = ins.length === 2 && x?.kind === 'opened' && x.bits > 0 && isBit(b);
    check(ok, () => `maskedSquare of ${describeAll(ins)}`);
    check(sameShape(broadcastShapes(x.shape, b.shape), x.shape), () => `[${b.shape}] masks nothing of [${x.shape}]`);
    return shareType(x.shape, 2 * x.fracBits, Math.min(x.bits, a.bits ?? 64), a.magnitude);
  },
  needs: (bits) => [bits, 0],
  narrow: (bits) => ({ bits }),
  material: (ins, _a, out) => blocksOf(ins, (out as ShareType).bits),
  deal({ kernels, ins, types }) {
    const [x, b] = types as [OpenedType, OpenedType];
    const [r, beta] = [ins[0]!.r!, ins[1]!.r!];
    const wide = broadcastTo(kernels, beta, b.shape, x.shape);
    const squares = product(kernels, r, r);
    const masked = product(kernels, r, wide);
    const material = [beta, squares, scaled(kernels, masked, -1n), product(kernels, masked, r)];
    if (x.modular) return { value: {}, material };
    const more = wrapOfSquare(kernels, r, x.width);
    const top = topOf(kernels, r, x.width);
    return { value: {}, material: [...material, more, product(kernels, top, wide), product(kernels, more, wide)] };
  },
  finish(c) {
    const { kernels, role, ins, types, material } = c;
    const [x, b] = types as [OpenedType, OpenedType];
    const wide = (words: Words) => broadcastTo(kernels, words, b.shape, x.shape);
    const [beta, squares, masked, maskedSquares, ...wraps] = material as [Words, Words, Words, Words, ...Words[]];
    const add = (to: Words, words: Words, i: number) => {
      const least = i === 1 ? x.width : x.width + 1;
      if (x.modular) kernels.add(to, to, words);
      else addWrapped(kernels, to, ins[0]!.m!, x.width, [words, wraps[i]!], least);
    };
    const shown = publicPart(c, 0);
    // M·(2x − M) at P0, M·2x at P1
    const all = scaled(kernels, shareOf(c, 0), 2n);
    if (role === 0) kernels.sub(all, all, shown);
    kernels.mul(all, all, shown);
    add(all, squares, 0);
    // M·(M·β + 2·β·u) + β·u²
    const twice = zeros(shown.length);
    add(twice, masked, 1);
    const out = product(kernels, shown, wide(beta));
    kernels.add(out, out, twice);
    kernels.add(out, out, twice);
    kernels.mul(out, out, shown);
    add(out, maskedSquares, 2);
    kernels.sub(all, all, out);
    kernels.choose(out, wide(ins[1]!.m!), out, all, 0);
    return { share: out };
  },
  plain: (c) => binaryReals(c.ins, shapesOf(c), c.out.shape, (x, b) => b * x * x),
});
