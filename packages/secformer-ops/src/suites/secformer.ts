import { intervals, plane } from '../compose/bits.js';
import { elementwise } from '../compose/elementwise.js';
import type { Emitter } from '../compose/emitter.js';
import { FRAC_BITS } from '../compose/formats.js';
import { centred, from, polynomial, scaled, scaledSquares, squared, timesRest } from '../compose/iterate.js';
import { geluOf, momentsOf, normalRow, quadRow } from '../graph/functions.js';
import { inRange } from './crypten.js';
import { QUAD_CONSTANT, type Suite } from './suite.js';

/** The paper's sine series of erf(u) on |u| < 1.7, period 20. */
const BETA = [1.25772, -0.0299154, 0.382155, -0.0519123, 0.196033, -0.0624557, 0.118029];
const EDGE = 1.7;
/** ±1.7 in u on the grid of the comparison: 615/256 in x. */
const EDGE_UNITS = Math.floor(EDGE * Math.SQRT2 * 256);

/**
 * GeLU = x/2·(1 + erf(x/√2)), erf −1 below −1.7, 1 above, the series between. The thresholds ±1.7 are ±2.4042 in x,
 * compared at 2^−8; the period 20 in x/√2 does not divide the ring, so T prepares two sets of tables (`trigReal`).
 * Domain |x| < 2045. Error 0.0195, the series' own. Cost 11.6 bytes each way an element, 5 rounds. Source SecFormer,
 * section 3.2.1.
 */
function gelu(e: Emitter, x: number): number {
  const opened = e.lifted(e.truncated(e.share(x).fracBits < FRAC_BITS ? e.atScale(x, FRAC_BITS) : x));
  const series = e.emit('trigReal', [opened], {
    period: 20 * Math.SQRT2,
    constantTerm: 1,
    coefficients: BETA.map((b) => [0, b]),
    seriesBits: 18,
    bits: 40,
    magnitude: 2,
  });
  const inside = e.emit('open', [series], {
    shift: 36 - FRAC_BITS,
    width: 20,
    offsetLog: FRAC_BITS - 1,
    share: 'lift',
    bits: 64,
    within: [-0.5, 3.5],
  });
  const bits = intervals(e, opened, 8, Math.min(20, e.opened(opened).width - 8), [-EDGE_UNITS, EDGE_UNITS], 1, 2);
  // 1 + erf: 0, the series, or 2
  const top = e.scale(e.emit('bitValue', [plane(e, bits, 1)], { bits: 64 }), 2);
  const gate = e.add(e.emit('bitMultiply', [plane(e, bits, 0), inside]), top);
  const half = e.times(opened, e.factor(gate), e.opened(opened).magnitude + 1);
  return e.reinterpret(half, e.share(half).fracBits + 1, e.share(half).magnitude - 1);
}

function geluFormula(x: number): number {
  const u = x / Math.SQRT2;
  const inner = BETA.reduce((s, b, k) => s + b * Math.sin(((k + 1) * Math.PI * u) / 10), 0);
  return (x / 2) * (1 + (x < -EDGE_UNITS / 256 ? -1 : x < EDGE_UNITS / 256 ? inner : 1));
}

const DIVISION = { deflation: 5000, steps: 13, bits: 28 } as const;
const ROOT = { deflation: 2000, steps: 11, bits: 26 } as const;

/** η of a row: the paper's 5000 holds Σ(s + c)² < 10,000, which rows of more than 128 leave; it grows with them. */
export const deflation = (width: number): number => DIVISION.deflation * Math.ceil(width / 128);

/**
 * 2Quad by Goldschmidt's division: q ← Σp/η, p ← p/η; thirteen times m = 2 − q, p ← p·m, q ← q·m.
 * Domain Σ(s + c)² in [0.01η, 1.98η]. Error 1e-5. Cost 4 bytes each way an element and step, 15 rounds. Source
 * SecFormer, section 3.2.2.
 */
