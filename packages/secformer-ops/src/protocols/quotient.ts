import { planeWords, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, integerText, primitive } from '../instruction/primitive.js';
import {
  check,
  describeAll,
  type OpenedType,
  offsetOf,
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
} from '../instruction/types.js';

/**
 * ⌊x/2^s⌋ in units of x's last place, from an opened x and the opened borrow of its low s bits (`compare` with
 * `borrow`):
 *
 *   y = x + offset = m − r + 2^k(1 − msb m)·msb r;  ⌊(x − τ)/2^s⌋ = ⌊(m − offset − τ)/2^s⌋ − ⌊r/2^s⌋ + 2^(k−s)(1 − msb
 *   m)·msb r − borrow     (local)
 *   T gives ⟦−⌊r/2^s⌋ + 2^(k−s)·h⟧ for h = 0 and h = msb r, and ⟦β⟧ of the borrow.
 *
 * Exact. Cost no round; dealer 24 bytes an element. View nothing is sent between the parties; P1's tables are masked by
 * P0's stream.
 */
export const quotient = primitive({
  name: 'quotient',
  attributes: z.object({ shift: int(1, 32), tau: integerText, magnitude: int(-64, 63) }),
  infer(ins, a): ShareType {
    const [x, b] = ins;
    const ok =
      ins.length === 2 &&
      x?.kind === 'opened' &&
      !x.modular &&
      x.width > a.shift &&
      b?.kind === 'openBits' &&
      b.planes === 1 &&
      sameShape(b.shape, x.shape);
    check(ok, () => `quotient of ${describeAll(ins)}`);
    return shareType(x.shape, 0, 64, a.magnitude);
  },
  needs: () => [0, 0],
  material: (ins) => Array(3).fill({ count: sizeOf(ins[0]!.shape), bits: 64 }),
  deal({ kernels, a, ins, types }) {
    const { width } = types[0] as OpenedType;
    const r = ins[0]!.r!;
    const n = r.length;
    const [high, wrapped, beta, top] = [zeros(n), zeros(n), zeros(n), zeros(planeWords(n))];
    kernels.maskForOpening(high, r, beta, { offset: 0n, bits: width, shift: a.shift, width: width - a.shift });
    kernels.affine(high, high, BigInt.asUintN(64, -1n), 0n, 64);
    kernels.bitPlane(top, r, 0n, width - 1);
    kernels.planeToWords(wrapped, top);
    kernels.affine(wrapped, wrapped, 1n << BigInt(width - a.shift), 0n, 64);
    kernels.add(wrapped, wrapped, high);
    kernels.planeToWords(beta, ins[1]!.beta!);
    return { value: {}, material: [wrapped, high, beta] };
  },
  finish({ kernels, role, a, ins, types, material }) {
    const { width } = types[0] as OpenedType;
    const m = ins[0]!.m!;
    const n = m.length;
    const [wrapped, high, beta] = material as [Words, Words, Words];
    const share = scratch(m.length);
    kernels.choose(share, m, wrapped, high, width - 1);
    if (role === 0) {
      // ⌊(m − offset − τ)/2^s⌋ as a signed number: lifted by 2^62, shifted, lowered again
      const lifted = zeros(n);
      kernels.affine(lifted, m, 1n, (1n << 62n) - offsetOf(types[0] as OpenedType) - BigInt(a.tau), 64);
      kernels.maskForOpening(lifted, lifted, zeros(n), { offset: 0n, bits: 64, shift: a.shift, width: 64 - a.shift });
      kernels.affine(lifted, lifted, 1n, BigInt.asUintN(64, -(1n << BigInt(62 - a.shift))), 64);
      kernels.add(share, share, lifted);
    }
    kernels.bitShare(beta, ins[1]!.planes!, beta, role === 0);
    kernels.sub(share, share, beta);
    return { share };
  },
  plain: ({ a, ins, types }) =>
    ins[0]!.map((v) => Math.floor((v * 2 ** (types[0] as OpenedType).fracBits - Number(a.tau)) / 2 ** a.shift)),
});
