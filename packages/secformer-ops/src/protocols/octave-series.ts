import { encodeConstant, HARMONICS, halvesOf, type Kernels, scratch, type Words, zeros } from '@secformer/ring';
import { z } from 'zod';
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
  type ValueType,
} from '../instruction/types.js';
import { seriesOf } from './series.js';

/** Bits of the tables and of their public factors, where the result has room for products of both. */
const SERIES_BITS = 24;
/** log2 of the series' period in units of an octave's lower end, and of the most units that tables tell apart. */
const PERIOD = 3;
const MOST_PERIOD = 24;
/** An amplitude times a factor below 2 is a number of 31 bits at 24 fractional ones. */
const MOST_AMPLITUDE = 63;
/** Windows of thresholds: the octaves of the n-th have a table for each of 2^n patterns of bits. */
const WINDOWS = 4;

/** The attributes of `octaveSeries`. */
export interface Octaves {
  /** log2 of the lower end of the lowest octave, in units of the operand's last place */
  lo: number;
  /** thresholds of each window, from below */
  thresholds: number[];
  /** from octave to octave the result falls by 2^power */
  power: number;
  /** the series is multiplied by this at the lowest octave */
  factor: number;
  constantTerm: number;
  /** pairs (a_k, b_k) for k = 1, 2, … */
  coefficients: [number, number][];
  /** of the result over the factor's power of two */
  fracBits: number;
  bits: number;
}

export interface Octave {
  low: number;
  /** operand and plane of each bit that has to be one in it */
  bits: [operand: number, plane: number][];
  seriesBits: number;
  /** log2 of what products of tables and factors are multiplied by */
  shift: number;
}

/**
 * The octaves from below. Plane 0 of a window says that the value lies below its thresholds: in the lowest window it is
 * the lowest octave's bit, in the others the condition of all windows below it.
 */
export function octavesOf({ lo, thresholds, power, fracBits }: Octaves): Octave[] {
  const out: Octave[] = [];
  thresholds.forEach((count, window) => {
    const above = thresholds.slice(window + 1).map((_, i): [number, number] => [window + 2 + i, 0]);
    for (let plane = Math.min(window, 1); plane <= count; plane++) {
      const room = fracBits - power * out.length;
      const seriesBits = Math.min(SERIES_BITS, Math.floor(room / 2));
      const bits: Octave['bits'] = [[window + 1, plane], ...above];
      out.push({ low: lo + 2 * out.length, bits, seriesBits, shift: room - 2 * seriesBits });
    }
  });
  return out;
}

/** The factor as c·2^e with c times the series' largest value, 8/7, from 1 to 2. */
function partsOf(factor: number): { c: number; e: number } {
  const e = Math.ceil(Math.log2((factor * 8) / 7)) - 1;
  return { c: factor / 2 ** e, e };
}

const tablesOf = ({ coefficients }: Octaves) => 2 * coefficients.length + 1;

/** Words of an octave's tables for each element. */
export const wordsOf = (octave: Octave, a: Octaves): number => 2 ** octave.bits.length * tablesOf(a);

/** Whether an octave's period has more units than tables tell apart. */
export const isFar = (low: number): boolean => low + PERIOD > MOST_PERIOD;

/** The low bits of words that an octave's angle is told from, and how many they are. */
function angleOf(kernels: Kernels, words: Words, low: number): { of: Words; period: number } {
  if (!isFar(low)) return { of: words, period: low + PERIOD };
  const shift = low + PERIOD - MOST_PERIOD;
  const of = scratch(words.length);
  kernels.maskForOpening(of, words, zeros(words.length), { offset: 0n, bits: 64, shift, width: 64 - shift });
  return { of, period: MOST_PERIOD };
}

/** Of every element the half where its table begins, of the tables that its bits in some planes name. */
function placesOf(planes: Words[], n: number, tables: number, inverted: boolean): Uint32Array {
  const out = new Uint32Array(n);
  planes.forEach((plane, at) => {
    const halves = halvesOf(plane);
    const weight = 2 * tables * n * 2 ** at;
    for (let i = 0; i < n; i++) {
      const bit = ((halves[i >> 5] as number) >>> (i & 31)) & 1;
      if ((bit === 1) !== inverted) out[i]! += weight;
    }
  });
  for (let i = 0; i < n; i++) out[i]! += 2 * i;
  return out;
}