function quad(e: Emitter, x: number, c: number, mask?: number): number {
  const shifted = e.addConstant(x, c);
  const { shape } = e.share(x);
  let weights = e.truncated(e.emit('square', [e.factor(shifted)], { magnitude: 22 }), FRAC_BITS);
  if (mask !== undefined) weights = e.truncated(e.mul(weights, e.broadcast(mask, e.share(x).shape)));
  const eta = deflation(shape.at(-1)!);
  const total = e.sum(weights, [shape.length - 1]);
  let q = scaled(
    e,
    e.reinterpret(total, FRAC_BITS, 14 + Math.ceil(Math.log2(eta / DIVISION.deflation))),
    1 / eta,
    DIVISION.bits,
  );
  let p = scaled(e, e.reinterpret(weights, FRAC_BITS, 14), 1 / eta, DIVISION.bits);
  for (let i = 0; i < DIVISION.steps; i++) {
    p = timesRest(e, p, 2, q, 2, DIVISION.bits);
    if (i < DIVISION.steps - 1) q = timesRest(e, q, 2, q, 2, DIVISION.bits);
  }
  return p;
}

/**
 * (x − mean)/√(var + ε) by Goldschmidt's root: q ← var/η, p ← 1; eleven times m = (3 − q)/2, p ← p·m, q ← q·m².
 * Domain variance 10 to 3,000 to 0.4 %; 7 % at 0.5, useless below 0.1. Cost 26 rounds. Source SecFormer, section 3.2.3.
 */
function layerNorm(e: Emitter, x: number, epsilon: number): number {
  const { difference, squares } = centred(e, x);
  const n = e.share(difference).shape.at(-1)!;
  const eta = ROOT.deflation;
  let q = e.addConstant(scaledSquares(e, squares, 1 / (n * eta), ROOT.bits), epsilon / eta);
  let p: number | undefined;
  for (let i = 0; i < ROOT.steps; i++) {
    // m = (3 − q)/2 is never formed: 2pm = 3p − pq, 4qm² = 9q − 6q² + q·q²
    p = p === undefined ? e.scale(from(e, 3, q), 0.5) : timesRest(e, p, 3, q, 9, ROOT.bits, 1);
    if (i === ROOT.steps - 1) break;
    const terms = [
      { by: 9, of: [q] },
      { by: -6, of: [q, q] },
      { by: 1, of: [q, squared(e, q, 3, ROOT.bits)] },
    ] as const;
    q = polynomial(e, terms, 5, ROOT.bits, 2);
  }
  return e.times(e.factor(difference), e.factor(scaled(e, p!, 1 / Math.sqrt(eta), 20), 20), 8);
}

function layerNormFormula(row: Float64Array, epsilon: number): Float64Array {
  const { mean, variance } = momentsOf(row);
  let [q, p] = [(variance + epsilon) / ROOT.deflation, 1];
  for (let i = 0; i < ROOT.steps; i++) {
    const m = (3 - q) / 2;
    p *= m;
    q *= m * m;
  }
  return row.map((v) => ((v - mean) * p) / Math.sqrt(ROOT.deflation));
}

/** SecFormer as printed (Luo et al., ACL Findings 2024). */
export const secformer: Suite = {
  name: 'secformer',
  about: 'SecFormer as printed: sine series, 2Quad and norm by Goldschmidt',
  quadratic: true,
  replaces: ['softmax'],
  softmax: (e, x) => quad(e, x, QUAD_CONSTANT),
  quad,
  gelu,
  layerNorm,
  elementwise,
  functions: { gelu: geluOf, softmax: (row) => quadRow(row, QUAD_CONSTANT), layerNorm: normalRow },
  formulas: { gelu: geluFormula, softmax: (row) => quadRow(row, QUAD_CONSTANT), layerNorm: layerNormFormula },
  holds: {
    layerNorm: inRange(5, 3000),
    softmax(row) {
      const total = row.reduce((s, v) => s + (v + QUAD_CONSTANT) ** 2, 0);
      return total >= 0.01 * deflation(row.length) && total <= 1.98 * deflation(row.length);
    },
  },
  remark: (op, width) =>
    op === 'softmax' && width > 128
      ? `deflation η = ${deflation(width)} for rows of ${width}, the paper's 5000 holds rows of up to 128`
      : undefined,
};
