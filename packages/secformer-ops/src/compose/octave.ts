import { below, intervals, lessThan, plane } from './bits.js';
import { watchPlane } from './domain.js';
import type { Emitter } from './emitter.js';
import { FRAC_BITS } from './formats.js';

/**
 * Series of period 4 on [1, 2]: Σ c_k cos(kπv/2) + s_k sin(kπv/2), exact to 1.2e-7 (1/v), 3e-8 (v^−½, ln v) and 9e-9
 * (√v).
 */
const SERIES = {
  reciprocal: {
    cosines: [1.7175724654, 1.7336387668, 0.5811773774, 0.0433139024, -0.026881388, -0.0050842691],
    sines: [-0.370225816, -0.567188533, -0.2626587127, -0.0481761872, -0.0019467065],
  },
  rsqrt: {
    cosines: [1.1824726629, 0.6746271566, 0.229050713, 0.0237920691, -0.0076222982, -0.0016249494],
    sines: [-0.0323029983, -0.171769289, -0.0872417024, -0.0166794692, -0.0007383843],
  },
  sqrt: {
    cosines: [1.107308304, -0.442748997, -0.1631746022, -0.0264621166, 0.0015578114, 0.000689077],
    sines: [-0.2329983857, 0.0387044986, 0.039542745, 0.0089500589, 0.000500422],
  },
  log: {
    cosines: [-0.0618399997, -1.0722893988, -0.3728808719, -0.0499993049, 0.0076335737, 0.0020542568],
    sines: [-0.2051027208, 0.1846599419, 0.1147363064, 0.0234786708, 0.0011646128],
  },
} as const;

/** Bits of the cut mantissa, of the series' tables, of its result, and of the constants of 1/√v and √v. */
const MANTISSA = 22;
const SERIES_BITS = 30;
const RESULT_BITS = { reciprocal: 24, rsqrt: 24, sqrt: 22, log: 24 } as const;
const CONSTANT_BITS = 30;

/**
 * What a wider range of answers needs: bits of the series' result and of the constants, and an answer of its own for
 * values below a least one.
 */
export interface Wide {
  resultBits: number;
  constantBits: number;
  /** log2 of the largest answer */
  magnitude: number;
  /** the first threshold, and the answer below it */
  least?: {
    from: bigint;
    answer: number;
    /** watched, so many octaves from `from` on are reported: V may be nothing but rounding there */
    reported?: number;
  };
}

/**
 * 1/v, 1/√v, √v or ln v of an opened integer V = v·2^f in [2^lo, 2^hi), without an iteration:
 *
 *   1. compare V with every 2^j at full resolution; one-hot o_j of its octave, opened          2 to 3 rounds
 *   2. v_n = Σ o_j·V·2^(hi−j) in [1, 2)                                                        local
 *   3. open v_n cut to 22 bits modulo 2^24; a series of period 4 is local                       1 round
 *   4. truncate to 24 bits (√v: 22), times Σ o_j·c_j; ln v plus Σ o_j·(j − f)·ln 2               1 round, local
 *
 * c_j = 2^(hi−1−j) for 1/v (result at 24 + hi − 1 − f bits), factor·2^((f−j)/2) or 2^((j−f)/2) at 30 bits for the roots
 * (54 and 52 bits).
 * With a least V, that is the first threshold: below it v_n = 1, and the answer given is the constant of that interval.
 * Watched, V below the last of `reported`, and not below the one before it if there is one, is reported, and V from
 * 2^(width−1) on as what is negative; its result is 0.
 *
 * Domain V in [2^lo, 2^hi); below 2^lo the result is that of 2^lo's octave, wrong; √v with lo = 0 gives 0 at 0,
 * exactly. Relative error 7e-7, to the encoded V; of ln v 3e-7 absolute.
 * Cost   (width bits of the opening apart) about 7 bits a threshold and 4 chunks, 3 + 3.5 bytes each way an element; 5
 * to 6 rounds.
 * View   openings under masks of their own. Source protocols section 8.
 */
