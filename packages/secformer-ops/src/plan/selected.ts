import type { Graph, GraphNode } from '../graph/graph.js';

/** Functions that select their result by comparisons: of a difference they need all that it can reach. */
export const SELECTING: ReadonlySet<string> = new Set(['relu', 'relu6', 'leakyRelu', 'abs', 'clip', 'elu', 'selu', 'floor', 'ceil', 'round']);

const ALSO = new Set(['prelu', 'max', 'argMax']);
const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'pick', 'concat', 'broadcast', 'neg']);

/**
 * Differences that something selects by, with nothing but views and public factors between: products of which they are
 * made have to be truncated first where they have no bit to spare for what the difference can reach.
 */
export function selectedDifferences({ nodes }: Graph): Set<number> {
  const passes = (n: GraphNode) => VIEWS.has(n.op) || ((n.op === 'mul' || n.op === 'div') && n.in.some((i) => nodes[i]!.op === 'constant'));
  const reached = nodes.map(() => false);
  const found = new Set<number>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    if (reached[i] && n.op === 'sub') found.add(i);
    if (SELECTING.has(n.op) || ALSO.has(n.op) || (reached[i] && passes(n))) for (const x of n.in) reached[x] = true;
  }
  return found;
}
