import { encodeConstant, HARMONICS, halvesOf, mostAmplitude, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
import { joined } from '../instruction/blocks.js';
import { int, primitive } from '../instruction/primitive.js';
import {
  check,
  describeAll,
  type OpenBitsType,
  type OpenedType,
  type ShareType,
  sameShape,
  shareType,
  sizeOf,
} from '../instruction/types.js';

/** The attributes of any series. */
const series = {
  constantTerm: z.number().finite(),
  /** pairs (a_k, b_k) for k = 1, 2, … */
  coefficients: z
    .array(z.tuple([z.number().finite(), z.number().finite()]))
    .min(1)
    .max(HARMONICS),
  seriesBits: int(8, 30),
  bits: int(16, 64),
  magnitude: int(0, 24),
};

/** What `trig` and `trigReal` have in common. */
interface SeriesShape {
  coefficients: readonly (readonly [number, number])[];
  seriesBits: number;
  tableBits?: number | undefined;
}

/** Fractional bits of the result: those of a table's entry and of its public factor. */
const resultBits = (a: SeriesShape) => a.seriesBits + (a.tableBits ?? a.seriesBits);

/** The result of a series of an opened x, whose factors are numbers of 31 bits. */
function seriesType(x: OpenedType, a: SeriesShape & { bits: number; magnitude: number }): ShareType {
  const most = mostAmplitude(a.seriesBits);
  check(
    a.coefficients.every(([c, s]) => Math.hypot(c, s) <= most),
    () => `a series with an amplitude beyond ${most}, the most at ${a.seriesBits} bits`,
  );
  return shareType(x.shape, resultBits(a), a.bits, a.magnitude);
}

/** Σ a_k cos kφ + b_k sin kφ of an angle in turns. */
export function seriesOf(constantTerm: number, pairs: readonly (readonly [number, number])[], turns: number): number {
  return pairs.reduce(
    (s, [a, b], k) => s + a * Math.cos(2 * Math.PI * (k + 1) * turns) + b * Math.sin(2 * Math.PI * (k + 1) * turns),
    constantTerm,
  );
}

/** Tables and factors are each off by half a unit of their own, and an angle by 2^−24 of a turn. */
function seriesError(a: SeriesShape): number {
  const [table, factor] = [2 ** -((a.tableBits ?? a.seriesBits) + 1), 2 ** -(a.seriesBits + 1)];
  const amplitudes = a.coefficients.map(([x, y]) => Math.hypot(x, y));
  return amplitudes.reduce((s, v, k) => s + Math.SQRT2 * v * table + 1.5 * factor + (k + 1) * v * 4e-7, 0);
}

/**
 * A trigonometric series of an opened value: a_0 + Σ a_k cos kωx + b_k sin kωx, the period a power of two, so that the
 * angle of x is the angle of m − r on the low bits and no wrap is seen. With every `step`-th harmonic alone, the period
 * is that part of a power of two.
 *
 *   1. T shares cos kωr, sin kωr at `tableBits` bits, `seriesBits` if absent
 *   2. Σ_k (a_k cos kωm + b_k sin kωm)·⟦cos kωr⟧ + (a_k sin kωm − b_k cos kωm)·⟦sin kωr⟧               (local)
 *
 * Domain every x; the sum itself repeats with the period. Error, for each product, 2^−tableBits times its amplitude and
 * 2^−seriesBits. The result has the fractional bits of both.
 * Cost   no round; dealer 2K·ceil(bits/8) bytes an element.
 * View   nothing is sent between the parties; P1's tables are masked by P0's stream.
 * Source Zheng et al. 2023 (masked sine); SecFormer section 3.2; protocols section 6.
 */
export const trig = primitive({
  name: 'trig',
  attributes: z.object({
    /** log2 of the period, in units of the operand's last place */
    period: int(2, 24),
    /** the first harmonic, of those of that period, and how far they are apart; 1 if absent */
    step: int(1, 64).optional(),
    /** fractional bits of the dealer's tables, where they have fewer than the public factors */
    tableBits: int(8, 30).optional(),
    ...series,
  }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(
      ins.length === 1 && x?.kind === 'opened' && x.width >= a.period,
      () => `a series of period 2^${a.period} of ${describeAll(ins)}`,
    );
    check(
      x.offsetLog < 0 || x.offsetLog >= a.period,
      () => `the offset 2^${x.offsetLog} shifts the angle of a series of period 2^${a.period}`,
    );
    return seriesType(x, a);
  },
  needs: () => [0],
  narrow: (bits) => ({ bits: Math.max(16, bits) }),
  material: (ins, a) => Array(2 * a.coefficients.length).fill({ count: sizeOf(ins[0]!.shape), bits: a.bits }),
  deal({ kernels, a, ins }) {
    const r = ins[0]!.r!;
    const all = scratch(2 * a.coefficients.length * r.length);
    kernels.trigTables(all, r, { ...shapeOf(a), fracBits: a.tableBits ?? a.seriesBits });
    return {
      value: {},
      material: a.coefficients.flatMap((_, k) =>
        [2 * k, 2 * k + 1].map((p) => all.subarray(p * r.length, (p + 1) * r.length)),
      ),
    };
  },
  finish({ kernels, role, a, ins, material }) {
    const m = ins[0]!.m!;
    const share = scratch(m.length);
    kernels.trigCombine(share, m, joined(material), Float64Array.from(a.coefficients.flat()), shapeOf(a));
    if (role === 0) kernels.affine(share, share, 1n, encodeConstant(a.constantTerm, resultBits(a)), 64);
    return { share };
  },
  plain({ a, ins, types }) {
    const turns = (a.step ?? 1) * 2 ** ((types[0] as OpenedType).fracBits - a.period);
    return ins[0]!.map((v) => seriesOf(a.constantTerm, a.coefficients, v * turns));
  },
  error: (a) => seriesError(a),
});

/** What kernels take of its attributes. */
function shapeOf(a: { period: number; step?: number | undefined; coefficients: unknown[]; seriesBits: number }) {
  return { period: a.period, step: a.step, harmonics: a.coefficients.length, fracBits: a.seriesBits };
}

/** Angles of words: `turns` turns a unit, counted in 2^24ths. */
const TURN_BITS = 24;

function anglesOf(words: Words, turns: number, from: (word: number, index: number) => number): Words {
  const halves = halvesOf(words);
  const out = zeros(words.length);
  const to = halvesOf(out);
  for (let i = 0; i < words.length; i++) {
    const t = from((halves[2 * i] as number) + (halves[2 * i + 1] as number) * 2 ** 32, i) * turns;
    to[2 * i] = Math.round((t - Math.floor(t)) * 2 ** TURN_BITS) & (2 ** TURN_BITS - 1);
  }
  return out;
}

/**
 * A trigonometric series whose period is no power of two, of an opened value with a wrap: T prepares two sets of
 * tables, for ω·r where msb m = 1 and for ω·(r − 2^k·msb r) where msb m = 0, for then y + offset = m − r + 2^k·msb r.
 *
 * Domain every x that the opening holds. Error 2^−seriesBits for each product, and 2e-7 for the angle. Result and view
 * as in `trig`.
 * Cost   no round; dealer 4K·ceil(bits/8) bytes an element. Source protocols section 6.
 */
export const trigReal = primitive({
  name: 'trigReal',
  attributes: z.object({
    /** of the variable, a real */
    period: z.number().positive(),
    ...series,
  }),
  infer(ins, a): ShareType {
    const [x] = ins;
    check(
      ins.length === 1 && x?.kind === 'opened' && !x.modular && x.width <= 48,
      () => `trigReal of ${describeAll(ins)}`,
    );
    return seriesType(x, a);
  },
  needs: () => [0],
  narrow: (bits) => ({ bits: Math.max(16, bits) }),
  material: (ins, a) => Array(4 * a.coefficients.length).fill({ count: sizeOf(ins[0]!.shape), bits: a.bits }),
  deal({ kernels, a, ins, types }) {
    const { width, fracBits } = types[0] as OpenedType;
    const r = ins[0]!.r!;
    const turns = 2 ** -fracBits / a.period;
    const top = 2 ** (width - 1);
    const sets = [(v: number) => v, (v: number) => (v >= top ? v - 2 * top : v)];
    const how = { period: TURN_BITS, harmonics: a.coefficients.length, fracBits: a.seriesBits };
    return {
      value: {},
      material: sets.flatMap((from) => {
        const all = scratch(2 * a.coefficients.length * r.length);
        kernels.trigTables(all, anglesOf(r, turns, from), how);
        return Array.from({ length: 2 * a.coefficients.length }, (_, p) =>
          all.subarray(p * r.length, (p + 1) * r.length),
        );
      }),
    };
  },
  finish({ kernels, role, a, ins, types, material }) {
    const { width, fracBits, offsetLog } = types[0] as OpenedType;
    const m = ins[0]!.m!;
    const n = m.length;
    const offset = offsetLog < 0 ? 0 : 2 ** offsetLog;
    const planes = 2 * a.coefficients.length;
    const [set, wrapped] = [joined(material.slice(0, planes)), joined(material.slice(planes))];
    const [to, from] = [halvesOf(set), halvesOf(wrapped)];
    const halves = halvesOf(m);
    const [half, bit] = [width > 32 ? 1 : 0, (width - 1) & 31];
    for (let i = 0; i < n; i++) {
      if (((halves[2 * i + half] as number) >>> bit) & 1) continue;
      for (let p = 0, at = 2 * i; p < planes; p++, at += 2 * n) {
        to[at] = from[at] as number;
        to[at + 1] = from[at + 1] as number;
      }
    }
    const share = scratch(n);
    const angles = anglesOf(m, 2 ** -fracBits / a.period, (v) => v - offset);
    kernels.trigCombine(share, angles, set, Float64Array.from(a.coefficients.flat()), {
      period: TURN_BITS,
      harmonics: a.coefficients.length,
      fracBits: a.seriesBits,
    });
    if (role === 0) kernels.affine(share, share, 1n, encodeConstant(a.constantTerm, 2 * a.seriesBits), 64);
    return { share };
  },
  plain: ({ a, ins }) => ins[0]!.map((v) => seriesOf(a.constantTerm, a.coefficients, v / a.period)),
  error: (a) => seriesError(a),
});

/** Bits of e^r' and of its public factors as kernels have them. */
const EXP_TABLE_BITS = 20;
const EXP_CONSTANT_BITS = 42;

/**
 * bit·factor·e^(−u), u = x − origin ≥ 0, for an opened x of 16 fractional bits, the bit saying u < R or less, R =
 * 2^(half − 16) (16 or 8).
 *
 *   With m (less the public origin), r modulo 2R, r = R·h + r', m = R·g + m' (h, g the top bits): for u < R a wrap can
 *   only have happened when h = 1
 *   and g = 0, so
 *   e^(−u) = c_g·⟦(1−h)e^r'⟧ + c_(1−g)·⟦h·e^r'⟧, c_0 = factor·e^(−m'), c_1 = c_0·e^(−R) at 42 bits, e^r' at 20 or
 *   fewer (local)
 *   T also shares both times β, so that the selection is c·e + (1 − 2c)·⟦βe⟧.
 *
 * Domain where the bit is 1, 0 ≤ u < R. Error 2.5e-6 with R = 16 and the truncation to 20 bits that softmax takes; with
 * R = 8 a relative 2e-6. Where the
 *        bit is 0 exactly 0. With e^r' at b bits the result has b + 42, and 2^−(b+1) is what e^r' may be off by.
 * Cost   no round; dealer 32 bytes an element.
 * View   nothing is sent between the parties. Source protocols section 7.
 */
export const expNegative = primitive({
  name: 'expNegative',
  attributes: z.object({
    origin: int(0, 2 ** 30),
    factor: z.number().min(0.125).max(1),
    half: int(19, 20),
    /** of e^r' */
    tableBits: int(12, EXP_TABLE_BITS - 1).optional(),
  }),
  infer(ins, a): ShareType {
    const [x, b] = ins;
    const angle =
      x?.kind === 'opened' && x.fracBits === 16 && x.width > a.half && (x.offsetLog < 0 || x.offsetLog > a.half);
    const ok = ins.length === 2 && angle && b?.kind === 'openBits' && b.planes === 1;
    check(ok && sameElements(x, b), () => `expNegative of ${describeAll(ins)}`);
    return shareType(x.shape, EXP_CONSTANT_BITS + (a.tableBits ?? EXP_TABLE_BITS), 64, 1);
  },
  needs: () => [0, 0],
  material: (ins) => Array(4).fill({ count: sizeOf(ins[0]!.shape), bits: 64 }),
  deal({ kernels, a, ins }) {
    const r = ins[0]!.r!;
    const all = scratch(4 * r.length);
    kernels.expTables(all, r, ins[1]!.beta!, a.half);
    const shift = EXP_TABLE_BITS - (a.tableBits ?? EXP_TABLE_BITS);
    if (shift > 0) {
      const how = { offset: 1n << BigInt(shift - 1), bits: 64, shift, width: 64 };
      kernels.maskForOpening(all, all, zeros(all.length), how);
    }
    return { value: {}, material: [0, 1, 2, 3].map((p) => all.subarray(p * r.length, (p + 1) * r.length)) };
  },
  finish({ kernels, a, ins, material }) {
    const { m } = ins[0]!;
    const share = scratch(m!.length);
    const from = a.origin === 0 ? m! : scratch(m!.length);
    if (a.origin !== 0) kernels.affine(from, m!, 1n, BigInt.asUintN(64, BigInt(-a.origin)), a.half + 1);
    kernels.expCombine(share, from, ins[1]!.planes!, joined(material), a.factor, a.half);
    return { share };
  },
  plain: ({ a, ins }) => ins[0]!.map((x, i) => (ins[1]![i] ? a.factor * Math.exp(a.origin / 65536 - x) : 0)),
  // Half a unit of e^r' times 1, twice where it is rounded again, and half of 2^−42 of the constant times e^R
  error: (a) =>
    a.factor * (a.tableBits === undefined ? 2 ** -21 : 2 ** -21 + 2 ** -(a.tableBits + 1)) +
    2 ** -43 * Math.exp(2 ** (a.half - 16)),
});

function sameElements(x: OpenedType, b: OpenBitsType): boolean {
  return sameShape(x.shape, b.shape);
}
