import { check, type ShareType } from '../instruction/types.js';
import { COARSE, lessThan } from './bits.js';
import { watchInterval, watchLift } from './domain.js';
import type { Emitter } from './emitter.js';
import { CARRIED_BITS, FRAC_BITS, MAGNITUDE } from './formats.js';
import { distanceToMax, groupsOf, pairsOf } from './group-max.js';
import { inverse } from './inverse.js';
import { octave } from './octave.js';

/** Fractional and all bits of the scores in the tournament: |s| ≤ 1023. */
const SCORE_BITS = 2;
const SCORE_WIDTH = 16;
const SCORE_MAGNITUDE = 10;
/** Fractional bits of a row's sum. Those of e^(−u) after the selection are as many, or fewer: `format.weight`. */
const EXP_BITS = 20;
/**
 * e^(−u) as a row of up to 255 is summed before it is truncated. Of 55 bits e^r' has 14, which its own row's leaders
 * feel, and its factors have 41, which many small terms together feel.
 */
const SUMMED = { origin: 0, factor: 0.5, half: 20, tableBits: 14 } as const;
const SUMMED_BITS = 55;
/** The tournament's maximum is right to within ½: with this slack u is never negative. */
const SLACK = 0.75;

/** Fractional bits of 1/Σ as an operand. */
const INVERSE_BITS = 26;
/** log2 of the largest sum of weighed values. */
const PRODUCT_MAGNITUDE = 14;

/**
 * Fractional bits of a product with V, of 33 together with those of 1/Σ: both then err by 6e-5 of a context at most,
 * for Σ from 1 to 128.
 */
const CARRIED_PRODUCT_BITS = 13;
/** Fractional bits of e^(−u) in such a product. */
const CARRIED_EXP_BITS = 18;
/** Fractional bits of V there, and of the operands of scores, that public tensors have made. */
export const ATTENTION_BITS = 14;

/** Bits of u = max + ¾ − s: modulo 4096, and modulo 2^14 where the spread of a row is watched. */
const DISTANCE_WIDTH = 28;
const WATCHED_WIDTH = 30;

/**
 * A softmax whose division is still to come: divided after the product with V, it costs n·d elements instead of h·n².
 */
export interface Unnormalised {
  /** numerators as an opened value with a 64-bit share, and as an operand modulo 2^width of a product with V */
  numerator: number;
  operandWidth: number;
  /** fractional bits to drop from the product with V, and the bits kept */
  productShift: number;
  productWidth: number;
  /** reciprocal of the row sums, shape [..., 1], opened with a 64-bit share */
  inverse: number;
  /**
   * where a public tensor multiplies the product with V next: of 33 fractional bits those of this product, the inverse
   * has the others; and the bits that are kept of it
   */
  carried?: { fracBits: number; width: number };
}

/**
 * Maximum over the last axis to within ½: scores at 2 fractional bits modulo 2^16, exactly compared, two by two.
 * Cost 2 bytes each way an element and level and 3 rounds a level. View: differences of openings under differences of
 * masks; one mask a value.
 * Source protocols section 9.
 */
