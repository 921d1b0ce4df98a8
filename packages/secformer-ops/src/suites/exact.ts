import { elementwise } from '../compose/elementwise.js';
import { layerNorm } from '../compose/layer-norm.js';
import { QUAD_SUM, quadScoreBits, quadSoftmax } from '../compose/quad.js';
import { exactSoftmax, scoreBits } from '../compose/softmax.js';
import { gelu } from '../compose/windowed.js';
import { geluOf, normalRow, quadRow, softmaxRow } from '../graph/functions.js';
import { QUAD_CONSTANT, type Suite } from './suite.js';

/** Every function to the last bits that 16 fractional bits can show. */
export const exact: Suite = {
  name: 'exact',
  about: 'ours, every function as the model has it',
  quadratic: false,
  softmax: exactSoftmax,
  scoreBits: { softmax: scoreBits, quad: quadScoreBits },
  quad: quadSoftmax,
  gelu,
  layerNorm,
  takesCentred: true,
  takesFewerBits: true,
  elementwise,
  functions: { gelu: geluOf, softmax: softmaxRow, layerNorm: normalRow },
  formulas: { gelu: geluOf, softmax: softmaxRow, layerNorm: normalRow },
};

const quadFunctions = { ...exact.functions, softmax: (row: Float64Array) => quadRow(row, QUAD_CONSTANT) };

/** As `exact`, with 2Quad for softmax: for models trained or distilled with it. */
export const fast: Suite = {
  ...exact,
  name: 'fast',
  about: 'ours, 2Quad in the place of softmax',
  quadratic: true,
  replaces: ['softmax'],
  scoreBits: { softmax: quadScoreBits, quad: quadScoreBits },
  softmax: (e, x, _, carried) => quadSoftmax(e, x, QUAD_CONSTANT, undefined, carried),
  functions: quadFunctions,
  formulas: quadFunctions,
  holds: {
    softmax(row) {
      const total = row.reduce((s, v) => s + (v + QUAD_CONSTANT) ** 2, 0);
      return total >= QUAD_SUM.low && total < QUAD_SUM.high;
    },
  },
};