export function octave(
  e: Emitter,
  opened: number,
  lo: number,
  hi: number,
  kind: keyof typeof SERIES,
  factor = 1,
  reported: readonly bigint[] = [],
  wide?: Wide,
): number {
  const { fracBits: f, width } = e.opened(opened);
  const least = wide?.least;
  const guards = e.watch && !least ? reported : [];
  // √0 is 0: the interval below the first threshold is left out
  const skip = least || (kind === 'sqrt' && lo === 0) ? 1 : 0;
  const powers = Array.from({ length: hi - lo - 1 + skip }, (_, i) => 1n << BigInt(lo + 1 - skip + i));
  if (least) powers[0] = least.from;
  // A wider opening tells what is too large from what is negative
  const most = guards.length > 0 && width > hi + 1 ? [1n << BigInt(hi)] : [];
  const thresholds = [...guards, ...powers, ...most];
  const octaves = hi - lo;
  const all = intervals(e, opened, 0, width, thresholds, guards.length + (least ? 0 : skip), octaves + (least ? 1 : 0));
  const hot = least ? e.emit('planes', [all], { from: 1, count: octaves }) : all;
  if (e.watch && least?.reported) {
    const between = e.emit('oneHot', [lessThan(e, opened, 0, width, thresholds)]);
    for (let i = 1; i <= least.reported; i++) watchPlane(e, between, i);
  }
  if (guards.length > 0) {
    const between = e.emit('oneHot', [lessThan(e, opened, 0, width, thresholds)]);
    watchPlane(e, between, guards.length - 1);
    if (most.length > 0) watchPlane(e, between, thresholds.length);
  }
  const weigh = (
    values: number,
    weight: (j: number) => number,
    bits: number,
    fracBits: number,
    magnitude: number,
    below: number[] = [],
  ) => {
    const t = e.share(values);
    const weights = [...below, ...Array.from({ length: octaves }, (_, i) => weight(lo + i))];
    const shape = [weights.length, ...t.shape.slice(1).map(() => 1)];
    const product = e.emit('mulPublic', [values], {
      constant: e.builder.constant(weights, bits),
      shape,
      constantBits: bits,
      magnitude: 63 - t.fracBits - bits,
    });
    const total = e.sum(product, [0]);
    return e.reinterpret(e.reshape(total, t.shape.slice(1)), fracBits, magnitude);
  };
  let normal = weigh(e.emit('bitMultiply', [hot, opened]), (j) => 2 ** (hi - j), 0, hi, 1);
  if (least)
    normal = e.emit('add', [normal, e.atScale(e.emit('bitValue', [plane(e, all, 0)], { bits: 64 }), hi)], {
      magnitude: 1,
    });
  const cut = hi > MANTISSA ? normal : e.atScale(normal, MANTISSA);
  const mantissa = e.emit('open', [cut], {
    shift: Math.max(0, hi - MANTISSA),
    width: MANTISSA + 2,
    offsetLog: -1,
    share: 'modular',
    bits: MANTISSA + 2,
    within: [least ? 1 : guards.length > 0 ? 0 : 1 - skip, 2],
  });
  const { cosines, sines } = SERIES[kind];
  const series = e.emit('trig', [mantissa], {
    period: MANTISSA + 2,
    constantTerm: cosines[0],
    coefficients: sines.map((s, i) => [cosines[i + 1], s]),
    seriesBits: SERIES_BITS,
    bits: 64,
    magnitude: 1,
  });
  const kept = wide?.resultBits ?? RESULT_BITS[kind];
  const answer = least ? [least.answer] : [];
  // ln 1 may come out a little below 0
  const slack = kind === 'log' ? { offsetLog: kept - 1, within: [-0.5, 1] } : { offsetLog: -1 };
  const result = e.emit('open', [series], {
    shift: 2 * SERIES_BITS - kept,
    width: kept + 4,
    share: 'lift',
    bits: 64,
    ...slack,
  });
  if (kind === 'log') {
    const powers = weigh(
      e.emit('bitValue', [all], { bits: 64 }),
      (j) => (j - f) * Math.LN2 + Math.log(factor),
      kept,
      kept,
      6,
      answer,
    );
    return e.add(e.emit('unwrap', [result]), powers);
  }
  const selected = e.emit('bitMultiply', [all, result]);
  if (wide) {
    const power = { reciprocal: -1, rsqrt: -0.5, sqrt: 0.5 }[kind];
    return weigh(
      selected,
      (j) => factor * 2 ** ((j - f) * power),
      wide.constantBits,
      kept + wide.constantBits,
      wide.magnitude,
      answer,
    );
  }
  if (kind === 'reciprocal') {
    return weigh(selected, (j) => 2 ** (hi - 1 - j), 0, kept + hi - 1 - f, f - lo);
  }
  const bits = kept + CONSTANT_BITS;
  const power = kind === 'rsqrt' ? (f - lo) / 2 : (hi - f) / 2;
  const magnitude = Math.min(63 - bits, Math.ceil(power + Math.max(0, Math.log2(factor))) + (kind === 'rsqrt' ? 1 : 0));
  return weigh(
    selected,
    (j) => Math.round(factor * 2 ** ((kind === 'rsqrt' ? f - j : j - f) / 2 + CONSTANT_BITS)),
    0,
    bits,
    magnitude,
  );
}

