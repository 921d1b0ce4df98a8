import { maxWithIndex } from '../compose/arg-max.js';
import { exactIntervals, plane } from '../compose/bits.js';
import { elementwise } from '../compose/elementwise.js';
import type { Emitter } from '../compose/emitter.js';
import { MAGNITUDE } from '../compose/formats.js';
import { centred, combination, limitExponentialOf, product, scaledSquares, squared } from '../compose/iterate.js';
import { reciprocal, rsqrt } from '../compose/octave.js';
import { geluOf, momentsOf, normalRow, softmaxRow } from '../graph/functions.js';
import { inRange } from './crypten.js';
import { exact } from './exact.js';
import type { Suite } from './suite.js';

/** GeLU's pieces on [−4, −1.95) and [−1.95, 3), lowest power first; 0 below, x above. */
const LOW = [-0.5054031199708174, -0.42226581151983866, -0.11807612951181953, -0.011034134030615728] as const;
const MIDDLE = {
  one: 0.008526321541038084,
  x: 0.5,
  x2: 0.3603292692789629,
  x4: -0.037688200365904236,
  x6: 0.0018067462606141187,
};
const EDGES = [-4, -1.95, 3];

function geluFormula(x: number): number {
  if (x < EDGES[0]!) return 0;
  if (x < EDGES[1]!) return LOW.reduce((s, c, k) => s + c * x ** k, 0);
  if (x < EDGES[2]!) return MIDDLE.one + MIDDLE.x * x + MIDDLE.x2 * x ** 2 + MIDDLE.x4 * x ** 4 + MIDDLE.x6 * x ** 6;
  return x;
}

/** Fractional bits of the powers; 16^6 of the interval's edge still fits 64 bits with its coefficient. */
const POWER_BITS = 20;
const COEFFICIENT_BITS = 28;

/** Both polynomials, opened to 16 fractional bits. */
function pieces(e: Emitter, v: number): { low: number; middle: number } {
  const x2 = squared(e, v, 5, POWER_BITS);
  const x3 = product(e, x2, v, 7, POWER_BITS);
  const x4 = squared(e, x2, 9, POWER_BITS);
  const x6 = squared(e, x3, 13, POWER_BITS);
  const piece = (terms: [number, number][], one: number) => {
    const total = combination(e, terms, one, COEFFICIENT_BITS, 14);
    const shift = e.share(total).fracBits - 16;
    return e.emit('open', [total], { shift, width: 20, offsetLog: 18, share: 'lift', bits: 64, within: [-4, 4] });
  };
  const low: [number, number][] = [
    [LOW[1], v],
    [LOW[2], x2],
    [LOW[3], x3],
  ];
  const middle: [number, number][] = [
    [MIDDLE.x, v],
    [MIDDLE.x2, x2],
    [MIDDLE.x4, x4],
    [MIDDLE.x6, x6],
  ];
  return { low: piece(low, LOW[0]), middle: piece(middle, MIDDLE.one) };
}

/**
 * Piecewise polynomials of degrees 3 and 6, three comparisons; beyond the pieces the powers are garbage times an exact
 * 0.
 * Domain the default range. Error 0.014, the polynomials' own. Cost 30 bytes each way an element, 5 rounds. Source Dong
 * et al. 2023 (PUMA).
 */
function gelu(e: Emitter, x: number): number {
  const opened = e.factor(e.truncated(x));
  const v = e.emit('unwrap', [opened]);
  const { low, middle } = e.guarded(() => pieces(e, v));
  const bits = exactIntervals(e, opened, EDGES, 1, 3);
  const chosen = [low, middle, opened].map((of, i) => e.emit('bitMultiply', [plane(e, bits, i), of]));
  return chosen.reduce((a, b) => e.add(a, b));
}

/** The exponential is clipped to 0 below this, and the row's maximum is lowered a little, as PUMA does. */
const CLIP = -14;
const MARGIN = 1e-6;
const SQUARINGS = 5;

/** max, (1 + x/2^5)^(2^5) clipped below −14, one reciprocal a row. Domain |s| < 2^13. */
function softmax(e: Emitter, x: number): number {
  const { shape } = e.share(x);
  const last = shape.length - 1;
  const v = e.claim(e.truncated(x), MAGNITUDE - 1);
  const { max } = maxWithIndex(e, v, false);
  const below = e.addConstant(e.sub(v, e.broadcast(max, shape)), -MARGIN);
  const opened = e.factor(below);
  let y = e.addConstant(
    e.reinterpret(e.emit('unwrap', [opened]), 16 + SQUARINGS, e.opened(opened).magnitude - SQUARINGS),
    1,
  );
  const inside = e.guarded(() => {
    for (let i = 0; i < SQUARINGS; i++) y = squared(e, y, 2);
    return e.factor(y, 24);
  });
  const power = e.emit('bitMultiply', [exactIntervals(e, opened, [CLIP], 1, 1), inside]);
  const total = e.truncated(e.sum(power, [last]));
  return product(e, power, e.truncated(reciprocal(e, total), 24), 1);
}

function softmaxFormula(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const power = row.map((v) => (v - top - MARGIN < CLIP ? 0 : limitExponentialOf(v - top - MARGIN, SQUARINGS)));
  const total = power.reduce((a, b) => a + b, 0);
  return power.map((v) => v / total);
}

/** (x − mean)·(1/√(var + ε)), the variance at 16 fractional bits. Domain variance 0.01 to 3,000. */
function layerNorm(e: Emitter, x: number, epsilon: number): number {
  const { difference, squares } = centred(e, x);
  const n = e.share(difference).shape.at(-1)!;
  const variance = e.addConstant(scaledSquares(e, squares, 1 / n, 16), Math.max(epsilon, 2 ** -12));
  return e.times(e.factor(difference), e.factor(rsqrt(e, variance), 20), 8);
}

function layerNormFormula(row: Float64Array, epsilon: number): Float64Array {
  const { mean, variance } = momentsOf(row);
  return row.map((v) => (v - mean) / Math.sqrt(variance + Math.max(epsilon, 2 ** -12)));
}

/** PUMA's approximations (Dong et al. 2023) on these primitives, the pieces' signs right. */
export const puma: Suite = {
  name: 'puma',
  about: 'PUMA: piecewise polynomial GeLU, clipped exponential, one reciprocal a row',
  quadratic: false,
  softmax,
  quad: exact.quad,
  gelu,
  layerNorm,
  elementwise,
  functions: { gelu: geluOf, softmax: softmaxRow, layerNorm: normalRow },
  formulas: { gelu: geluFormula, softmax: softmaxFormula, layerNorm: layerNormFormula },
  holds: { layerNorm: inRange(0.01, 3000) },
};
