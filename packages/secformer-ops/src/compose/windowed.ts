import type { OpenedType } from '../instruction/types.js';
import { COARSE_MAGNITUDE, coarseIntervals, intervals, plane } from './bits.js';
import { bounded } from './domain.js';
import type { Emitter } from './emitter.js';
import { type Fit, fits, type Series } from './fits.js';
import { FRAC_BITS } from './formats.js';

/**
 * A function that is a series inside [−t, t), a constant or 0 below and x or a constant above:
 *
 *   1. open m of x (29 bits, fewer where its range is known to be small)                 round 1
 *   2. C = linear·x + series(x) − low, opened to 16 bits                                 round 2, with the comparisons
 *   with ±t
 *   3. open mid = [−t ≤ x < t] and hi = [x ≥ t]                                          round 3
 *   4. low + mid·C + hi·(x or the constant − low)                                        local
 *
 * Domain |x| < 2048 − t; watched, 4096 − t, and from 2048 on it may be reported. Error: the fit's, and 2^−seriesBits
 * for each table (outside the interval C is garbage times an exact 0).
 * Cost   7.9 bytes each way an element, 3 rounds. View: each opening under a mask of its own.
 * Source SecFormer section 3.2; protocols section 6.
 */
export function windowed(e: Emitter, x: number, fit: Fit): number {
  // The comparisons hold no more than ±2^11 anyway
  const { fracBits = FRAC_BITS } = fit;
  const opened = bounded(e, COARSE_MAGNITUDE, (most) => e.variable(x, fit.threshold, most, fracBits));
  const { period, step, tableBits, constantTerm, coefficients } = seriesAt(fit, e.opened(opened));
  const series = e.emit('trig', [opened], {
    period,
    ...(step !== undefined && { step }),
    seriesBits: fit.seriesBits,
    ...(tableBits !== undefined && { tableBits }),
    constantTerm: constantTerm - fit.low,
    coefficients,
    bits: fit.seriesBits + (tableBits ?? fit.seriesBits) + fit.magnitude + 1,
    magnitude: fit.magnitude,
  });
  const t = e.share(series);
  const width = fracBits + fit.magnitude + 1;
  const within = [-0.5, 2 ** fit.magnitude - 0.5];
  const middle = e.guarded(() =>
    e.emit('open', [fit.linear ? withHalf(e, series, opened) : series], {
      shift: t.fracBits - fracBits,
      width,
      offsetLog: fracBits - 1,
      share: 'lift',
      bits: 64,
      within,
    }),
  );
  const bits =
    fracBits < FRAC_BITS
      ? byHalves(e, opened, fit)
      : fit.byEighths
        ? byEighths(e, opened, fit)
        : coarseIntervals(e, opened, [-fit.threshold, fit.threshold], 1, 2);
  const inside = e.emit('bitMultiply', [plane(e, bits, 0), middle]);
  const above = plane(e, bits, 1);
  const end =
    fit.high === 'x'
      ? e.emit('bitMultiply', [above, opened])
      : e.scale(e.emit('bitValue', [above], { bits: 64 }), fit.high - fit.low);
  const out = e.addConstant(e.add(inside, end), fit.low);
  e.watch?.safe(out);
  return out;
}

/** The shorter series where its period divides what an opening wraps around at, and its offset. */
function seriesAt(fit: Fit, { width, offsetLog }: OpenedType): Series {
  const { short } = fit;
  return short && width >= short.period && (offsetLog < 0 || offsetLog >= short.period) ? short : fit;
}

/** Bits of the half-units' window, which holds ±2048: three chunks and the top one. */
const HALVES_WINDOW = 13;

/**
 * The intervals at a resolution of ½: what lies just below a threshold may be called "not less", so the upper one is a
 * half further out. Six bits fewer of each element are opened than at 2^−4.
 */
function byHalves(e: Emitter, opened: number, { threshold }: Fit): number {
  const { fracBits, width } = e.opened(opened);
  const position = fracBits - 1;
  const units = [-2 * threshold, 2 * threshold + 1];
  return intervals(e, opened, position, Math.min(HALVES_WINDOW, width - position), units, 1, 2);
}

/** Bits of the eighths' window, which holds ±2048: three chunks of five and the top one, with a bit more if watched. */
const EIGHTHS = { log: 3, window: 15 } as const;

/**
 * The intervals at a resolution of ⅛: what lies as much within a threshold may count as beyond it, and no more than
 * that; the series holds to the threshold. Four bits fewer of each element are opened than at 2^−4.
 */
function byEighths(e: Emitter, opened: number, { threshold }: Fit): number {
  const { fracBits, width } = e.opened(opened);
  const position = fracBits - EIGHTHS.log;
  const units = [1 - threshold * 2 ** EIGHTHS.log, threshold * 2 ** EIGHTHS.log];
  const window = Math.min(EIGHTHS.window + (e.watch ? 1 : 0), width - position);
  return intervals(e, opened, position, window, units, 1, 2, { wide: true });
}

/** The series plus x/2, at the series' scale. */
function withHalf(e: Emitter, series: number, opened: number): number {
  const t = e.share(series);
  const value = e.emit('unwrap', [opened]);
  const shift = t.fracBits - e.share(value).fracBits - 1;
  const half = e.emit('affine', [value], {
    scale: String(1n << BigInt(shift)),
    offset: '0',
    fracBits: t.fracBits,
    bits: t.bits,
    magnitude: t.magnitude,
  });
  return e.emit('add', [series, half], { magnitude: t.magnitude });
}

/**
 * GeLU, x·(1 + erf(x/√2))/2 or its tanh form. Error 4.6e-5, mean 8e-6; where operands have 13 bits, so has the result:
 * 3.5e-4, mean 6e-5.
 */
export function gelu(e: Emitter, x: number, form: 'erf' | 'tanh' = 'erf'): number {
  if (e.format.activation < FRAC_BITS) return windowed(e, x, form === 'erf' ? fits.geluErfCoarse : fits.geluTanhCoarse);
  return windowed(e, x, form === 'erf' ? fits.geluErf : fits.geluTanh);
}

/** Error 7.5e-5. */
export const tanh = (e: Emitter, x: number): number => windowed(e, x, fits.tanh);
