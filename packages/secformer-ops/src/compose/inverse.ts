/** 1/v and 1/√v of what is opened once: neither a mantissa nor a product of bits. */
import { check, type OpenBitsType } from '../instruction/types.js';
import { intervals, lessThan } from './bits.js';
import { watchPlane } from './domain.js';
import type { Emitter } from './emitter.js';

/**
 * Series of period 8 on [7/8, 4]: Σ c_k cos(kπv/4) + s_k sin(kπv/4), exact to 2.4e-6 (1/v) and 3e-7 (1/√v), relative.
 * Fits with larger coefficients are closer, and pass the rounding of the tables on larger.
 */
const SERIES = {
  reciprocal: {
    cosines: [
      1.5405575274, 1.59508093, 1.0798047994, 1.5768976038, 0.5655527697, -0.6795319743, -0.5276323451, -0.0631777306,
      0.0247304804, 0.0037446903,
    ],
    sines: [
      -0.6089952106, -0.0485990393, -0.5843978636, -1.5701375318, -0.8882158241, 0.0694023306, 0.1648984898,
      0.0280182152, -0.0009561438,
    ],
  },
  rsqrt: {
    cosines: [
      1.0230862693, 0.8357599021, 0.664151286, 0.4918642594, -0.0350519719, -0.3083302656, -0.139241081, 0.0025719307,
      0.0097163462, 0.000794881,
    ],
    sines: [
      -0.0280459844, -0.1708096117, -0.4928581766, -0.5759548807, -0.1783151503, 0.0814397717, 0.0515279915, 0.00417839,
      -0.0007025158,
    ],
  },
} as const;

/** A window's lowest threshold is eight of its units: the series holds an eighth below each octave. */
const RESOLUTION = 3;
/** Most and fewest bits of a table. */
const WINDOW = 13;
const LEAST_WINDOW = 6;
/** Most bytes that the dealer sends for a value, rather than that its comparisons take two or three rounds more. */
const MOST_BYTES = 24 * 1024;
/** Bits of the result in the highest octave, and the most that there is room for in the lowest. */
const RESULT_BITS = 46;
const MOST_RESULT_BITS = 61;

interface Window {
  position: number;
  window: number;
  /** log2 of each */
  thresholds: number[];
}

/**
 * Thresholds 2^(lo + 2), 2^(lo + 4), … below 2^hi in windows, the lowest first. Each holds what is below the lowest
 * threshold of the one above; of the highest a bit more, since a comparison may see one unit too many.
 */
function windowsOf(lo: number, hi: number): Window[] {
  const out: Window[] = [];
  let left = Array.from({ length: (hi - lo) / 2 - 1 }, (_, i) => lo + 2 * (i + 1));
  for (let end = hi + 1; left.length > 0; ) {
    const from = left.findIndex((t) => end - (t - RESOLUTION) <= WINDOW);
    const thresholds = left.slice(from);
    const position = Math.max(0, thresholds[0]! - RESOLUTION);
    out.unshift({ position, window: Math.max(LEAST_WINDOW, end - position), thresholds });
    left = left.slice(0, from);
    end = thresholds[0]!;
  }
  return out;
}

/** Bytes of a value's tables: a bit an entry, and words for each pattern of bits that an octave depends on. */
function bytesOf(windows: readonly Window[], tables: number): number {
  return windows.reduce((sum, { window, thresholds }, i) => {
    const octaves = thresholds.length + (i === 0 ? 1 : 0);
    return sum + 2 ** window / 8 + octaves * 2 ** (windows.length - i) * 8 * tables;
  }, 0);
}

/** Opened bits of each window: that V lies below it, then one for each of its octaves. */
function byTables(e: Emitter, opened: number, windows: readonly Window[]): number[] {
  return windows.map(({ position, window, thresholds }, i) => {
    const units = thresholds.map((t) => 2 ** (t - position));
    const below = () => e.emit('compareTable', [opened], { position, window, thresholds: units });
    // Beyond a lower window its bits are multiplied by an exact 0
    const bits = i === windows.length - 1 ? below() : e.guarded(below);
    return e.emit('openBits', [e.emit('oneHot', [bits])]);
  });
}

