import { encodeConstant, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { int, primitive } from '../program/primitive.js';
import { check, describe, type OpenBitsType, type OpenedType, type ShareType, shareType, sizeOf } from '../program/types.js';

/**
 * A trigonometric series of an opened value: a_0 + Σ a_k cos kωx + b_k sin kωx, the period a power of two, so that the angle of x is the angle of
 * m − r on the low bits and no wrap is seen.
 *
 *   1. T shares cos kωr, sin kωr at `seriesBits` bits
 *   2. Σ_k (a_k cos kωm + b_k sin kωm)·⟦cos kωr⟧ + (a_k sin kωm − b_k cos kωm)·⟦sin kωr⟧               (local)
 *
 * Domain every x; the sum itself repeats with the period. Error 2^−seriesBits for each product. The result has 2·seriesBits fractional bits.
 * Cost   no round; dealer 2K·ceil(bits/8) bytes an element.
 * View   nothing is sent between the parties; P1's tables are masked by P0's stream.
 * Source Zheng et al. 2023 (masked sine); SecFormer section 3.2; protocols section 6.
 */
export const trig = primitive({
  name: 'trig',
  attributes: z.object({
    /** log2 of the period, in units of the operand's last place */
    period: int(2, 24),
    constantTerm: z.number().finite(),
    /** pairs (a_k, b_k) for k = 1, 2, … */
    coefficients: z
      .array(z.tuple([z.number().finite(), z.number().finite()]))
      .min(1)
      .max(16),
    seriesBits: int(8, 30),
    bits: int(16, 64),
    magnitude: int(0, 24),
  }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(ins.length === 1 && x?.kind === 'opened' && x.width >= a.period, () => `a series of period 2^${a.period} of ${ins.map(describe).join('; ')}`);
    check(x.offsetLog < 0 || x.offsetLog >= a.period, () => `the offset 2^${x.offsetLog} shifts the angle of a series of period 2^${a.period}`);
    return shareType(x.shape, 2 * a.seriesBits, a.bits, a.magnitude);
  },
  material: (ins, a) => Array(2 * a.coefficients.length).fill({ count: sizeOf(ins[0]!.shape), bits: a.bits }),
  deal({ kernels, a, ins }) {
    const r = ins[0]!.r!;
    const all = zeros(2 * a.coefficients.length * r.length);
    kernels.trigTables(all, r, { period: a.period, harmonics: a.coefficients.length, fracBits: a.seriesBits });
    return { value: {}, material: a.coefficients.flatMap((_, k) => [2 * k, 2 * k + 1].map((p) => all.subarray(p * r.length, (p + 1) * r.length))) };
  },
  finish({ kernels, role, a, ins, material }) {
    const m = ins[0]!.m!;
    const share = zeros(m.length);
    kernels.trigCombine(share, m, joined(material), Float64Array.from(a.coefficients.flat()), { period: a.period, harmonics: a.coefficients.length, fracBits: a.seriesBits });
    if (role === 0) kernels.affine(share, share, 1n, encodeConstant(a.constantTerm, 2 * a.seriesBits), 64);
    return { share };
  },
});

function joined(blocks: Words[]): Words {
  const n = blocks[0]!.length;
  const out = zeros(blocks.length * n);
  blocks.forEach((b, i) => {
    out.set(b, i * n);
  });
  return out;
}

/** The window of the exponential: 2^21 units of 2^−16, that is 32. */
const EXP_WINDOW = 21;

/**
 * bit·e^(−u) for u ≥ 0 with 16 fractional bits, the bit saying u < 16 or less.
 *
 *   With m, r modulo 2^21, r = 16h + r', m = 16g + m' (h, g the top bits): for u < 16 a wrap can only have happened when h = 1 and g = 0, so
 *   e^(−u) = c_g·⟦(1−h)e^r'⟧ + c_(1−g)·⟦h·e^r'⟧, c_0 = e^(−m'), c_1 = e^(−m'−16) at 40 bits, e^r' at 18           (local)
 *   T also shares both times β, so that the selection is c·e + (1 − 2c)·⟦βe⟧.
 *
 * Domain 0 ≤ u; where the bit is 1, u < 16. Error 4e-6 with the truncation to 20 bits that follows; outside the bit's interval exactly 0.
 * Cost   no round; dealer 32 bytes an element.
 * View   nothing is sent between the parties. Source protocols section 7.
 */
export const expNegative = primitive({
  name: 'expNegative',
  attributes: z.object({}),
  infer(ins): ShareType {
    const [x, b] = ins;
    const ok = ins.length === 2 && x?.kind === 'opened' && b?.kind === 'openBits' && b.planes === 1 && x.fracBits === 16 && x.width >= EXP_WINDOW && x.offsetLog < 0;
    check(ok && sameElements(x, b), () => `expNegative of ${ins.map(describe).join('; ')}`);
    return shareType(x.shape, 58, 64, 1);
  },
  material: (ins) => Array(4).fill({ count: sizeOf(ins[0]!.shape), bits: 64 }),
  deal({ kernels, ins }) {
    const r = ins[0]!.r!;
    const all = zeros(4 * r.length);
    kernels.expTables(all, r, ins[1]!.beta!);
    return { value: {}, material: [0, 1, 2, 3].map((p) => all.subarray(p * r.length, (p + 1) * r.length)) };
  },
  finish({ kernels, ins, material }) {
    const m = ins[0]!.m!;
    const share = zeros(m.length);
    kernels.expCombine(share, m, ins[1]!.planes!, joined(material));
    return { share };
  },
});

function sameElements(x: OpenedType, b: OpenBitsType): boolean {
  return x.shape.join() === b.shape.join();
}
