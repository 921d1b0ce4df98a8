/** Elementwise functions, and values that a watched one never reports and those that it always does. */
import { divide, type Emitter, elementwise, gelu, ofSmall, reciprocal, relu } from '../src/index.js';

export type Compose = (e: Emitter, x: number) => number;

export interface Case {
  compose: Compose;
  /** never reported */
  within: number[];
  /** reported always */
  beyond: number[];
}

export const UNIT = 2 ** -16;
const unary =
  (op: keyof typeof elementwise): Compose =>
  (e, x) =>
    elementwise[op].emit(e, x, {});
/** A share that is no tensor of the session: of those every bit is opened. */
export const computed =
  (of: Compose): Compose =>
  (e, x) =>
    of(e, e.emit('affine', [x], { scale: '1', offset: '0', fracBits: 16, bits: 64, magnitude: 14 }));

const windowed = {
  within: [-2048, -2047, -5, 0, 4.5, 2032, 2047.9],
  beyond: [-16384, -12000, -4096 - UNIT, 4096, 5000, 8191, 8192, 16000, 16384],
};
export const cases: Record<string, Case> = {
  gelu: { compose: (e, x) => gelu(e, x), ...windowed },
  tanh: { compose: unary('tanh'), ...windowed },
  sigmoid: { compose: unary('sigmoid'), ...windowed },
  softplus: { compose: unary('softplus'), ...windowed },
  exp: { compose: unary('exp'), within: [-16384, -20, 0, 9, 9.7, 9.89], beyond: [10.4, 12, 100, 16384] },
  log: { compose: unary('log'), within: [UNIT, 1, 16384], beyond: [0, -UNIT, -1, -16384] },
  sqrt: { compose: unary('sqrt'), within: [-(2 ** -10), 0, UNIT, 4, 16384], beyond: [-(2 ** -10) - UNIT, -1, -16384] },
  rsqrt: { compose: unary('rsqrt'), within: [2 ** -12, 1, 16384], beyond: [0, 2 ** -12 - UNIT, -1, -16384] },
  // v is nothing but rounding there: up to 4 units a value, to the nearest octave
  'inverse root of a sum of four squares, with an ε': {
    compose: (e, x) =>
      ofSmall(e, 'rsqrt', { v: e.scale(e.square(x), 4), factor: 0.25, plus: 1e-12, least: 0, squares: 4 }),
    within: [0, 7 * UNIT, -7 * UNIT, 0.01, -3, 500],
    beyond: [UNIT, -UNIT, 2 * UNIT, 3 * UNIT],
  },
  'inverse root of a square, with an ε that hides rounding': {
    compose: (e, x) => ofSmall(e, 'rsqrt', { v: e.square(x), factor: 1, plus: 1e-5, least: 0, squares: 1 }),
    within: [0, UNIT, 2 * UNIT, 0.01, -3, 500],
    beyond: [],
  },
  'inverse root of a square and nothing else': {
    compose: (e, x) => ofSmall(e, 'rsqrt', { v: e.square(x), factor: 1, plus: 0, least: 0, squares: 1 }),
    within: [4 * UNIT, -4 * UNIT, 0.01, -3, 500],
    beyond: [0, UNIT, -3 * UNIT],
  },
  // Right to the encoded value, however small that is
  'reciprocal of a value with an ε': {
    compose: (e, x) => ofSmall(e, 'reciprocal', { v: x, factor: 1, plus: 1e-8, least: 0 }),
    within: [0, UNIT, 8 * UNIT, 0.01, 3, 500],
    beyond: [],
  },
  'reciprocal of a positive number': {
    compose: (e, x) => reciprocal(e, x),
    within: [2 ** -12, 1, 16384],
    beyond: [0, 2 ** -12 - UNIT, -1],
  },
  'reciprocal of either sign': {
    compose: (e, x) => reciprocal(e, x, false),
    within: [-16384, -1, -(2 ** -12), 2 ** -12, 1, 16384],
    beyond: [-(2 ** -12) + UNIT, -UNIT, 0, 2 ** -12 - UNIT],
  },
  division: {
    compose: (e, x) => divide(e, e.addConstant(x, 1), x, false),
    within: [-16384, -(2 ** -12), 1],
    beyond: [0, UNIT],
  },
  'a comparison, and what it selects': {
    compose: (e, x) => relu(e, e.reinterpret(e.times64(x, 2), 16, 14)),
    within: [-8192, 0, 8192],
    beyond: [-16384, -12288 - UNIT, 12288, 16384],
  },
};