/** The same bits of all octaves as those of one window. */
function byComparisons(e: Emitter, opened: number, windows: readonly Window[]): number {
  const { position } = windows[0]!;
  const units = windows.flatMap((w) => w.thresholds.map((t) => 1n << BigInt(t - position)));
  return intervals(e, opened, position, e.opened(opened).width - position, units);
}

/** What an inverse is of, and which. */
export interface InverseRange {
  /** V is in [2^lo, 2^hi) */
  lo: number;
  hi: number;
  kind: keyof typeof SERIES;
  factor?: number;
  /** fewer bits of the result in the lowest octave, for less of the dealer */
  most?: number;
}

/** Where an opened value is watched, and what of it. */
export interface InverseWatch {
  /** V from the last but one of these to the last, or below it, is reported */
  below?: readonly bigint[];
  /** and V from here on */
  from?: bigint;
}

/**
 * factor/v or factor/√v of an opened integer V = v·2^f > 0, V < 2^hi, in octaves of four:
 *
 *   1. compare V with 4^j·2^lo by one table, or by a few in windows of 13 bits that overlap; open the bits of the
 *      octaves, and of each window that V lies below it                                                1 round
 *      Where that takes more than 24 KB, as many octaves do, by comparisons as everything else         3 to 4 rounds
 *   2. the series of V's own opening on every octave, selected by these bits                           local
 *
 * A comparison drops what is below an eighth of the lowest threshold of its window, and errs by calling V "not less":
 * then it is in the octave above, less than an eighth below its end, where the series holds. A window counts where all
 * above say that V lies below; they are sure then.
 *
 * Domain V in [2^lo, 2^hi), lo a little lower where hi − lo is odd; below, wrong. Relative error 5e-6 (1/v) and 2e-6
 * (1/√v); where `most` leaves the octaves less than they could
 * have, also half of that many bits of what the lowest one has.
 * Watched, V that `watched` names is reported; no round more.
 * Cost   the opening's width (hi + 1 bits) apart, a bit an octave and window each way, 1 round; dealer 1.7 KB for five
 *        octaves, 12 KB for fifteen, 3.5 to 4 KB by comparisons.
 * View   bits under a β each; nothing else is sent.
 */
export function inverse(
  e: Emitter,
  opened: number,
  { lo, hi, kind, factor = 1, most = MOST_RESULT_BITS }: InverseRange,
  watched: InverseWatch = {},
): number {
  const { fracBits: f, width } = e.opened(opened);
  check(hi + 1 <= width && lo + 2 < hi, () => `octaves from 2^${lo} to 2^${hi} in an opening of ${width} bits`);
  const lowest = lo - ((hi - lo) % 2);
  const { cosines, sines } = SERIES[kind];
  const windows = windowsOf(lowest, hi);
  const tables = bytesOf(windows, cosines.length + sines.length) <= MOST_BYTES;
  const flags = tables ? byTables(e, opened, windows) : [byComparisons(e, opened, windows)];
  watch(e, opened, watched);
  const power = kind === 'reciprocal' ? 2 : 1;
  const octaves = (hi - lowest) / 2;
  return e.emit('octaveSeries', [opened, ...flags], {
    lo: lowest,
    thresholds: flags.map((bits) => (e.type(bits) as OpenBitsType).planes - 1),
    power,
    factor: factor * 2 ** ((f - lowest) * (power / 2)),
    constantTerm: cosines[0],
    coefficients: sines.map((s, i) => [cosines[i + 1], s]),
    fracBits: Math.min(most, RESULT_BITS + power * (octaves - 1)),
    bits: 64,
  });
}

function watch(e: Emitter, opened: number, { below = [], from }: InverseWatch): void {
  const thresholds = [...below, ...(from === undefined ? [] : [from])];
  if (!e.watch || thresholds.length === 0) return;
  const between = e.emit('oneHot', [lessThan(e, opened, 0, e.opened(opened).width, thresholds)]);
  if (below.length > 0) watchPlane(e, between, below.length - 1);
  if (from !== undefined) watchPlane(e, between, thresholds.length);
}