function planesOf(octave: Octave, types: readonly ValueType[], bits: (operand: number) => Words): Words[] {
  return octave.bits.map(([operand, plane]) => {
    const words = bits(operand);
    const size = words.length / (types[operand] as OpenBitsType).planes;
    return words.subarray(plane * size, (plane + 1) * size);
  });
}

/**
 * A function of an opened V > 0 whose values on octaves of four are multiples of one another, such as 1/V and 1/√V:
 * f(V) = factor·2^(−power·j)·g(V/2^low) on [2^low, 2^(low + 2)), low = lo + 2j, g a trigonometric series of period 8.
 * Whatever V is, its series on any octave has the angle of m − r modulo 2^(low + 3); the octave's bit o selects it.
 *
 *   1. T shares cos kωr, sin kωr and 1 for every octave, times [c = 1 ⊕ β] for every value c that its opened bits can
 *      have: all of them are ones in that case alone
 *   2. the parties read the table that c names, and Σ_k (a_k cos kωm + b_k sin kωm)·⟦o·cos kωr⟧ + … is o·g(V/2^low)
 *      (local)
 *   3. times 2^(−power·j), summed over the octaves                                                            (local)
 *
 * The bits of the octaves come in windows, each with a plane that says that V lies below it; what the windows below say
 * counts only then, and may be anything else.
 * Domain V in [7/8·2^lo, 2^(lo + 2·octaves)) where one octave's bits are all ones; 0 where none has them. Error: the
 *        series', and 2^−24 for each table and public factor, fewer bits in octaves where the result is small.
 * Cost   no round; dealer a word of `bits` or less a table: 2K + 1 in each octave, twice that for every bit.
 * View   nothing is sent between the parties; P1's tables are masked by P0's streams, one by one.
 * Source `trig`; Ishai, Kushilevitz, Meldgaard, Orlandi and Paskin-Cherniavsky 2013 (one-time truth tables).
 */
