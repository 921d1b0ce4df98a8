/** Products of matrices that are scores of attention: it reads them at their own scale, if they have the bits. */
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

/** What becomes of a product that is scores. */
export interface Scores {
  /** how many fractional bits it has by then beyond those of its operands */
  finer: number;
  by: 'softmax' | 'quad';
}

/**
 * Products that a softmax or a 2Quad takes, with sums, views and powers of two between. A factor of 2^−3 is no
 * instruction, but three bits of the scale.
 */
export function scoreProducts({ nodes }: Graph): Map<GraphNode, Scores> {
  const found = new Map<GraphNode, Scores>();
  const reached = new Map<number, Scores>();
  const reach = (x: number, to: Scores) => {
    const before = reached.get(x);
    // What both take is made for a softmax, which reads more of it
    const by = before?.by === 'softmax' ? before.by : to.by;
    reached.set(x, { finer: Math.max(before?.finer ?? 0, to.finer), by });
  };
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    if (n.op === 'softmax' || n.op === 'quad') {
      // Beside the scores of a 2Quad are its mask and its bias
      reach(n.in[0]!, { finer: 0, by: n.op });
      continue;
    }
    const to = reached.get(i);
    if (to === undefined) continue;
    if (n.op === 'matMul') {
      found.set(n, to);
      continue;
    }
    const shift = shiftOf(n, nodes);
    const carries = n.op === 'add' || n.op === 'sub' || VIEWS.has(n.op) || shift !== undefined;
    if (carries) for (const x of n.in) reach(x, { ...to, finer: to.finer - (shift ?? 0) });
  }
  return found;
}
