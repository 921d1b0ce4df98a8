import { check, type Shape, sizeOf } from '../instruction/types.js';
import { type ElementwiseOp, functionOf, type Parameters } from './functions.js';
import { OPERAND_FORMATS, type OperandBits } from './operand-format.js';

/**
 * A graph of logical operations on secret tensors, in the order of their evaluation: what was recorded and rewritten,
 * before any protocol is chosen. `in` names earlier nodes. Shapes are those of TensorFlow.js.
 */
export type GraphNode = { in: number[]; shape: Shape } & (
  | { op: 'input'; slot: number /** encoded with so many fractional bits; 16 if absent */; fracBits?: number }
  | { op: 'oneHot'; slot: number; depth: number }
  | { op: 'oneHotOf' /** a secret whole number: a row of zeros where it is none of 0 to depth − 1 */; depth: number }
  | { op: 'constant'; values: number[] }
  | ({ op: ElementwiseOp } & { [parameter: string]: unknown })
  | { op: 'add' | 'sub' | 'mul' | 'div' | 'prelu' | 'square' | 'reshape' | 'logSoftmax' }
  | { op: 'softmax' /** for a network of long round trips */; fewRounds?: boolean }
  | {
      op: 'matMul';
      transposeA: boolean;
      transposeB: boolean;
      /** its left operand is weights of attention, whose sums are 1 or so: they need more fractional bits */
      weighs?: boolean;
    }
  | { op: 'transpose'; perm: number[] }
  | { op: 'slice'; begin: number[]; strides?: number[] }
  | { op: 'view'; strides: number[]; offset: number }
  | { op: 'pick' /** places of the operand, row by row; −1 for a zero */; indices: number[] }
  | { op: 'concat'; axis: number }
  | { op: 'broadcast' }
  | {
      op: 'sum';
      axes: number[] /** it is meant to stay in the range of its operand, as of rows of a norm */;
      small?: boolean;
    }
  | { op: 'gelu'; form: 'erf' | 'tanh' }
  | {
      op: 'quad' /** of scores, perhaps a mask of zeros and ones, perhaps a bias that is 0 wherever the mask is */;
      c: number;
    }
  | { op: 'layerNorm'; epsilon: number /** its rows are less their mean already */; centred?: boolean }
  | { op: 'max' | 'argMax' }
  | { op: 'topK'; k: number; index: boolean }
  | { op: 'cumSum'; exclusive: boolean; reverse: boolean }
);

/** Nodes in the order of their evaluation, and the numbers of those that somebody reads. */
export interface Graph {
  nodes: GraphNode[];
  outputs: number[];
  /** fractional bits of most operands of matrix products; 16 if absent */
  operandBits?: OperandBits;
}

/** Checks the numbering of a graph and that shapes hold together where an operation keeps the number of elements. */
export function checkGraph({ nodes, outputs, operandBits = 16 }: Graph): void {
  check(Object.hasOwn(OPERAND_FORMATS, operandBits), () => `operands of ${operandBits} bits; there are 16 and 13`);
  nodes.forEach((n, i) => {
    for (const x of n.in) check(x < i, () => `node ${i} (${n.op}) uses node ${x}, which comes later`);
    if (n.op === 'reshape' || n.op === 'transpose') {
      check(
        sizeOf(n.shape) === sizeOf(nodes[n.in[0]!]!.shape),
        () => `node ${i}: ${n.op} of [${nodes[n.in[0]!]!.shape}] to [${n.shape}]`,
      );
    }
  });
  for (const o of outputs) check(o < nodes.length, () => `output ${o} is not a node`);
}

/** The public numbers of an elementwise node, those it leaves out as the table has them. */
export function parametersOf(node: GraphNode): Parameters {
  const wanted = functionOf(node.op)?.parameters ?? {};
  const given = node as unknown as Record<string, number | undefined>;
  return Object.fromEntries(Object.entries(wanted).map(([name, usual]) => [name, given[name] ?? usual]));
}