export const octaveSeries = primitive<Octaves>({
  name: 'octaveSeries',
  attributes: z.object({
    lo: int(1, 60),
    thresholds: z.array(int(1, 63)).min(1).max(WINDOWS),
    power: int(1, 2),
    factor: z
      .number()
      .min(2 ** -40)
      .max(2 ** 40),
    constantTerm: z.number().min(-64).max(64),
    coefficients: z
      .array(z.tuple([z.number().min(-64).max(64), z.number().min(-64).max(64)]))
      .min(1)
      .max(HARMONICS),
    fracBits: int(16, 61),
    bits: int(2, 64),
  }),
  infer(ins, a): ShareType {
    const [x, ...flags] = ins;
    const all = octavesOf(a);
    const top = all.at(-1)!;
    check(
      x?.kind === 'opened' && x.offsetLog < 0 && top.low + PERIOD <= x.width && flags.length === a.thresholds.length,
      () => `${all.length} octaves from 2^${a.lo} on of ${describeAll(ins)}`,
    );
    check(
      flags.every((b, i) => b.kind === 'openBits' && b.planes === a.thresholds[i]! + 1 && sameShape(b.shape, x.shape)),
      () => `bits of ${a.thresholds} thresholds in ${describeAll(ins)}`,
    );
    check(
      a.coefficients.every(([p, q]) => Math.hypot(p, q) < MOST_AMPLITUDE),
      () => `a series with an amplitude of ${MOST_AMPLITUDE} or more`,
    );
    check(top.seriesBits >= 8, () => `${a.fracBits} fractional bits for ${all.length} octaves`);
    const { e } = partsOf(a.factor);
    return shareType(x.shape, a.fracBits - e, a.bits, e + 1);
  },
  needs: (_bits, ins) => ins.map(() => 0),
  narrow: (bits) => ({ bits }),
  material(ins, a) {
    const n = sizeOf(ins[0]!.shape);
    return octavesOf(a).map((o) => ({ count: wordsOf(o, a) * n, bits: Math.max(1, a.bits - o.shift) }));
  },
  deal({ kernels, a, ins, types }) {
    const r = ins[0]!.r!;
    const n = r.length;
    const harmonics = a.coefficients.length;
    const tables = tablesOf(a);
    const series = scratch(2 * harmonics * n);
    const from = halvesOf(series);
    const material = octavesOf(a).map((octave) => {
      const words = zeros(wordsOf(octave, a) * n);
      const to = halvesOf(words);
      const { of, period } = angleOf(kernels, r, octave.low);
      kernels.trigTables(series, of, { period, harmonics, fracBits: octave.seriesBits });
      const betas = planesOf(octave, types, (operand) => ins[operand]!.beta!);
      const places = placesOf(betas, n, tables, true);
      for (let row = 0; row < from.length; row += 2 * n) {
        for (let i = 0; i < n; i++) {
          const at = row + (places[i] as number);
          to[at] = from[row + 2 * i] as number;
          to[at + 1] = from[row + 2 * i + 1] as number;
        }
      }
      const one = 2 ** octave.seriesBits;
      for (let i = 0; i < n; i++) to[from.length + (places[i] as number)] = one;
      return words;
    });
    return { value: {}, material };
  },
  finish({ kernels, a, ins, types, material }) {
    const m = ins[0]!.m!;
    const n = m.length;
    const harmonics = a.coefficients.length;
    const tables = tablesOf(a);
    const picked = scratch(tables * n);
    const to = halvesOf(picked);
    const [share, part] = [zeros(n), scratch(n)];
    const { c } = partsOf(a.factor);
    const coefficients = Float64Array.from(a.coefficients.flat(), (v) => v * c);
    octavesOf(a).forEach((octave, j) => {
      const from = halvesOf(material[j]!);
      const bits = planesOf(octave, types, (operand) => ins[operand]!.planes!);
      const places = placesOf(bits, n, tables, false);
      for (let row = 0; row < to.length; row += 2 * n) {
        for (let i = 0; i < n; i++) {
          const at = row + (places[i] as number);
          to[row + 2 * i] = from[at] as number;
          to[row + 2 * i + 1] = from[at + 1] as number;
        }
      }
      const { of, period } = angleOf(kernels, m, octave.low);
      const [waves, ones] = [picked.subarray(0, 2 * harmonics * n), picked.subarray(2 * harmonics * n)];
      kernels.trigCombine(part, of, waves, coefficients, { period, harmonics, fracBits: octave.seriesBits });
      kernels.affine(ones, ones, encodeConstant(a.constantTerm * c, octave.seriesBits), 0n, 64);
      kernels.add(part, part, ones);
      kernels.affine(part, part, 1n << BigInt(octave.shift), 0n, 64);
      kernels.add(share, share, part);
    });
    return { share };
  },
  plain({ a, ins, types }) {
    const unit = 2 ** (types[0] as OpenedType).fracBits;
    const n = ins[0]!.length;
    const out = new Float64Array(n);
    octavesOf(a).forEach(({ low, bits }, j) => {
      for (let i = 0; i < n; i++) {
        if (!bits.every(([operand, plane]) => ins[operand]![plane * n + i] === 1)) continue;
        const turns = (ins[0]![i]! * unit) / 2 ** (low + PERIOD);
        out[i]! += a.factor * 2 ** (-a.power * j) * seriesOf(a.constantTerm, a.coefficients, turns);
      }
    });
    return out;
  },
  error(a) {
    const amplitudes = a.coefficients.map(([x, y]) => Math.hypot(x, y));
    const total = amplitudes.reduce((sum, v) => sum + v, Math.abs(a.constantTerm));
    // Each angle is off by a unit of 2^−24 of a turn at most, and a table and its factor by half a unit
    const angles = amplitudes.reduce((sum, v, k) => sum + (k + 1) * v * 8e-7, 0);
    const each = octavesOf(a).map(({ seriesBits }, j) => {
      const rounding = (Math.SQRT2 * total + 1.5 * (amplitudes.length + 1)) * 2 ** -(seriesBits + 1);
      return 2 ** (-a.power * j) * (rounding + angles);
    });
    return a.factor * Math.max(...each);
  },
});