export function coarseMax(e: Emitter, scores: number): number {
  const { shape, fracBits } = e.share(scores);
  const n = shape.at(-1)!;
  const flat = e.axisFirst(
    e.reshape(
      scores,
      [-1, n].map((d) => (d < 0 ? shape.slice(0, -1).reduce((a, b) => a * b, 1) : d)),
    ),
    1,
  );
  let open = e.emit('open', [flat], {
    shift: fracBits - SCORE_BITS,
    width: SCORE_WIDTH,
    offsetLog: -1,
    share: 'modular',
    bits: SCORE_WIDTH,
    within: [-(2 ** SCORE_MAGNITUDE), 2 ** SCORE_MAGNITUDE],
  });
  let left = n;
  while (left > 1) {
    const pairs = Math.floor(left / 2);
    const rows = e.opened(open).shape[1]!;
    const part = (from: number) => e.slice(open, [from, 0], [pairs, rows], [2, 1]);
    const [a, b] = [part(0), part(1)];
    const magnitude = SCORE_MAGNITUDE + 2;
    const less = lessThan(e, e.emit('subOpened', [a, b], { magnitude }), 0, SCORE_WIDTH, [0]);
    const gain = e.emit('bitMultiply', [e.emit('openBits', [less]), e.emit('subOpened', [b, a], { magnitude })]);
    let best = e.emit('add', [e.emit('unwrap', [a]), gain], { magnitude: SCORE_MAGNITUDE });
    if (left % 2) best = e.emit('concat', [best, e.emit('unwrap', [e.slice(open, [left - 1, 0], [1, rows])])]);
    left = pairs + (left % 2);
    if (left === 1) return e.reshape(best, [...shape.slice(0, -1), 1]);
    open = e.emit('open', [best], { shift: 0, width: SCORE_WIDTH, offsetLog: -1, share: 'modular', bits: SCORE_WIDTH });
  }
  return e.reshape(e.emit('unwrap', [open]), [...shape.slice(0, -1), 1]);
}

const distanceWidth = (e: Emitter) => (e.watch ? WATCHED_WIDTH : DISTANCE_WIDTH);

/** Modulus of scores at so many fractional bits that `exactSoftmax` truncates nothing of, watched or not. */
export const scoreBits = (fracBits: number): number =>
  fracBits + Math.max(SCORE_WIDTH - SCORE_BITS, WATCHED_WIDTH - FRAC_BITS);

/**
 * A share of scores that the tournament and the exponential can drop bits from: 46 bits at 32 fractional ones, or 64.
 */
function workable(e: Emitter, x: number): number {
  const t = e.share(x);
  const shift = t.fracBits - SCORE_BITS;
  const whole = shift + SCORE_WIDTH <= t.bits && t.bits - (t.fracBits - FRAC_BITS) >= distanceWidth(e);
  return shift >= 0 && whole && t.fracBits >= FRAC_BITS ? x : workable(e, e.atScale(e.wide(x), FRAC_BITS));
}

/** u = max + ¾ − s of the coarse maximum, opened in as many bits, with its share. */
function byTournament(e: Emitter, scores: number, width: number): number {
  const t = e.share(scores);
  const top = e.emit('affine', [coarseMax(e, scores)], {
    scale: String(1 << (FRAC_BITS - SCORE_BITS)),
    offset: String(SLACK * 2 ** FRAC_BITS),
    fracBits: FRAC_BITS,
    bits: SCORE_WIDTH + FRAC_BITS - SCORE_BITS,
    magnitude: SCORE_MAGNITUDE + 1,
  });
  const cut = t.fracBits === FRAC_BITS ? scores : e.emit('drop', [scores], { shift: t.fracBits - FRAC_BITS });
  const u = e.emit('sub', [top, cut], { magnitude: SCORE_MAGNITUDE + 1 });
  return e.emit('open', [u], { shift: 0, width, offsetLog: -1, share: 'lift', bits: 64, within: [0, 2048] });
}

/** u = max + ½ − s of the scores' own opening, in as many bits. */
function byGroups(e: Emitter, scores: number, width: number, fewRounds: boolean): number {
  const opened = e.emit('open', [scores], {
    shift: e.share(scores).fracBits - FRAC_BITS,
    width,
    offsetLog: -1,
    share: 'modular',
    bits: width,
    within: [-(2 ** SCORE_MAGNITUDE), 2 ** SCORE_MAGNITUDE],
  });
  return distanceToMax(e, opened, SCORE_MAGNITUDE + 1, fewRounds ? groupsOf : pairsOf);
}

/**
 * u = max + ½ − s ≥ 0 (¾ where its share is kept) as an opening of 28 bits, its exponentials as an opening of 20
 * fractional bits, and their row sums.
 */
