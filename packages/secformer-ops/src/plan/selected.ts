import type { Graph, GraphNode } from '../graph/graph.js';

/** Functions that select their result by comparisons: of a difference they need all that it can reach. */
export const SELECTING: ReadonlySet<string> = new Set([
  'relu',
  'relu6',
  'leakyRelu',
  'abs',
  'clip',
  'elu',
  'selu',
  'floor',
  'ceil',
  'round',
]);

const ALSO = new Set(['prelu', 'max', 'argMax']);
const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'pick', 'concat', 'broadcast', 'neg']);

/**
 * Differences that something selects by, with nothing but views and public factors between: products of which they are
 * made have to be truncated first where they have no bit to spare for what the difference can reach.
 */
export function selectedDifferences(graph: Graph): Set<number> {
  const { nodes } = graph;
  const passes = (n: GraphNode) =>
    VIEWS.has(n.op) || ((n.op === 'mul' || n.op === 'div') && n.in.some((i) => nodes[i]!.op === 'constant'));
  const reached = nodes.map(() => false);
  const found = new Set<number>(selections(graph).values());
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    if (reached[i] && n.op === 'sub') found.add(i);
    if (SELECTING.has(n.op) || ALSO.has(n.op) || (reached[i] && passes(n))) for (const x of n.in) reached[x] = true;
  }
  return found;
}

/** Functions that hold operands of less than 2^11, and nothing beyond. */
const NARROW = new Set(['softmax', 'logSoftmax', 'quad', 'gelu', 'erf', 'tanh', 'sigmoid', 'silu', 'softplus']);

/** Sums that nothing else takes than functions that hold less than the default range. */
export function narrowSums({ nodes, outputs }: Graph): Set<GraphNode> {
  const used = nodes.map(() => false);
  const wide = nodes.map(() => false);
  for (const i of outputs) wide[i] = true;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    // A factor below 1 may bring a wide value into the domain
    const factors = n.in.flatMap((x) => {
      const operand = nodes[x]!;
      return operand.op === 'constant' ? operand.values : [];
    });
    const scales = n.op === 'mul' && factors.length > 0 && factors.every((v) => Math.abs(v) >= 1);
    const carries = (VIEWS.has(n.op) || n.op === 'add' || n.op === 'sub' || scales) && used[i] && !wide[i];
    for (const [place, x] of n.in.entries()) {
      used[x] = true;
      if (!carries && !(NARROW.has(n.op) && place === 0)) wide[x] = true;
    }
  }
  return new Set(nodes.filter((n, i) => (n.op === 'add' || n.op === 'sub') && used[i] && !wide[i]));
}

/** Products c·(t − e) of what is e + c·(t − e), a selection by a bit, and the difference that each of them takes. */
export function selections({ nodes }: Graph): Map<number, number> {
  const found = new Map<number, number>();
  for (const n of nodes) {
    if (n.op !== 'add') continue;
    for (const [e, product] of [n.in, [...n.in].reverse()] as [number, number][]) {
      if (nodes[product]!.op !== 'mul') continue;
      const difference = nodes[product]!.in.find((i) => nodes[i]!.op === 'sub' && nodes[i]!.in[1] === e);
      if (difference !== undefined) found.set(product, difference);
    }
  }
  return found;
}
