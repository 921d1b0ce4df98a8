import { check, type Shape, sizeOf } from '../program/types.js';

/**
 * A graph of logical operations on secret tensors, in the order of their evaluation: what was recorded and rewritten, before any protocol is
 * chosen. `in` names earlier nodes. Shapes are those of TensorFlow.js.
 */
export type GraphNode = { in: number[]; shape: Shape } & (
  | { op: 'input'; slot: number /** encoded with so many fractional bits; 16 if absent */; fracBits?: number }
  | { op: 'oneHot'; slot: number; depth: number }
  | { op: 'constant'; values: number[] }
  | { op: 'add' | 'sub' | 'mul' | 'div' | 'neg' | 'square' | 'reciprocal' | 'rsqrt' | 'sqrt' | 'tanh' | 'erf' | 'relu' | 'reshape' | 'softmax' }
  | { op: 'matMul'; transposeA: boolean; transposeB: boolean }
  | { op: 'transpose'; perm: number[] }
  | { op: 'slice'; begin: number[]; strides?: number[] }
  | { op: 'concat'; axis: number }
  | { op: 'broadcast' }
  | { op: 'sum'; axes: number[] }
  | { op: 'gelu'; form: 'erf' | 'tanh' }
  | { op: 'quad'; c: number }
  | { op: 'layerNorm'; epsilon: number }
  | { op: 'max' | 'argMax' }
  | { op: 'less'; than: number }
);

export interface Graph {
  nodes: GraphNode[];
  outputs: number[];
}

/** Checks the numbering of a graph and that shapes hold together where an operation keeps the number of elements. */
export function checkGraph({ nodes, outputs }: Graph): void {
  nodes.forEach((n, i) => {
    for (const x of n.in) check(x < i, () => `node ${i} (${n.op}) uses node ${x}, which comes later`);
    if (n.op === 'reshape' || n.op === 'transpose') {
      check(sizeOf(n.shape) === sizeOf(nodes[n.in[0]!]!.shape), () => `node ${i}: ${n.op} of [${nodes[n.in[0]!]!.shape}] to [${n.shape}]`);
    }
  });
  for (const o of outputs) check(o < nodes.length, () => `output ${o} is not a node`);
}
