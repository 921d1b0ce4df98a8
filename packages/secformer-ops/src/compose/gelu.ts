import { COARSE, intervals, lessThan } from './bits.js';
import { type Emitter, FRAC_BITS } from './emitter.js';

/** Bits of the series' tables, their modulus, and the period 16 in units of 2^−16. */
const SERIES = { seriesBits: 18, bits: 40, period: 20 } as const;

interface EvenFit {
  threshold: number;
  /** a_0, a_1, … of Σ a_k cos(2πkx/16) */
  cosines: readonly number[];
}

/** x·erf(x/√2)/2 on |x| ≤ 4.5 + 2^−4: fit 1.4e-5 (tools/fit-series.js prints it). */
const ERF_FORM: EvenFit = {
  threshold: 4.5,
  cosines: [1.59384905, -0.97177366, -0.62311271, 0.22955516, -0.27315991, 0.09629406, -0.06066087, 0.01361412, -0.00459157],
};

/** x·tanh(√(2/π)(x + 0.044715x³))/2 on the same interval: fit 2.1e-5. */
const TANH_FORM: EvenFit = {
  threshold: 4.5,
  cosines: [1.4550909865, -0.7117712793, -0.8362673604, 0.3811184462, -0.3657772239, 0.1437773214, -0.0800669436, 0.0196388877, -0.0057222639],
};

/**
 * GeLU(x) = x/2 + h(x), h even, so a series of cosines of period 16 stands for it on |x| < 4.5; outside it is 0 or x.
 *
 *   1. open m of x (4 bytes)                                               round 1
 *   2. C' = x/2 + Σ a_k cos kωx, opened to 16 bits modulo 2^20             round 2, with the comparisons with ±4.5
 *   3. open mid = [−4.5 ≤ x < 4.5] and hi = [x ≥ 4.5]                       round 3
 *   4. mid·C' + hi·x                                                       local
 *
 * Domain |x| < 2048. Error 4.6e-5, mean 8e-6 (outside the interval C' is garbage times an exact 0).
 * Cost   8.25 bytes each way an element, 3 rounds. View: each opening under a mask of its own. Source SecFormer section 3.2; protocols section 6.
 */
export function gelu(e: Emitter, x: number, form: 'erf' | 'tanh' = 'erf'): number {
  const fit = form === 'erf' ? ERF_FORM : TANH_FORM;
  const opened = e.factor(x);
  const series = e.emit('trig', [opened], {
    ...SERIES,
    constantTerm: fit.cosines[0],
    coefficients: fit.cosines.slice(1).map((a) => [a, 0]),
    magnitude: 3,
  });
  const t = e.share(series);
  const value = e.emit('unwrap', [opened]);
  // x/2 at the series' scale; claimed small because what is not is multiplied by an exact 0
  const shift = t.fracBits - e.share(value).fracBits - 1;
  const half = e.emit('affine', [value], { scale: String(1n << BigInt(shift)), offset: '0', fracBits: t.fracBits, bits: t.bits, magnitude: 3 });
  const sum = e.emit('add', [series, half], { magnitude: 3 });
  const middle = e.emit('open', [sum], { shift: t.fracBits - FRAC_BITS, width: 20, offsetLog: FRAC_BITS - 1, share: 'lift', bits: 64, within: [-0.5, 7.5] });
  const tau = fit.threshold * COARSE.perUnit;
  const bits = intervals(e, opened, COARSE.position, COARSE.window, [-tau, tau], 1, 2);
  const inside = e.emit('bitMultiply', [e.emit('planes', [bits], { from: 0, count: 1 }), middle]);
  const above = e.emit('bitMultiply', [e.emit('planes', [bits], { from: 1, count: 1 }), opened]);
  return e.add(inside, above);
}

interface OddFit {
  threshold: number;
  /** s_1, s_2, … of Σ s_k sin(2πkx/16) */
  sines: readonly number[];
}

/** tanh on |x| ≤ 5.5 + 2^−4: error 6.7e-5 with the tails. */
const TANH: OddFit = {
  threshold: 5.5,
  sines: [
    1.03045018, 0.30848176, -0.15569142, 0.45385312, -0.37116645, 0.38820059, -0.2864234, 0.2201932, -0.1359985, 0.08175093, -0.03939417, 0.01757888, -0.00548027, 0.00143465,
  ],
};

/**
 * An odd function that ends at ±1, such as tanh: sines of period 16 inside the thresholds, f(x) = mid·S + 2·hi + mid − 1.
 * Domain |x| < 2048. Error 6.7e-5 for tanh. Cost 8.25 bytes each way an element, 3 rounds. Source protocols section 6.
 */
function saturating(e: Emitter, x: number, fit: OddFit): number {
  const opened = e.factor(x);
  const series = e.emit('trig', [opened], { ...SERIES, constantTerm: 0, coefficients: fit.sines.map((s) => [0, s]), magnitude: 2 });
  const shift = e.share(series).fracBits - FRAC_BITS;
  const inside = e.emit('open', [series], { shift, width: 20, offsetLog: FRAC_BITS + 1, share: 'lift', bits: 64, within: [-2, 2] });
  const tau = fit.threshold * COARSE.perUnit;
  const bits = intervals(e, opened, COARSE.position, COARSE.window, [-tau, tau], 1, 2);
  const plane = (from: number) => e.emit('planes', [bits], { from, count: 1 });
  const value = (from: number) => e.emit('bitValue', [plane(from)], { bits: 48 });
  const sign = e.addConstant(e.add(e.scale(value(1), 2), value(0)), -1);
  return e.add(e.emit('bitMultiply', [plane(0), inside]), sign);
}

/** erf on |x| ≤ 5 + 2^−4: fit 5e-7, then the tables' 18 bits. */
const ERF: OddFit = {
  threshold: 5,
  sines: [
    1.14517263, 0.14464864, 0.11650527, 0.19288535, -0.07955894, 0.14378382, -0.07713619, 0.06806424, -0.03309317, 0.01992724, -0.00758363, 0.00313098, -0.00073459, 0.00016807,
  ],
};

/** erf; domain and cost as for any saturating function, error 6e-5 (2^−18 for each table). */
export function erfOf(e: Emitter, x: number): number {
  return saturating(e, x, ERF);
}

/** tanh; domain and cost as for any saturating function. */
export function tanh(e: Emitter, x: number): number {
  return saturating(e, x, TANH);
}

/**
 * max(x, 0) = x − [x < 0]·x, the comparison at full resolution.
 * Domain the default range. Exact. Cost 4 bytes + 14 + 5 + 1 bits each way an element, 4 rounds. Source protocols section 5.
 */
export function relu(e: Emitter, x: number): number {
  const opened = e.factor(x);
  const { width } = e.opened(opened);
  const negative = e.emit('openBits', [lessThan(e, opened, 0, width, [0])]);
  return e.sub(e.emit('unwrap', [opened]), e.emit('bitMultiply', [negative, opened]));
}

/** [x < τ] as a share of 0 or 1, at full resolution. */
export function lessConstant(e: Emitter, x: number, tau: number): number {
  const opened = e.factor(x);
  const t = e.opened(opened);
  const threshold = Math.round(tau * 2 ** t.fracBits);
  const less = lessThan(e, opened, 0, t.width, [threshold]);
  return e.emit('bitValue', [e.emit('openBits', [less])], { bits: 64 });
}
