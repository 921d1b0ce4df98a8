import type { Elementwise } from '../compose/elementwise.js';
import type { Emitter } from '../compose/emitter.js';
import type { Unnormalised } from '../compose/softmax.js';
import type { ElementwiseOp } from '../graph/functions.js';

/** The constant of 2Quad, as SecFormer and MPCFormer have it. */
export const QUAD_CONSTANT = 5;

/** Which protocol stands for which logical operation, and the real functions behind it. */
export interface Suite {
  name: string;
  /** one line for people: whose protocols these are */
  about: string;
  /** softmax is replaced by 2Quad, so that an additive mask has to become a factor */
  quadratic: boolean;
  /**
   * functions that are others than their names say, which a model is trained with: nobody computes the named ones for
   * it
   */
  replaces?: readonly ('softmax' | 'gelu')[];
  /**
   * attention weights over the last axis: probabilities, or numerators whose division is still to come
   * @param fewRounds in fewer rounds, if the suite knows how, for more bytes of the dealer and more comparisons
   * @param carried a public tensor multiplies their product with V next
   */
  softmax(e: Emitter, x: number, fewRounds?: boolean, carried?: boolean): number | Unnormalised;
  /**
   * modulus, in bits, of scores at so many fractional bits that `softmax` or `quad` reads them from as they are; where
   * it is absent, they are products like any other
   */
  scoreBits?: Readonly<Record<'softmax' | 'quad', (fracBits: number) => number>>;
  /**
   * (s + c)²/Σ(s + c)², with a mask of zeros and ones as a factor if given
   * @param mask of a shape that broadcasts to that of x
   */
  quad(e: Emitter, x: number, c: number, mask?: number, carried?: boolean): number | Unnormalised;
  /** GeLU of a share, as the model writes it or as the suite replaces it */
  gelu(e: Emitter, x: number, form: 'erf' | 'tanh'): number;
  /**
   * (x − mean)/√(variance + ε) over the last axis of a share
   * @param centred the mean is 0 but for rounding
   * @param carried a public tensor multiplies it next, which has room for 33 fractional bits
   */
  layerNorm(e: Emitter, x: number, epsilon: number, centred?: boolean, carried?: boolean): number;
  /** layerNorm costs less where the mean is 0; absent where it is the same */
  takesCentred?: boolean;
  /** its protocols take operands of fewer than 16 fractional bits: a graph's `operandBits` */
  takesFewerBits?: boolean;
  elementwise: Readonly<Record<ElementwiseOp, Elementwise>>;
  /** the functions meant: the model's own, or what the system puts in their place (Quad, 2Quad, the tanh form) */
  functions: RealFunctions;
  /** the same with the system's approximations, in floating point: what its protocols are tested against */
  formulas: RealFunctions;
  /** an additive mask is clamped to this before softmax; −800 if absent */
  maskFloor?: number;
  /** whether a number added to all scores of a row changes nothing, as in softmax; true if absent */
  shiftable?: boolean;
  /** inputs where an approximation converges, if not everywhere */
  holds?: Partial<Record<'softmax' | 'layerNorm', (row: Float64Array) => boolean>>;
  /** inputs that GeLU holds where it is not ±2,032: a calibration beyond them is refused */
  ranges?: { gelu?: [number, number] };
  /** what differs from the printed protocol for rows of this width, for the record */
  remark?(op: string, width: number): string | undefined;
}

/** GeLU, the weights of softmax, and (x − mean)/√(var + ε) of a row. */
export interface RealFunctions {
  /** GeLU of x */
  gelu(x: number): number;
  /** the attention weights of a row of scores */
  softmax(row: Float64Array): Float64Array;
  /** a row less its mean, over the root of variance + epsilon */
  layerNorm(row: Float64Array, epsilon: number): Float64Array;
}