/** Range of the general functions of positive values: [2^−12, 2^20), and from 2^−16 where nothing is divided. */
export const POSITIVE_RANGE = { low: 2 ** -12, high: 2 ** 20, lo: 4, hi: 36 } as const;

/**
 * The least argument that is right, in units of 2^−16, for `octave` to report what is less. A square root is told from
 * that of a negative number only where rounding before it cannot have made it one: below −2^−10.
 */
const LEAST = { reciprocal: [1n << BigInt(POSITIVE_RANGE.lo)], log: [1n], sqrt: [-64n] } as const;

/** Opens a positive value of 16 fractional bits for `octave`. */
function openPositive(e: Emitter, x: number): number {
  const v = e.wide(x);
  const t = e.share(v);
  const at = t.fracBits < 16 ? e.atScale(v, 16) : v;
  // Watched, what is too large is told from what it would be modulo 2^37
  const width = e.watch
    ? Math.max(POSITIVE_RANGE.hi + 1, Math.min(63, e.share(at).magnitude + FRAC_BITS + 1))
    : POSITIVE_RANGE.hi + 1;
  return e.emit('open', [at], {
    shift: 0,
    width,
    offsetLog: -1,
    share: 'source',
    bits: 64,
    within: [0, POSITIVE_RANGE.high],
  });
}

/**
 * 1/x for x in [2^−12, 2^20), and for −x there too unless x is known to be positive. Relative error 7e-7, to the
 * encoded input; the result keeps 43 bits.
 * Cost 6 rounds; with a sign 11, for |x| = x − 2·[x < 0]·x comes first and the sign goes back on last.
 */
export function reciprocal(e: Emitter, x: number, positive = true): number {
  const { lo, hi } = POSITIVE_RANGE;
  if (positive) return octave(e, openPositive(e, x), lo, hi, 'reciprocal', 1, LEAST.reciprocal);
  const opened = e.factor(x);
  const negative = below(e, opened, 0);
  const size = e.sub(e.emit('unwrap', [opened]), e.scale(e.emit('bitMultiply', [negative, opened]), 2));
  const inverse = octave(e, openPositive(e, size), lo, hi, 'reciprocal', 1, LEAST.reciprocal);
  const operand = e.emit('open', [inverse], { shift: 0, width: 64, offsetLog: -1, share: 'modular', bits: 64 });
  const flip = e.emit('bitMultiply', [negative, operand]);
  return e.sub(inverse, e.scale(flip, 2));
}

/** Fractional bits of 1/y as a factor of a quotient: what a product with 16 and a result below 2^14 leave. */
const QUOTIENT_BITS = 32;

/**
 * x/y for |y| in [2^−12, 2^20) and a quotient below 2^14: x·(1/y) with 32 bits of the reciprocal. Relative error 7e-7,
 * and |x|·2^−32 of the rest. Cost the reciprocal's, and 1 round. View: 1/y and x under masks of their own.
 */
export function divide(e: Emitter, x: number, y: number, positive = true): number {
  const inverse = reciprocal(e, y, positive);
  const shift = e.share(inverse).fracBits - QUOTIENT_BITS;
  const most = -Math.log2(POSITIVE_RANGE.low);
  const width = QUOTIENT_BITS + most + 2;
  const low = positive ? 0 : -(2 ** most);
  const factor = e.emit('open', [inverse], {
    shift,
    width,
    offsetLog: positive ? -1 : width - 2,
    share: 'lift',
    bits: 64,
    within: [low, 2 ** most],
  });
  return e.times(e.factor(x), factor, Math.min(e.limit, 63 - FRAC_BITS - QUOTIENT_BITS));
}

/** 1/√x for x in [2^−12, 2^20). Relative error 7e-7, to the encoded input. Cost 6 rounds. */
export function rsqrt(e: Emitter, x: number): number {
  return octave(e, openPositive(e, x), POSITIVE_RANGE.lo, POSITIVE_RANGE.hi, 'rsqrt', 1, LEAST.reciprocal);
}

/** √x for x in [0, 2^20). Relative error 7e-7, to the encoded input; 0 at 0. Cost 6 rounds. */
export function sqrt(e: Emitter, x: number): number {
  return octave(e, openPositive(e, x), 0, POSITIVE_RANGE.hi, 'sqrt', 1, LEAST.sqrt);
}

/** ln x for x in [2^−16, 2^20). Error 3e-7, to the encoded input. Cost 6 rounds. */
export function log(e: Emitter, x: number): number {
  return octave(e, openPositive(e, x), 0, POSITIVE_RANGE.hi, 'log', 1, LEAST.log);
}
