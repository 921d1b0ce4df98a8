import { maxWithIndex } from '../compose/arg-max.js';
import { below } from '../compose/bits.js';
import { elementwise } from '../compose/elementwise.js';
import type { Emitter } from '../compose/emitter.js';
import { MAGNITUDE } from '../compose/formats.js';
import {
  centred,
  from,
  limitExponential,
  limitExponentialOf,
  newtonReciprocal,
  newtonReciprocalOf,
  product,
  scaled,
  scaledSquares,
  squared,
  timesRest,
} from '../compose/iterate.js';
import { geluOf, momentsOf, normalRow, softmaxRow } from '../graph/functions.js';
import { exact } from './exact.js';
import type { Suite } from './suite.js';

const GELU = { scale: Math.sqrt(2 / Math.PI), cubic: 0.044715 };

/**
 * tanh(v) = 2σ(2v) − 1, σ from 1/(1 + e^(−|2v|)): the limit exponential of nine squarings, and three Newton steps from
 * 0.75 because the denominator lies in [1, 2]. Domain |v| < 512.
 */
function tanh(e: Emitter, v: number): number {
  const opened = e.factor(e.truncated(v));
  const negative = below(e, opened, 0);
  const value = e.emit('unwrap', [opened]);
  const size = e.sub(value, e.scale(e.emit('bitMultiply', [negative, opened]), 2));
  const denominator = e.addConstant(limitExponential(e, e.scale(size, -2), 9), 1);
  // The first step from a public 0.75 is linear
  let y = from(e, 1.5, scaled(e, denominator, 0.5625));
  for (let i = 0; i < 2; i++) y = timesRest(e, y, 2, product(e, denominator, y, 2), 2);
  const half = e.factor(e.addConstant(e.scale(y, 2), -1), 24);
  const whole = e.emit('unwrap', [half]);
  return e.sub(whole, e.scale(e.emit('bitMultiply', [negative, half]), 2));
}

/** x/2·(1 + tanh(√(2/π)(x + 0.044715x³))). Domain |x| < 22. Error against this form 2e-3. */
function gelu(e: Emitter, x: number): number {
  const v = e.reinterpret(e.truncated(x), 16, 5);
  const cube = product(e, product(e, v, v, 10, 16), v, 14, 16);
  const inner = scaled(e, e.add(v, scaled(e, cube, GELU.cubic, 16)), GELU.scale, 16);
  const gate = e.addConstant(tanh(e, inner), 1);
  return e.scale(product(e, v, gate, 6), 0.5);
}

/**
 * e^(x − max) by eight squarings, over its sum by Newton's reciprocal; sums beyond the start value's reach are scaled
 * with the row. Domain |s| < 2^13.
 */
function softmax(e: Emitter, x: number): number {
  const { shape } = e.share(x);
  const last = shape.length - 1;
  const v = e.claim(e.truncated(x), MAGNITUDE - 1);
  const { max } = maxWithIndex(e, v, false);
  const power = limitExponential(e, e.sub(v, e.broadcast(max, shape)), 8);
  const share = sumScale(shape[last]!);
  const total = e.scale(e.sum(power, [last]), share);
  return product(e, power, e.scale(newtonReciprocal(e, total), share), 1);
}

const sumScale = (width: number) => 2 ** -Math.max(0, Math.ceil(Math.log2(width / 256)));

function softmaxFormula(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const power = row.map((v) => limitExponentialOf(v - top, 8));
  const share = sumScale(row.length);
  const inverse = newtonReciprocalOf(share * power.reduce((a, b) => a + b, 0)) * share;
  return power.map((v) => v * inverse);
}

/** 1/√v by three of Newton's steps from CrypTen's start. Domain [0.1, 200]. */
function inverseRoot(e: Emitter, v: number): number {
  const start = scaled(e, limitExponential(e, e.addConstant(e.scale(v, -0.5), -0.2), 8), 2.2);
  let y = e.sub(e.addConstant(start, 0.2), e.truncated(e.scale(v, 2 ** -10), 24));
  for (let i = 0; i < 3; i++) {
    y = timesRest(e, y, 3, product(e, v, squared(e, y, 3), 9), 9, 24, 1);
  }
  return y;
}

function inverseRootOf(v: number): number {
  let y = limitExponentialOf(-(v / 2 + 0.2), 8) * 2.2 + 0.2 - v / 1024;
  for (let i = 0; i < 3; i++) y = (y * (3 - v * y * y)) / 2;
  return y;
}

/** (x − mean) times the reciprocal of √(var + ε). Domain variance 0.1 to 200, about 1 %. */
function layerNorm(e: Emitter, x: number, epsilon: number): number {
  const { difference, squares } = centred(e, x);
  const n = e.share(difference).shape.at(-1)!;
  const variance = e.addConstant(e.reinterpret(scaledSquares(e, squares, 1 / n, 16), 16, 9), epsilon);
  const root = product(e, variance, inverseRoot(e, variance), 5);
  return e.times(e.factor(difference), e.factor(newtonReciprocal(e, root), 20), 8);
}

function layerNormFormula(row: Float64Array, epsilon: number): Float64Array {
  const { mean, variance } = momentsOf(row);
  const inverse = newtonReciprocalOf((variance + epsilon) * inverseRootOf(variance + epsilon));
  return row.map((v) => (v - mean) * inverse);
}

/** Rows whose variance an approximation holds for. */
export const inRange = (low: number, high: number) => (row: Float64Array) => {
  const { variance } = momentsOf(row);
  return variance >= low && variance <= high;
};

/** CrypTen's approximations (Knott et al., NeurIPS 2021) on these primitives. */
export const crypten: Suite = {
  name: 'crypten',
  about: "CrypTen's approximations: limit exponential, Newton reciprocal and root",
  quadratic: false,
  // The limit exponential of eight squarings turns back to 1 at −512
  maskFloor: -200,
  softmax,
  quad: exact.quad,
  gelu,
  layerNorm,
  elementwise,
  functions: { gelu: (x) => geluOf(x, 'tanh'), softmax: softmaxRow, layerNorm: normalRow },
  formulas: { gelu: (x) => geluOf(x, 'tanh'), softmax: softmaxFormula, layerNorm: layerNormFormula },
  holds: { layerNorm: inRange(0.1, 170) },
  ranges: { gelu: [-20, 20] },
};

export { layerNorm as cryptenNorm, layerNormFormula as cryptenNormFormula };
