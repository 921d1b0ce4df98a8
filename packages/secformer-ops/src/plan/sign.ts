import type { Graph } from '../graph/graph.js';

const ALWAYS = new Set([
  'exp',
  'sigmoid',
  'softplus',
  'relu',
  'relu2',
  'relu4',
  'relu6',
  'abs',
  'sqrt',
  'rsqrt',
  'square',
  'softmax',
  'quad',
  'oneHot',
  'oneHotOf',
  'less',
  'atMost',
  'equal',
  'argMax',
]);
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
  const left = [at];
  const seen = new Set(left);
  for (let i = left.pop(); i !== undefined; i = left.pop()) {
    const node = graph.nodes[i]!;
    if (node.op === 'constant') {
      if (node.values.some((v) => !(v >= 0))) return false;
      continue;
    }
    if (ALWAYS.has(node.op) || (node.op === 'mul' && node.in[0] === node.in[1])) continue;
    if (!INHERITED.has(node.op)) return false;
    for (const x of node.in) {
      if (seen.has(x)) continue;
      seen.add(x);
      left.push(x);
    }
  }
  return true;
}
