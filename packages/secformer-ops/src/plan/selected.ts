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

/** Functions that hold operands of less than 2^11, and LayerNorm, whose rows are meant to. */
const NARROW = new Set([
  'softmax',
  'logSoftmax',
  'quad',
  'gelu',
  'erf',
  'tanh',
  'sigmoid',
  'silu',
  'softplus',
  'layerNorm',
]);
/** Products, whose operands are opened at the width of what they claim. */
const PRODUCTS = new Set([...NARROW, 'matMul', 'mul', 'square']);

/** log2 of the room that a sum needs, where nothing takes it but what holds less than the default range. */
export function roomOfSums(graph: Graph): Map<GraphNode, number> {
  const room = new Map<GraphNode, number>();
  for (const n of sumsFor(graph, PRODUCTS)) room.set(n, 12);
  for (const n of sumsFor(graph, NARROW)) room.set(n, 11);
  return room;
}

/** Sums that only these take, with views, sums and larger scales between. */
function sumsFor({ nodes, outputs }: Graph, operations: ReadonlySet<string>): GraphNode[] {
  const used = nodes.map(() => false);
  const others = nodes.map(() => false);
  for (const i of outputs) others[i] = true;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    const factors = n.in.flatMap((x) => {
      const operand = nodes[x]!;
      return operand.op === 'constant' ? operand.values : [];
    });
    // A factor below 1 may bring a large value into a domain
    const scales = (n.op === 'mul' || n.op === 'div') && factors.length > 0;
    const grows = n.op === 'mul' && factors.every((v) => Math.abs(v) >= 1);
    const carries = (VIEWS.has(n.op) || n.op === 'add' || n.op === 'sub' || (scales && grows)) && used[i] && !others[i];
    const takes = operations.has(n.op) && !scales;
    for (const x of n.in) {
      used[x] = true;
      if (!carries && !takes) others[x] = true;
    }
  }
  return nodes.filter((n, i) => (n.op === 'add' || n.op === 'sub') && used[i] && !others[i]);
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
