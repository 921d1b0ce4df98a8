/**
 * Functions of positive values that may be smaller than 16 fractional bits can tell: v·factor + plus, or `least` where
 * that is more. Sums of squares have 32 fractional bits until something truncates them, and an ε is nothing but what
 * keeps a function finite at 0.
 *
 *   1. open V = v·2^f + plus/factor·2^f, f as large as 63 bits allow, up to ten more than v has: no truncation of v
 *   2. octave by octave as `octave`; where v is 0, or V below `least`, the answer is a public number        5 to 6
 *   rounds
 *
 * Domain v·factor below 2^20, or 2^30 where the constant leaves room. Largest error to v and the constants as they are:
 * 1.2e-4 relative of 1/√, for answers from 2^−15 to 2^21 have 62 bits; 1.1e-4 of √; 1e-5 of 1/x, and absolute of ln. An
 * ε far below v's last place has fewer bits: 6e-3 of 1/√ where v is one unit of it. Answers beyond 2^21 (1/x: 2^19)
 * come out as that.
 * What is squared is right to a unit of 2^−16, so a small sum of squares other than 0 may be nothing but rounding.
 * Watched, 1/√ and 1/x report one of n squares below n·16 units², unless ε is so large that it does not matter; not 0
 * where ε or `least` gives it an answer.
 * Cost   some 2.5 bytes for every octave between the smallest value and 2^20, and one opening of up to 63 bits.
 * View   openings under masks of their own. Source protocols section 8.
 */

import type { ShareType } from '../instruction/types.js';
import type { Emitter } from './emitter.js';
import { FRAC_BITS } from './formats.js';
import { octave, type Wide } from './octave.js';

/** A positive operand: what is larger of v·factor + plus and `least`. Only 1/x needs a factor of 1. */
export interface Small {
  v: number;
  factor: number;
  plus: number;
  least: number;
  /** of how many squares of values of 16 fractional bits v is the sum; 0 or absent if it is none */
  squares?: number;
}

/** The functions that `ofSmall` computes. */
export type SmallFunction = 'reciprocal' | 'rsqrt' | 'sqrt' | 'log';

const functions: Record<SmallFunction, (x: number) => number> = {
  reciprocal: (x) => 1 / x,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sqrt: Math.sqrt,
  log: Math.log,
};

/** log2 of the largest operand, at least. */
const TOP = 20;
/** Significant bits of the smallest operand that is not v = 0, ε included. */
const FINER = 10;
/** An ε so many bits below v's last place changes nothing but the answer at v = 0. */
const NOTHING = 7;
/** Bits of an opening that an operand may take. */
const ROOM = 62;
/** log2 of the largest answers: what 1/√x of 2^20 leaves beside itself in 63 bits. */
const MOST = { rsqrt: 21, reciprocal: 19, sqrt: 15, log: 5 } as const;
const POWER = { rsqrt: -0.5, reciprocal: -1, sqrt: 0.5, log: 1 } as const;

/**
 * The least sum of squares whose answer says something: a unit more or less in each of the values that are squared, 4
 * units on average, changes 1/√ by less than a quarter. 0 where ε hides that, and of what is no such sum.
 */
function leastTold(kind: SmallFunction, { factor, plus, squares = 0 }: Small): number {
  if (kind !== 'rsqrt' && kind !== 'reciprocal') return 0;
  const told = squares * (4 * 2 ** -FRAC_BITS) ** 2;
  return plus / factor >= told / 4 ? 0 : told;
}

/** Where the operand is opened: fractional bits, and log2 of the largest v. */
function scaleOf(t: ShareType, { factor, plus }: Small): { fracBits: number; high: number } {
  const epsilon = plus / factor;
  const matters = epsilon > 0 && (t.fracBits <= FRAC_BITS || epsilon >= 2 ** -(t.fracBits + NOTHING));
  const wanted = matters ? Math.ceil(FINER - Math.log2(2 ** -t.fracBits + epsilon)) : 0;
  const least = Math.min(t.magnitude, TOP + Math.ceil(-Math.log2(factor)));
  const fracBits = Math.min(ROOM - least, Math.max(FRAC_BITS, t.fracBits, wanted));
  return { fracBits, high: Math.min(t.magnitude, ROOM - fracBits) };
}

/**
 * Bits of the series' result and of the octaves' constants: 62 with the largest answer, for small ones are weighed by
 * small constants.
 */
