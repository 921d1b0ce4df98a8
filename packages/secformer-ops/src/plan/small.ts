import type { SmallFunction } from '../compose/small.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import { sizeOf } from '../instruction/types.js';
import { notNegative } from './sign.js';

/** A node as what is larger of core·factor + plus and `least`, seen through views that keep or repeat elements. */
export interface Offset {
  core: number;
  factor: number;
  plus: number;
  least: number;
  /** of how many squares each value of the core is the sum; 0 if it is none */
  squares: number;
  /** the views on the way, the innermost first */
  views: GraphNode[];
}

const PLAIN = (core: number): Offset => ({ core, factor: 1, plus: 0, least: 0, squares: 0, views: [] });

/** The one number that a node holds everywhere. */
function scalarOf({ nodes }: Graph, i: number): number | undefined {
  const n = nodes[i]!;
  if (n.op === 'broadcast' || n.op === 'reshape') return scalarOf({ nodes, outputs: [] }, n.in[0]!);
  if (n.op !== 'constant' || n.values.length === 0) return undefined;
  const first = n.values[0]!;
  return n.values.every((v) => v === first) ? first : undefined;
}

/** The operand and the number of max(x, c) = relu(x − c) + c, or relu(c − x) + x. */
function maximumOf(graph: Graph, i: number): { x: number; c: number } | undefined {
  const { nodes } = graph;
  const n = nodes[i]!;
  if (n.op === 'clip') return Number(n.high) >= 2 ** 20 ? { x: n.in[0]!, c: Number(n.low) } : undefined;
  if (n.op !== 'add') return undefined;
  for (const [a, b] of [n.in, [...n.in].reverse()] as [number, number][]) {
    const gap = nodes[a]!.op === 'relu' && !('plus' in nodes[a]!) ? nodes[nodes[a]!.in[0]!]! : undefined;
    if (gap?.op !== 'sub') continue;
    const [x, y] = gap.in as [number, number];
    const [cx, cy, cb] = [scalarOf(graph, x), scalarOf(graph, y), scalarOf(graph, b)];
    if (cy !== undefined && cy === cb) return { x, c: cy };
    if (cx !== undefined && y === b) return { x: y, c: cx };
  }
  return undefined;
}

/**
 * Takes a positive operand apart, down to what has to be computed.
 * @param factors whether a public factor is taken apart too
 */
function offsetOf(graph: Graph, at: number, factors: boolean): Offset {
  const { nodes } = graph;
  const found = PLAIN(at);
  const inner = (i: number, of: GraphNode) => sizeOf(nodes[i]!.shape) === sizeOf(of.shape);
  for (;;) {
    const node = nodes[found.core]!;
    const [a, b] = node.in as [number, number?];
    if (node.op === 'reshape' || node.op === 'broadcast' || node.op === 'transpose') {
      found.views.unshift(node);
      found.core = a;
      continue;
    }
    const most = found.plus === 0 && found.least === 0 ? maximumOf(graph, found.core) : undefined;
    if (most && most.c > 0 && inner(most.x, node)) {
      found.least = most.c * found.factor;
      found.core = most.x;
      continue;
    }
    if (b === undefined) return found;
    const [ca, cb] = [scalarOf(graph, a), scalarOf(graph, b)];
    const c = cb ?? ca;
    const x = cb !== undefined ? a : b;
    if (c === undefined || (ca !== undefined && cb !== undefined) || nodes[x]!.shape.join() !== node.shape.join())
      return found;
    if (node.op === 'add' && c >= 0) found.plus += c * found.factor;
    else if (factors && node.op === 'mul' && c > 0) found.factor *= c;
    else if (factors && node.op === 'div' && cb !== undefined && c > 0) found.factor /= c;
    else return found;
    found.core = x;
  }
}

/** Of how many squares a value is the sum, which then has 32 fractional bits; 0 if it is none. */
function squaresIn({ nodes }: Graph, i: number): number {
  let at = nodes[i]!;
  while (at.op === 'sum' || at.op === 'reshape') at = nodes[at.in[0]!]!;
  const squared = at.op === 'square' || (at.op === 'mul' && at.in[0] === at.in[1]);
  return squared ? Math.max(1, sizeOf(at.shape) / sizeOf(nodes[i]!.shape)) : 0;
}

/** An ε from which 16 fractional bits hold it to 1/2,000. */
const COARSE_EPSILON = 2 ** -6;

/**
 * The operand of a function of positive values that may be smaller than 16 fractional bits can tell, or none where
 * these do: a sum of squares that has not been truncated yet, or one with an ε that they would change. 1/√ stands for
 * the reciprocal of a root.
 */
export function smallOperand(
  graph: Graph,
  op: string,
  at: number,
): { kind: SmallFunction; offset: Offset } | undefined {
  const needs = (kind: SmallFunction, offset: Offset) => {
    const constant = Math.max(offset.plus, offset.least);
    const squares = squaresIn(graph, offset.core);
    return constant >= COARSE_EPSILON || (constant === 0 && squares === 0)
      ? undefined
      : { kind, offset: { ...offset, squares } };
  };
  if (op === 'rsqrt' || op === 'sqrt' || op === 'log') return needs(op, offsetOf(graph, at, true));
  if (op !== 'reciprocal') return undefined;
  const root = rootOf(graph, at);
  if (root) return needs('rsqrt', root);
  return notNegative(graph, at) ? needs('reciprocal', offsetOf(graph, at, false)) : undefined;
}

/** √ under views and a least value: √(what is larger of core·factor + plus and least²). */
function rootOf(graph: Graph, at: number): Offset | undefined {
  const outer = offsetOf(graph, at, false);
  const root = graph.nodes[outer.core]!;
  if (root.op !== 'sqrt') return undefined;
  const inside = offsetOf(graph, root.in[0]!, true);
  // ε beside a norm that has 16 fractional bits at most matters where that is 0
  const least = Math.max(outer.least, outer.plus) ** 2;
  return { ...inside, least: Math.max(inside.least, least), views: [...inside.views, ...outer.views] };
}
