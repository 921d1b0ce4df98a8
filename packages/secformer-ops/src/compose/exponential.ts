import { exactIntervals, intervals, lessThan, plane } from './bits.js';
import { watchPlane } from './domain.js';
import type { Emitter } from './emitter.js';
import { FRAC_BITS } from './formats.js';

/** Fractional bits of a general exponential. */
const EXP_BITS = 24;
/** log2 of the largest answer. */
const EXP_TOP = 15;
/** Comparisons at a resolution of ½, so that 17 bits hold the whole default range. */
const HALVES = 15;
/**
 * From window to window the answer falls by 2^10, and u grows by 6.93; each holds 8, which leaves room for the
 * comparisons' resolution.
 */
const STEP = 10;
/** Where each window ends, in units of u. */
const ENDS = [8, 14.5, 21.5, 28.5];

/**
 * e^x, from four windows of 8 of one opening of u = 15·ln 2 − x: 2^p·e^(−(u − (15 − p)·ln 2)), p = 15, 5, −5, −15.
 *
 *   1. open m of u; five coarse thresholds                             3 rounds
 *   2. each window by `expNegative`, truncated to 24 bits               1 round
 *
 * Domain the default range; beyond about 10 the answer stays between 2^14 and 2^15, below −18 it is 0. Relative error
 * 2e-6, or 5e-7.
 * Watched, x from 10.4 on is reported, and none below 9.89.
 * Cost   about 21 bytes each way an element, 4 rounds; dealer 198 bytes. View: openings under masks of their own.
 * Source protocols section 7.
 */
export function exp(e: Emitter, x: number): number {
  const top = Math.floor(EXP_TOP * Math.LN2 * 2 ** FRAC_BITS);
  const u = e.addConstant(e.negate(x), top / 2 ** FRAC_BITS);
  // What x can be, u can be and a little more, which is 0 whatever it is
  const opened = e.unwatched(() => e.variable(u, 32));
  const window = Math.min(17, e.opened(opened).width - HALVES);
  const thresholds = [0.5, ...ENDS].map((t) => 2 * t);
  const bits = intervals(e, opened, HALVES, window, thresholds, 0, 1 + ENDS.length);
  watchPlane(e, e.emit('oneHot', [lessThan(e, opened, HALVES, window, thresholds)]), 0);
  const parts = ENDS.map((_, index) => {
    const power = EXP_TOP - STEP * index;
    // The origin is on the grid; the factor makes up for what that leaves
    const origin = index === 0 ? 0 : Math.ceil(top - power * Math.LN2 * 2 ** FRAC_BITS);
    const factor = Math.exp((top - origin) / 2 ** FRAC_BITS - power * Math.LN2);
    const inside = e.emit('expNegative', [opened, plane(e, bits, 1 + index)], { origin, factor, half: 19 });
    const at = e.reinterpret(inside, e.share(inside).fracBits - power, power + 1);
    const shift = e.share(at).fracBits - EXP_BITS;
    const width = EXP_BITS + power + 2;
    return e.emit('unwrap', [
      e.emit('open', [at], { shift, width, offsetLog: -1, share: 'lift', bits: 64, within: [0, 2 ** power * 1.001] }),
    ]);
  });
  const beyond = e.scale(e.emit('bitValue', [plane(e, bits, 0)], { bits: 64 }), 2 ** EXP_TOP);
  return parts.reduce((a, b) => e.add(a, b), beyond);
}

/**
 * λx above 0, λα(e^x − 1) below: ELU and SELU. The comparison with 0 at full resolution, for the branches part there.
 * Domain the range of the operand. Error 2e-6·λα, and a relative 5e-7 of λ's encoding above 0. Cost about 11 bytes each
 * way an element, 5 rounds.
 */
export function elu(e: Emitter, x: number, alpha = 1, scale = 1): number {
  const u = e.variable(e.negate(x), 32);
  const bits = exactIntervals(e, u, [0, 15.9], 0, 2);
  const power = e.emit('expNegative', [u, plane(e, bits, 1)], { origin: 0, factor: 1, half: 20 });
  const shift = e.share(power).fracBits - EXP_BITS;
  const small = e.emit('unwrap', [
    e.emit('open', [power], { shift, width: EXP_BITS + 2, offsetLog: -1, share: 'lift', bits: 64 }),
  ]);
  const positive = e.emit('bitMultiply', [plane(e, bits, 0), u]);
  const above = e.emit('bitValue', [plane(e, bits, 0)], { bits: 64 });
  // Below 0: e^x − 1 = e^(−u) + [x > 0] − 1
  return e.sub(e.scale(e.addConstant(e.add(small, above), -1), scale * alpha), e.scale(positive, scale));
}