function exponentials(
  e: Emitter,
  x: number,
  keepDistance: boolean,
  fewRounds = false,
  expBits: number = e.format.weight,
): { distance: number; numerator: number; row: number; low: number; high: number } {
  const scores = workable(e, x);
  const t = e.share(scores);
  const n = t.shape.at(-1)!;
  check(n >= 1 && n <= 4096, () => `softmax over ${n} values; rows of 1 to 4096 are supported`);
  const width = distanceWidth(e);
  const distance = keepDistance ? byTournament(e, scores, width) : byGroups(e, scores, width, fewRounds);
  watchSpread(e, distance);
  // The comparison with 16 moves up with them, and holds as much as they tell
  const more = width - DISTANCE_WIDTH;
  const limit = (16 * COARSE.perUnit) / 2 ** more;
  const below = lessThan(e, distance, COARSE.position + more, COARSE.window, [limit], { wide: true });
  const near = e.emit('openBits', [below]);
  // Sums of so many that they fit at a finer scale are opened beside the numerators, and else of what these are then
  const fits = !keepDistance && SUMMED_BITS + Math.ceil(Math.log2(n + 1)) < 64;
  const power = fits
    ? e.reinterpret(e.emit('expNegative', [distance, near], SUMMED), SUMMED_BITS, 1)
    : e.emit('expNegative', [distance, near], { origin: 0, factor: 1, half: 20 });
  const numerator = e.emit('open', [power], {
    shift: e.share(power).fracBits - expBits,
    width: expBits + 2,
    offsetLog: -1,
    share: 'lift',
    bits: 64,
  });
  const total = e.sum(fits ? power : e.emit('unwrap', [numerator]), [t.shape.length - 1]);
  const fracBits = fits ? EXP_BITS : expBits;
  // The leader's term is at least e^(−5/4) > 1/4
  const high = fracBits + Math.max(1, Math.ceil(Math.log2(n + 1)));
  const row = e.emit('open', [total], {
    shift: e.share(total).fracBits - fracBits,
    width: high + 1,
    offsetLog: -1,
    ...(keepDistance ? { share: 'source', bits: 64 } : { share: 'none', bits: 0 }),
    within: [0, 2 ** (high - fracBits)],
  });
  return { distance, numerator, row, low: fracBits - 2, high };
}

/**
 * Reports u beyond [0, 2048): all from 2560 to 15,360, by units of 1024 modulo 2^14 and of 512 modulo 2^12 together,
 * and none within; what is in between is right, for the comparison holds ±8192. Where scores are further apart than
 * that, the tournament's maximum may not be one: u is below −8192 then, and above 2560 modulo 2^14 as long as the
 * spread is below 13,824. By groups it may be any number then, of which two scores are not both within 3584 modulo 2^14
 * where the spread is below 12,800.
 */
function watchSpread(e: Emitter, distance: number): void {
  watchInterval(e, distance, 10 + FRAC_BITS, 4, 0, 2);
  watchInterval(e, distance, 9 + FRAC_BITS, 3, 0, 4);
}

/** 1/Σ, below 2^log, opened as an operand of so many fractional bits. View: under a mask of its own. */
export function inverseOperand(e: Emitter, share: number, fracBits: number, log: number): number {
  return e.emit('open', [share], {
    shift: e.share(share).fracBits - fracBits,
    width: fracBits + log + 1,
    offsetLog: -1,
    share: 'lift',
    bits: 64,
    within: [0, 2 ** log],
  });
}

