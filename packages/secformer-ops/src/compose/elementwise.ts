import { type ElementwiseOp, type Parameters, SELU } from '../graph/functions.js';
import type { Emitter } from './emitter.js';
import { elu, exp } from './exponential.js';
import { fits } from './fits.js';
import { log, reciprocal, rsqrt, sqrt } from './octave.js';
import { atMost, belowZero, clip, equalTo, lessConstant, relu, sign } from './piecewise.js';
import { reluPower } from './power.js';
import { ceil, floor, round } from './rounding.js';
import { cos, sin } from './trigonometric.js';
import { windowed } from './windowed.js';

/**
 * A function of a secret tensor, element by element, as suite `exact` computes it. The table drives the planner, the
 * benchmark, the tests and the documentation.
 */
export interface Elementwise {
  /** Emits it on a share. @returns the result, a share of x's shape */
  emit(e: Emitter, x: number, p: Parameters): number;
  /** where the error below holds */
  domain: readonly [number, number];
  /** largest error, to the encoded input: absolute, or relative where that allows more; 0 is exact */
  error: { absolute: number; relative?: number };
  /** what comes beyond the domain */
  beyond: string;
}

/** What a written tensor may hold, and what the coarse comparisons of a windowed function do. */
const RANGE = [-16384, 16384] as const;
const WINDOW = [-2032, 2032] as const;
const wrong = 'reported where it is watched, else undefined';
const above = 'reported where it is watched, else between 2^14 and 2^15 above';
const refused = 'undefined; a write beyond it is refused';

const exact = { domain: RANGE, error: { absolute: 0 }, beyond: refused };

/** Every elementwise function, by its name in a graph. */
export const elementwise: Readonly<Record<ElementwiseOp, Elementwise>> = {
  neg: { emit: (e, x) => e.negate(x), ...exact },
  erf: { emit: (e, x) => windowed(e, x, fits.erf), domain: WINDOW, error: { absolute: 4e-5 }, beyond: wrong },
  tanh: { emit: (e, x) => windowed(e, x, fits.tanh), domain: WINDOW, error: { absolute: 7.5e-5 }, beyond: wrong },
  sigmoid: { emit: (e, x) => windowed(e, x, fits.sigmoid), domain: WINDOW, error: { absolute: 5e-5 }, beyond: wrong },
  silu: { emit: (e, x) => windowed(e, x, fits.silu), domain: WINDOW, error: { absolute: 3.5e-5 }, beyond: wrong },
  softplus: {
    emit: (e, x) => windowed(e, x, fits.softplus),
    domain: WINDOW,
    error: { absolute: 2.5e-5 },
    beyond: wrong,
  },
  sin: { emit: (e, x) => sin(e, x), domain: RANGE, error: { absolute: 1e-6 }, beyond: refused },
  cos: { emit: (e, x) => cos(e, x), domain: RANGE, error: { absolute: 1e-6 }, beyond: refused },
  exp: { emit: (e, x) => exp(e, x), domain: [-16384, 9.7], error: { absolute: 5e-7, relative: 2e-6 }, beyond: above },
  expm1: {
    emit: (e, x) => e.addConstant(exp(e, x), -1),
    domain: [-16384, 9.7],
    error: { absolute: 4e-6, relative: 3e-6 },
    beyond: above,
  },
  elu: { emit: (e, x) => elu(e, x), domain: RANGE, error: { absolute: 2e-6 }, beyond: refused },
  selu: {
    emit: (e, x) => elu(e, x, SELU.alpha, SELU.scale),
    domain: RANGE,
    error: { absolute: 5e-6, relative: 1e-6 },
    beyond: refused,
  },
  log: { emit: (e, x) => log(e, x), domain: [2 ** -16, 2 ** 20], error: { absolute: 3e-7 }, beyond: wrong },
  log1p: {
    emit: (e, x) => log(e, e.addConstant(x, 1)),
    domain: [2 ** -16 - 1, 2 ** 14],
    error: { absolute: 3e-7 },
    beyond: wrong,
  },
  sqrt: { emit: (e, x) => sqrt(e, x), domain: [0, 2 ** 20], error: { absolute: 0, relative: 7e-7 }, beyond: wrong },
  rsqrt: {
    emit: (e, x) => rsqrt(e, x),
    domain: [2 ** -12, 2 ** 20],
    error: { absolute: 0, relative: 7e-7 },
    beyond: wrong,
  },
  reciprocal: {
    emit: (e, x) => reciprocal(e, x),
    domain: [2 ** -12, 2 ** 20],
    error: { absolute: 0, relative: 7e-7 },
    beyond: `${wrong} (negative values down to −16384 have a longer form)`,
  },
  relu: {
    emit: (e, x, { plus = 0, scores }) =>
      scores === 1 ? reluPower(e, x, 1, plus, true) : relu(e, e.addConstant(x, plus)),
    ...exact,
  },
  relu2: {
    emit: (e, x, { plus, scores }) => reluPower(e, x, 2, plus, scores === 1),
    domain: [-16384, 127.9],
    error: { absolute: 2 ** -16 },
    beyond: wrong,
  },
  relu4: {
    emit: (e, x, { plus, scores }) => reluPower(e, x, 4, plus, scores === 1),
    domain: [-16384, 127.9],
    error: { absolute: 1.3e-4, relative: 4e-5 },
    beyond: wrong,
  },
  relu6: { emit: (e, x) => clip(e, x, 0, 6), ...exact },
  leakyRelu: {
    emit: (e, x, { alpha }) => belowZero(e, x, 1 - alpha!),
    domain: RANGE,
    error: { absolute: 0, relative: 1e-6 },
    beyond: refused,
  },
  abs: { emit: (e, x) => belowZero(e, x, 2), ...exact },
  sign: { emit: (e, x) => sign(e, x), ...exact },
  clip: {
    emit: (e, x, { low, high }) => clip(e, x, low!, high!),
    domain: RANGE,
    error: { absolute: 2 ** -16 },
    beyond: refused,
  },
  floor: { emit: (e, x) => floor(e, x), ...exact },
  ceil: { emit: (e, x) => ceil(e, x), ...exact },
  round: { emit: (e, x) => round(e, x), ...exact },
  less: { emit: (e, x, { than }) => lessConstant(e, x, than!), ...exact },
  atMost: { emit: (e, x, { than }) => atMost(e, x, than!), ...exact },
  equal: { emit: (e, x, { to }) => equalTo(e, x, to!), ...exact },
};

/** The protocol that a suite has for an operation of the table. */
export function elementwiseOf(
  suite: { elementwise: Readonly<Record<string, Elementwise>> },
  op: string,
): Elementwise | undefined {
  return Object.hasOwn(suite.elementwise, op) ? suite.elementwise[op] : undefined;
}
