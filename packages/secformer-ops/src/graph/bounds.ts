import type { Graph, GraphNode } from './graph.js';

/** Least and largest value that a node can have. */
export type Bounds = readonly [number, number];

const SAME = new Set(['reshape', 'transpose', 'slice', 'view', 'broadcast', 'max']);
const BITS = new Set(['less', 'atMost', 'equal', 'oneHot', 'oneHotOf']);
/** What the protocols of real functions may be beside their range, with room. */
const ERROR = 2 ** -8;
const ROUNDED = new Set(['floor', 'ceil', 'round']);

/** What is known of every node's values by what it is made of, such as that a place of a maximum is one of its row. */
export function boundsOf({ nodes }: Graph): (Bounds | undefined)[] {
  const bounds: (Bounds | undefined)[] = [];
  for (const node of nodes)
    bounds.push(
      bound(
        node,
        node.in.map((i) => bounds[i]),
        node.in[0] === undefined ? [] : nodes[node.in[0]]!.shape,
      ),
    );
  return bounds;
}

const hull = (...values: number[]): Bounds => [Math.min(...values), Math.max(...values)];

function product(x: Bounds, y: Bounds): Bounds {
  const [low, high] = hull(x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1]);
  return [...x, ...y].every(Number.isInteger) ? [low, high] : [low - ERROR, high + ERROR];
}

function bound(node: GraphNode, ins: (Bounds | undefined)[], shape: readonly number[]): Bounds | undefined {
  const [x, y] = ins;
  if (BITS.has(node.op)) return [0, 1];
  if (node.op === 'sigmoid' || node.op === 'softmax') return [-ERROR, 1 + ERROR];
  if (SAME.has(node.op)) return x;
  switch (node.op) {
    case 'constant':
      return node.values.reduce<Bounds>(
        ([low, high], v) => [Math.min(low, v), Math.max(high, v)],
        [Infinity, -Infinity],
      );
    case 'argMax':
      return [0, shape.at(-1)! - 1];
    case 'topK':
      return node.index ? [0, shape.at(-1)! - 1] : x;
    case 'sign':
      return [-1, 1];
    case 'concat':
      return ins.every((b) => b !== undefined) ? hull(...ins.flat()) : undefined;
    case 'pick':
      return x && hull(0, ...x);
    case 'clip': {
      const { low, high } = node as unknown as { low: number; high: number };
      return [Math.min(high, Math.max(low, x?.[0] ?? low)), Math.max(low, Math.min(high, x?.[1] ?? high))];
    }
    case 'neg':
      return x && [-x[1], -x[0]];
    case 'relu':
      return x && [Math.max(0, x[0]), Math.max(0, x[1])];
    case 'add':
      return x && y && [x[0] + y[0], x[1] + y[1]];
    case 'sub':
      return x && y && [x[0] - y[1], x[1] - y[0]];
    case 'mul':
      return x && y && product(x, y);
    default:
      return ROUNDED.has(node.op) && x ? [Math.floor(x[0]), Math.ceil(x[1])] : undefined;
  }
}
