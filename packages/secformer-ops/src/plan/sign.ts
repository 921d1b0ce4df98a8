import type { Graph } from '../graph/graph.js';

const ALWAYS = new Set(['exp', 'sigmoid', 'softplus', 'relu', 'relu6', 'abs', 'sqrt', 'rsqrt', 'square', 'softmax', 'quad', 'oneHot', 'less', 'atMost', 'equal', 'argMax']);
/** Not negative if none of the operands is. */
const INHERITED = new Set([
  'add',
  'mul',
  'div',
  'sum',
  'cumSum',
  'reshape',
  'transpose',
  'slice',
  'view',
  'pick',
  'concat',
  'broadcast',
  'max',
  'topK',
  'reciprocal',
  'matMul',
  'floor',
  'ceil',
  'round',
]);

/** Can a node's values be negative, by what it is computed from? Then a division needs its sign, which costs rounds. */
export function notNegative(graph: Graph, at: number): boolean {
  const node = graph.nodes[at]!;
  if (node.op === 'constant') return node.values.every((v) => v >= 0);
  if (ALWAYS.has(node.op)) return true;
  if (node.op === 'mul' && node.in[0] === node.in[1]) return true;
  return INHERITED.has(node.op) && node.in.every((i) => notNegative(graph, i));
}
