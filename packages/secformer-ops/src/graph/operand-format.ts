/** The formats of what matrix products take, of which a graph names one. */

/** Fractional bits of an encoded tensor. */
export const FRAC_BITS = 16;
/**
 * Fractional bits of weights that a gain is folded into: three more than others, for a gain below 1 makes them smaller
 * and their operand larger. A product modulo 2^48 then still holds ±2^11.
 */
export const FOLDED_BITS = 19;
/**
 * The same of weights less the mean of their rows: two more than others, for weights that were half-precision numbers
 * lie on a grid of their own until their mean is taken from them.
 */
const CENTRED_BITS = 18;

/** Fractional bits of each kind of operand. */
export interface OperandFormat {
  /** of every operand that has none of its own below */
  bits: number;
  /** of queries and keys, whose product a softmax takes */
  query: number;
  /** of the values that attention weighs */
  value: number;
  /** of weights that a gain is folded into, and of those less their rows' mean */
  folded: number;
  centred: number;
  /** of 2Quad's scores before they are squared */
  score: number;
  /** of the weights of a softmax before they are divided by their sum */
  weight: number;
  /** of what is weighed, before it is divided by the weights' sum */
  context: number;
  /** of GeLU's argument and its series */
  activation: number;
  /** log2 of what products and sums of such operands have to hold, where nothing narrower is known of them */
  room: number;
}

const usual = { query: 16, value: 16, score: 16, weight: 20, context: 16, activation: 16, room: 14 };

/**
 * By the bits that most operands have. Of the 13, queries and keys are felt least, and weights most, which all rows
 * meet: hence their bits (docs/protocols.md, section 3).
 */
export const OPERAND_FORMATS = {
  16: { bits: FRAC_BITS, ...usual, folded: FOLDED_BITS, centred: CENTRED_BITS },
  13: {
    bits: 13,
    query: 11,
    value: 12,
    score: 13,
    weight: 18,
    context: 14,
    activation: 13,
    folded: 17,
    centred: 17,
    room: 12,
  },
} as const satisfies Record<number, OperandFormat>;

/** A format of operands, by the fractional bits that most of them have. */
export type OperandBits = keyof typeof OPERAND_FORMATS;