function precision(kind: SmallFunction, magnitude: number): Pick<Wide, 'resultBits' | 'constantBits' | 'magnitude'> {
  const resultBits = kind === 'sqrt' ? 22 : kind === 'log' || magnitude < 9 ? 24 : 20;
  return { resultBits, constantBits: Math.min(32, ROOM - resultBits - magnitude), magnitude };
}

/**
 * A function of a positive operand that may be small: the steps, domain and errors above. @returns a share of v's shape
 */
export function ofSmall(e: Emitter, kind: SmallFunction, operand: Small): number {
  const { v, factor, plus, least } = operand;
  const told = leastTold(kind, operand);
  const whole = e.share(v).bits === 64 ? v : e.wide(v);
  const t = e.share(whole);
  const { fracBits, high } = scaleOf(t, operand);
  const units = (c: number) => BigInt(Math.round((c / factor) * 2 ** fracBits));
  const opened = openedWith(e, e.claim(whole, high), units(plus), fracBits, high);
  // The smallest V where v is not 0
  const unit = units(plus) + (1n << BigInt(Math.max(0, fracBits - t.fracBits)));
  const constant = Math.max(plus, least);
  const first = constant > 0 && units(least) > unit ? units(least) : unit;
  // Octaves whose answers would be too large are left out
  const largest =
    kind === 'rsqrt' || kind === 'reciprocal' ? Math.ceil(fracBits - Math.log2(factor) + MOST[kind] / POWER[kind]) : 0;
  const lo = Math.max(Math.floor(Math.log2(Number(first))), largest, 0);
  const hi = high + fracBits;
  const most = 2 ** MOST[kind];
  const answer = Math.min(most, functions[kind](constant));
  const ends = [lo, hi].map((at) => functions[kind](2 ** (at - fracBits) * factor));
  const top = Math.min(most, Math.max(...ends, constant > 0 ? answer : 0));
  const bits = precision(kind, kind === 'log' ? 6 : Math.ceil(Math.log2(top)) + 1);
  const from = first > 1n << BigInt(lo) ? first : 1n << BigInt(lo);
  const firstTold = units(plus) + BigInt(Math.round(told * 2 ** fracBits));
  const rounding = told > 0 ? Math.max(0, Math.round(Math.log2(Number(firstTold))) - lo) : 0;
  // With nothing that keeps it finite, what is 0, or has an answer that is too large, has left the domain
  const reported = constant > 0 || kind === 'sqrt' ? [] : [firstTold > from ? firstTold : from];
  return octave(e, opened, lo, hi, kind, factor ** POWER[kind], reported, {
    ...bits,
    ...(constant > 0 && { least: { from, answer, reported: rounding } }),
  });
}

/** Opens v·2^f + plus, v not negative and below 2^high. */
function openedWith(e: Emitter, v: number, plus: bigint, fracBits: number, high: number): number {
  const fine = fracBits > e.share(v).fracBits ? e.atScale(v, fracBits) : v;
  const f = e.share(fine).fracBits;
  const shift = f - fracBits;
  const magnitude = Math.min(63 - f, high + 1);
  const offset = String(plus << BigInt(shift));
  const shifted =
    plus === 0n ? fine : e.emit('affine', [fine], { scale: '1', offset, fracBits: f, bits: 64, magnitude });
  return e.emit('open', [shifted], {
    shift,
    width: high + fracBits + 1,
    offsetLog: -1,
    share: shift === 0 ? 'source' : 'lift',
    bits: 64,
    within: [0, 2 ** high],
  });
}

/** Fractional bits of the inverse as a factor: what a quotient below 2^14 leaves beside 16 of x. */
const INVERSE_BITS = 32;

/** x·inverse, for a positive inverse of `ofSmall`. Error |x|·2^−33, and that of the inverse. Cost 1 round. */
export function timesInverse(e: Emitter, x: number, inverse: number): number {
  const t = e.share(inverse);
  const kept = Math.min(INVERSE_BITS, t.fracBits);
  const width = kept + t.magnitude + 2;
  const factor = e.emit('open', [inverse], {
    shift: t.fracBits - kept,
    width,
    offsetLog: -1,
    share: 'lift',
    bits: 64,
    within: [0, 2 ** t.magnitude],
  });
  return e.times(e.factor(x), factor, Math.min(e.limit, 63 - FRAC_BITS - kept));
}
