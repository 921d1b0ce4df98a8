/** Products of matrices that are scores of a softmax: it reads them at their own scale, if they have the bits. */
import type { Graph, GraphNode } from '../graph/graph.js';

const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'broadcast']);

/** log2 of the public factor of a node that multiplies by one power of two, if it does. */
function shiftOf(node: GraphNode, nodes: readonly GraphNode[]): number | undefined {
  if (node.op !== 'mul' && node.op !== 'div') return undefined;
  const factors = node.in.flatMap((i) => {
    const operand = nodes[i]!;
    return operand.op === 'constant' ? [operand.values] : [];
  });
  const [values] = factors;
  if (factors.length !== 1 || values?.length !== 1 || !(values[0]! > 0)) return undefined;
  const log = Math.log2(values[0]!);
  if (!Number.isInteger(log)) return undefined;
  return node.op === 'mul' ? log : -log;
}

/**
 * Of each product that a softmax takes, with sums, views and powers of two between: how many fractional bits it has by
 * then beyond those of its operands. A factor of 2^−3 is no instruction, but three bits of the scale.
 */
export function scoreProducts({ nodes }: Graph): Map<GraphNode, number> {
  const found = new Map<GraphNode, number>();
  const reached = new Map<number, number>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    const more = n.op === 'softmax' ? 0 : reached.get(i);
    if (more === undefined) continue;
    if (n.op === 'matMul') {
      found.set(n, more);
      continue;
    }
    const shift = shiftOf(n, nodes);
    const carries = n.op === 'softmax' || n.op === 'add' || n.op === 'sub' || VIEWS.has(n.op) || shift !== undefined;
    if (carries) for (const x of n.in) reached.set(x, Math.max(reached.get(x) ?? 0, more - (shift ?? 0)));
  }
  return found;
}
