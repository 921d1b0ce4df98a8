import { MAGNITUDE } from '../compose/formats.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { NARROW } from './constants.js';

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

/**
 * log2 of the room that a sum needs for an operation that takes less than the default range: functions with a domain of
 * their own and LayerNorm, whose rows are meant to, and products, whose operands are opened at the width that they
 * claim.
 */
const ROOM: Readonly<Record<string, number>> = {
  ...Object.fromEntries([...Object.keys(NARROW), 'quad', 'layerNorm'].map((op) => [op, 11])),
  ...Object.fromEntries(['matMul', 'mul', 'square'].map((op) => [op, 12])),
};

/** Of scores whose powers are weights: these take less than 2^7, and are told from more up to four times that. */
const SCORES_ROOM = 9;

function roomOf(n: GraphNode): number | undefined {
  return 'scores' in n && n.scores === 1 ? SCORES_ROOM : ROOM[n.op];
}

/** The same of each sum whose room all that takes it says, with views, sums and larger scales between. */
export function roomOfSums({ nodes, outputs }: Graph): Map<GraphNode, number> {
  const needed = nodes.map(() => 0);
  for (const i of outputs) needed[i] = MAGNITUDE;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    const factors = n.in.flatMap((x) => {
      const operand = nodes[x]!;
      return operand.op === 'constant' ? operand.values : [];
    });
    const scales = (n.op === 'mul' || n.op === 'div') && factors.length > 0;
    // A factor below 1 may bring a large value into a domain
    const grows = scales && n.op === 'mul' && factors.every((v) => Math.abs(v) >= 1);
    const carries = VIEWS.has(n.op) || n.op === 'add' || n.op === 'sub' || grows;
    const takes = carries ? needed[i]! : scales ? 0 : roomOf(n);
    for (const x of n.in) needed[x] = Math.max(needed[x]!, takes || MAGNITUDE);
  }
  const sums = nodes.flatMap((n, i) => (n.op === 'add' || n.op === 'sub' ? [[n, needed[i]!] as const] : []));
  return new Map(sums.filter(([, room]) => room > 0 && room < MAGNITUDE));
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
