import { intervals } from './bits.js';
import type { Emitter } from './emitter.js';

/** Series of period 4 on [1, 2]: Σ c_k cos(kπv/2) + s_k sin(kπv/2), exact to 1.2e-7 (1/v) and 3e-8 (v^−½). */
const SERIES = {
  reciprocal: {
    cosines: [1.7175724654, 1.7336387668, 0.5811773774, 0.0433139024, -0.026881388, -0.0050842691],
    sines: [-0.370225816, -0.567188533, -0.2626587127, -0.0481761872, -0.0019467065],
  },
  rsqrt: {
    cosines: [1.1824726629, 0.6746271566, 0.229050713, 0.0237920691, -0.0076222982, -0.0016249494],
    sines: [-0.0323029983, -0.171769289, -0.0872417024, -0.0166794692, -0.0007383843],
  },
} as const;

/** Bits of the cut mantissa, of the series' tables, of its result, and of the constants of rsqrt. */
const MANTISSA = 22;
const SERIES_BITS = 30;
const RESULT_BITS = 24;
const CONSTANT_BITS = 30;

/**
 * 1/v or 1/√v of an opened integer V = v·2^f in [2^lo, 2^hi), without an iteration:
 *
 *   1. compare V with every 2^j at full resolution; one-hot o_j of its octave, opened          2 to 3 rounds
 *   2. v_n = Σ o_j·V·2^(hi−j) in [1, 2)                                                        local
 *   3. open v_n cut to 22 bits modulo 2^24; a series of period 4 is local                       1 round
 *   4. truncate to 24 bits, times Σ o_j·c_j                                                     1 round, local
 *
 * c_j = 2^(hi−1−j) for 1/v (result at 24 + hi − 1 − f bits), factor·2^((f−j)/2) at 30 bits for 1/√v (54 bits).
 * Domain V in [2^lo, 2^hi); below 2^lo the result is that of 2^lo's octave, wrong. Relative error 7e-7, to the encoded V.
 * Cost   (width bits of the opening apart) about 7 bits a threshold and 4 chunks, 3 + 3.5 bytes each way an element; 5 to 6 rounds.
 * View   openings under masks of their own. Source protocols section 8.
 */
export function octave(e: Emitter, opened: number, lo: number, hi: number, kind: 'reciprocal' | 'rsqrt', factor = 1, offset = 0): number {
  const { fracBits: f, width } = e.opened(opened);
  const thresholds = Array.from({ length: hi - lo - 1 }, (_, i) => (1n << BigInt(lo + 1 + i)) - BigInt(offset));
  const hot = intervals(e, opened, 0, width, thresholds);
  const octaves = hi - lo;
  const weigh = (values: number, weight: (j: number) => number, fracBits: number, magnitude: number) => {
    const t = e.share(values);
    const weights = Array.from({ length: octaves }, (_, i) => weight(lo + i));
    const shape = [octaves, ...t.shape.slice(1).map(() => 1)];
    const product = e.emit('mulPublic', [values], { constant: e.builder.constant(weights, 0), shape, constantBits: 0, magnitude: 63 - t.fracBits });
    const total = e.sum(product, [0]);
    return e.reinterpret(e.reshape(total, t.shape.slice(1)), fracBits, magnitude);
  };
  const normal = weigh(e.emit('bitMultiply', [hot, opened]), (j) => 2 ** (hi - j), hi, 1);
  const cut = hi > MANTISSA ? normal : e.atScale(normal, MANTISSA);
  const mantissa = e.emit('open', [cut], { shift: Math.max(0, hi - MANTISSA), width: MANTISSA + 2, offsetLog: -1, share: 'modular', bits: MANTISSA + 2 });
  const { cosines, sines } = SERIES[kind];
  const series = e.emit('trig', [mantissa], {
    period: MANTISSA + 2,
    constantTerm: cosines[0],
    coefficients: sines.map((s, i) => [cosines[i + 1], s]),
    seriesBits: SERIES_BITS,
    bits: 64,
    magnitude: 1,
  });
  const result = e.emit('open', [series], { shift: 2 * SERIES_BITS - RESULT_BITS, width: RESULT_BITS + 4, offsetLog: -1, share: 'lift', bits: 64 });
  const selected = e.emit('bitMultiply', [hot, result]);
  if (kind === 'reciprocal') {
    return weigh(selected, (j) => 2 ** (hi - 1 - j), RESULT_BITS + hi - 1 - f, f - lo);
  }
  const magnitude = Math.min(63 - RESULT_BITS - CONSTANT_BITS, Math.ceil((f - lo) / 2 + Math.max(0, Math.log2(factor))) + 1);
  return weigh(selected, (j) => Math.round(factor * 2 ** ((f - j) / 2 + CONSTANT_BITS)), RESULT_BITS + CONSTANT_BITS, magnitude);
}

/** Range of the general reciprocal and inverse square root: [2^−12, 2^20). */
export const POSITIVE_RANGE = { low: 2 ** -12, high: 2 ** 20, lo: 4, hi: 36 } as const;

/** Opens a positive value of 16 fractional bits for `octave`. */
function openPositive(e: Emitter, x: number): number {
  const v = e.wide(x);
  const t = e.share(v);
  const at = t.fracBits < 16 ? e.atScale(v, 16) : v;
  return e.emit('open', [at], { shift: 0, width: POSITIVE_RANGE.hi + 1, offsetLog: -1, share: 'source', bits: 64, within: [0, POSITIVE_RANGE.high] });
}

/**
 * 1/x for x in [2^−12, 2^20). Relative error 7e-7, to the encoded input; the result keeps 43 bits. Cost 8 rounds at most.
 */
export function reciprocal(e: Emitter, x: number): number {
  return octave(e, openPositive(e, x), POSITIVE_RANGE.lo, POSITIVE_RANGE.hi, 'reciprocal');
}

/** 1/√x for x in [2^−12, 2^20). Relative error 7e-7, to the encoded input. */
export function rsqrt(e: Emitter, x: number): number {
  return octave(e, openPositive(e, x), POSITIVE_RANGE.lo, POSITIVE_RANGE.hi, 'rsqrt');
}
