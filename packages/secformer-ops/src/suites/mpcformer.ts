import { elementwise } from '../compose/elementwise.js';
import type { Emitter } from '../compose/emitter.js';
import { newtonReciprocal, newtonReciprocalOf, product } from '../compose/iterate.js';
import { relu } from '../compose/piecewise.js';
import { normalRow, quadRow } from '../graph/functions.js';
import { cryptenNorm, cryptenNormFormula, inRange } from './crypten.js';
import { QUAD_CONSTANT, type Suite } from './suite.js';

/** Added to each weight of 2ReLU, so that a row without a positive score has a sum. */
const RELU_FLOOR = 2 ** -6;

const quadGelu = (x: number) => 0.125 * x * x + 0.25 * x + 0.5;

/** 0.125x² + 0.25x + 0.5: one square, the rest is local. Domain |x| < 350. Exact. */
function gelu(e: Emitter, x: number): number {
  const v = e.truncated(x);
  const square = e.emit('square', [e.factor(v)], { magnitude: 17 });
  const total = e.addConstant(e.add(e.scale(square, 0.125), e.scale(v, 0.25)), 0.5);
  return e.reinterpret(total, e.share(total).fracBits, 14);
}

/**
 * p/Σp by Newton's reciprocal of the row's mean weight, for CrypTen's start value reaches 500 and a sum does not stay
 * below that.
 */
function divided(e: Emitter, weights: number): number {
  const { shape } = e.share(weights);
  const last = shape.length - 1;
  const mean = e.truncated(e.scale(e.sum(weights, [last]), 1 / shape[last]!));
  const inverse = newtonReciprocal(e, e.reinterpret(mean, 16, 9));
  return product(e, weights, e.truncated(e.scale(inverse, 1 / shape[last]!), 24), 1);
}

/** Domain mean of (s + c)² from 0.05 to 500. */
function quad(e: Emitter, x: number, c: number, mask?: number): number {
  let weights = e.truncated(e.emit('square', [e.factor(e.addConstant(x, c))], { magnitude: 22 }));
  if (mask !== undefined) weights = e.truncated(e.mul(weights, e.broadcast(mask, e.share(x).shape)));
  return divided(e, e.reinterpret(weights, 16, 14));
}

const dividedOf = (p: Float64Array) => {
  const inverse = newtonReciprocalOf(p.reduce((a, b) => a + b, 0) / p.length) / p.length;
  return p.map((v) => v * inverse);
};

const holds = (mean: (row: Float64Array) => number) => (row: Float64Array) => mean(row) >= 0.05 && mean(row) <= 500;
const mean = (row: Float64Array) => row.reduce((a, b) => a + b, 0) / row.length;

/** MPCFormer (Li et al., ICLR 2023) on these primitives, with 2Quad. */
export const mpcformer: Suite = {
  name: 'mpcformer',
  about: "MPCFormer: Quad for GeLU, 2Quad by Newton's reciprocal, CrypTen's norm",
  quadratic: true,
  replaces: ['softmax', 'gelu'],
  softmax: (e, x) => quad(e, x, QUAD_CONSTANT),
  quad,
  gelu,
  layerNorm: cryptenNorm,
  elementwise,
  functions: { gelu: quadGelu, softmax: (row) => quadRow(row, QUAD_CONSTANT), layerNorm: normalRow },
  formulas: {
    gelu: quadGelu,
    softmax: (row) => dividedOf(row.map((v) => (v + QUAD_CONSTANT) ** 2)),
    layerNorm: cryptenNormFormula,
  },
  ranges: { gelu: [-350, 350] },
  holds: { softmax: holds((row) => mean(row.map((v) => (v + QUAD_CONSTANT) ** 2))), layerNorm: inRange(0.1, 170) },
  remark: (op) => (op === 'softmax' ? "Newton's reciprocal is of the row's mean weight" : undefined),
};

const reluWeights = (row: Float64Array) => row.map((v) => Math.max(0, v) + RELU_FLOOR);

/** MPCFormer with 2ReLU: relu(s)/Σrelu(s). */
export const mpcformer2Relu: Suite = {
  ...mpcformer,
  name: 'mpcformer-2relu',
  about: 'MPCFormer with 2ReLU in the place of softmax',
  quadratic: false,
  // No score, up to 1023, has a weight below this
  maskFloor: -1024,
  shiftable: false,
  softmax: (e, x) => divided(e, e.addConstant(relu(e, e.truncated(x)), RELU_FLOOR)),
  functions: {
    ...mpcformer.functions,
    softmax: (row) => reluWeights(row).map((v, _, all) => v / all.reduce((a, b) => a + b, 0)),
  },
  formulas: { ...mpcformer.formulas, softmax: (row) => dividedOf(reluWeights(row)) },
  holds: { ...mpcformer.holds, softmax: holds((row) => mean(reluWeights(row))) },
};