/**
 * Softmax over the last axis, e^(−u)/Σe^(−u) with u = max + ½ − s ≥ 0.
 *
 *   1. open s modulo 2^28; the maximum of its top bits two by two, or by all pairs in groups, and u with it
 *                                                                          1 round, 3 to 4 a level
 *   2. [u < 16] on bits 12 to 27; e^(−u) on a window of 32; truncated to 20 bits
 *                                                                          3 rounds
 *   3. 1/Σ by octaves of four; Σ is opened beside the numerators, or after them in rows of 256 and more
 *                                                                          2 or 3 rounds
 *
 * Domain |s| ≤ 1023, rows of 1 to 4096; watched, a spread below 2048, and one beyond is reported: from 2560 on for
 * sure, as long as it is below 12,800. Of a product with V, |Σe^(−u)·V| < 2^14. Error of the
 * probabilities 4e-5 (rows of 128), 1e-4 (512), on the worst rows.
 * @param fewRounds the maximum by all pairs in groups: a row of 128 in 16 rounds with its division and not 27, for
 *   twice as many comparisons
 * @param carried of a product with V that a public tensor multiplies next: numerators of 18 bits, 1/Σ of 20 fractional
 *   ones, and a context of 33, whose error is 6e-5 then, 1.2e-4 in rows of 256 like scores
 * Source protocols sections 7 to 9.
 */
export function exactSoftmax(e: Emitter, x: number, fewRounds = false, carried = false): Unnormalised {
  const { weight, context } = e.format;
  const expBits = carried ? Math.min(CARRIED_EXP_BITS, weight) : weight;
  const { numerator, row, low, high } = exponentials(e, x, false, fewRounds, expBits);
  const share = inverse(e, row, { lo: low, hi: high, kind: 'reciprocal' });
  const operand = inverseOperand(e, share, carried ? CARRIED_BITS - CARRIED_PRODUCT_BITS : INVERSE_BITS, 2);
  return {
    numerator,
    operandWidth: weight + PRODUCT_MAGNITUDE + FRAC_BITS + 2,
    productShift: weight + FRAC_BITS - context,
    productWidth: PRODUCT_MAGNITUDE + context + 2,
    inverse: operand,
    ...(carried && { carried: { fracBits: CARRIED_PRODUCT_BITS, width: CARRIED_PRODUCT_BITS + MAGNITUDE + 2 } }),
  };
}

/**
 * ln softmax over the last axis: −u − ln Σe^(−u). Domain as softmax; error 3e-5 (rows of 128), 1e-4 (512). Cost as
 * softmax, and 2 bytes more of corrections.
 */
export function logSoftmax(e: Emitter, x: number): number {
  const { distance, row, low, high } = exponentials(e, x, true);
  const total = octave(e, row, low, high, 'log');
  return e.negate(e.add(e.emit('unwrap', [distance]), total));
}

/** The probabilities themselves. */
export function normalise(e: Emitter, { numerator, inverse }: Unnormalised): number {
  return e.times(numerator, inverse, 1);
}

/** Probabilities times V, divided after the product; at 33 fractional bits before a public tensor multiplies it. */
export function attend(e: Emitter, p: Unnormalised, v: number, transposeB: boolean): number {
  const { carried } = p;
  // Values of fewer fractional bits leave as many fewer to drop
  const value = carried && e.carried.has(v) ? Math.min(ATTENTION_BITS, e.format.value) : e.format.value;
  const fewer = FRAC_BITS - value;
  const width = carried?.width ?? p.productWidth;
  const shift = carried
    ? e.opened(p.numerator).fracBits + e.operandBits(v, value) - carried.fracBits
    : p.productShift - fewer;
  const operandWidth = carried ? shift + width : p.operandWidth - fewer;
  const left = e.opened(p.numerator).modular ? p.numerator : e.emit('extend', [p.numerator], { width: operandWidth });
  const right = e.operand(v, operandWidth, value);
  const t = e.share(v) as ShareType;
  const fracBits = e.opened(left).fracBits + e.opened(right).fracBits;
  const room = Math.min(width - 2 - (fracBits - shift), operandWidth - 1 - fracBits);
  const product = e.product(left, right, false, transposeB, room);
  const context = e.emit('open', [product], { shift, width, offsetLog: width - 2, share: 'lift', bits: 64 });
  watchLift(e, context, product);
  const bound = 63 - e.opened(context).fracBits - e.opened(p.inverse).fracBits;
  return e.scaled(context, p.inverse, Math.min(t.magnitude, bound));
}
