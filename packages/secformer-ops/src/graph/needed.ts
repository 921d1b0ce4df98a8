import { stridesOf } from '@secformer/ring';
import { strided } from '../instruction/reals.js';
import { type Shape, sizeOf } from '../instruction/types.js';
import { functionOf } from './functions.js';
import type { Graph, GraphNode } from './graph.js';
import {
  allOf,
  among,
  beforeReshape,
  cover,
  type Part,
  type Places,
  placesOf,
  samePart,
  shapeOf,
  within,
} from './places.js';

/** What a node is made of itself, for what others read of it, and what it reads of its operands for that. */
interface Need {
  made: Part;
  read: Part[];
}

const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'pick', 'concat', 'broadcast']);

/**
 * The graph that computes no more than its outputs need. A classifier reads one token's state of BERT's last layer:
 * then the queries, the attention, the dense layers and GeLU of all others are left out there, while keys and values
 * are of all tokens. A node is made in a part of its places on every axis; whoever needs fewer takes a slice, which is
 * free.
 * What comes from outside is left whole where it is multiplied, for its opening is kept from run to run. What is left
 * out follows from the graph, which is public.
 * @returns the graph, and for each of its nodes the node that it is, or is a part of
 */
export function needed(graph: Graph): { graph: Graph; origin: number[] } {
  const { nodes, outputs } = graph;
  const same = { graph, origin: nodes.map((_, i) => i) };
  if (nodes.some((n) => sizeOf(n.shape) === 0)) return same;
  const fixed = fixedNodes(nodes);
  const read: (Part | undefined)[] = nodes.map(() => undefined);
  const needs: (Need | undefined)[] = nodes.map(() => undefined);
  const reads = (i: number, part: Part) => {
    const before = read[i];
    read[i] = before ? part.map((p, axis) => cover(p, before[axis]!)) : part;
  };
  for (const o of outputs) reads(o, allOf(nodes[o]!.shape));
  let less = false;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const part = read[i];
    if (!part) continue;
    const node = nodes[i]!;
    const need = needOf(
      node,
      part,
      node.in.map((x) => nodes[x]!.shape),
      node.in.map((x) => fixed[x]!),
    );
    needs[i] = need;
    less ||= !samePart(need.made, allOf(node.shape));
    node.in.forEach((x, at) => {
      reads(x, need.read[at]!);
    });
  }
  return less ? rebuilt(graph, needs) : same;
}

function rebuilt({ nodes, outputs, ...rest }: Graph, needs: (Need | undefined)[]): { graph: Graph; origin: number[] } {
  const fewer: GraphNode[] = [];
  const origin: number[] = [];
  const places = new Map<number, number>();
  const push = (node: GraphNode, i: number) => {
    origin.push(i);
    return fewer.push(node) - 1;
  };
  /** Of node i, what was made, or a slice of it; equal ones become one instruction */
  const take = (i: number, part: Part): number => {
    const { made } = needs[i]!;
    if (samePart(part, made)) return places.get(i)!;
    const of = part.map((p, axis) => within(p, made[axis]!));
    return push(sliceOf(nodes[i]!, places.get(i)!, of, made), i);
  };
  nodes.forEach((node, i) => {
    const need = needs[i];
    if (!need) return;
    const ins = node.in.map((x, at) => take(x, need.read[at]!));
    places.set(i, node.op === 'slice' ? ins[0]! : push({ ...node, in: ins, shape: shapeOf(need.made) }, i));
  });
  return { graph: { ...rest, nodes: fewer, outputs: outputs.map((o) => take(o, allOf(nodes[o]!.shape))) }, origin };
}

/** A part of what was made of a node; a constant stays one. */
function sliceOf(node: GraphNode, at: number, part: Part, made: Part): GraphNode {
  const shape = shapeOf(part);
  const [begin, strides] = [part.map((p) => p.begin), part.map((p) => p.step)];
  if (node.op !== 'constant') return { op: 'slice', begin, strides, in: [at], shape };
  const steps = stridesOf(shapeOf(made));
  const offset = steps.reduce((sum, step, axis) => sum + step * begin[axis]!, 0);
  const values = strided(
    Float64Array.from(node.values),
    shape,
    steps.map((step, axis) => step * strides[axis]!),
    offset,
  );
  return { op: 'constant', values: [...values], in: [], shape };
}

/** Which nodes are, or are views of, what comes from outside. */
function fixedNodes(nodes: readonly GraphNode[]): boolean[] {
  const fixed: boolean[] = [];
  for (const n of nodes)
    fixed.push(n.op === 'input' || n.op === 'oneHot' || (VIEWS.has(n.op) && n.in.every((i) => fixed[i]!)));
  return fixed;
}

function needOf(node: GraphNode, part: Part, shapes: Shape[], fixed: boolean[]): Need {
  const x = shapes[0]!;
  if (functionOf(node.op)) return { made: part, read: [part] };
  switch (node.op) {
    case 'square':
    case 'gelu':
      return { made: part, read: [part] };
    case 'add':
    case 'sub':
    case 'broadcast':
      return { made: part, read: shapes.map((s) => spread(s, part)) };
    case 'mul':
    case 'div':
    case 'prelu':
      return multiplied(node, part, shapes, fixed);
    case 'quad':
      return multiplied(node, withLast(part, x), shapes, fixed);
    case 'softmax':
    case 'logSoftmax':
    case 'layerNorm':
    case 'cumSum': {
      const rows = withLast(part, x);
      return { made: rows, read: [rows] };
    }
    case 'max':
    case 'argMax':
      return { made: part, read: [withLast(part, x)] };
    case 'oneHotOf': {
      const rows = withLast(part, node.shape);
      return { made: rows, read: [rows.slice(0, -1)] };
    }
    case 'topK':
      return { made: withLast(part, node.shape), read: [withLast(part, x)] };
    case 'matMul':
      return product(node, part, shapes, fixed);
    case 'reshape': {
      const { made, before } = beforeReshape(part, x, node.shape);
      return { made, read: [before] };
    }
    case 'transpose': {
      const before: Places[] = [];
      for (const [i, axis] of node.perm.entries()) before[axis] = part[i]!;
      return { made: part, read: [before] };
    }
    case 'slice':
      return {
        made: part,
        read: [part.map((p, i) => among(p, placesOf(node.begin[i]!, node.strides?.[i] ?? 1, node.shape[i]!)))],
      };
    case 'sum':
      return { made: part, read: [withAll(part, x, node.axes)] };
    case 'concat': {
      const along = (shape: Shape) => withAll(part, shape, [node.axis]);
      return { made: along(node.shape), read: shapes.map(along) };
    }
    default:
      return { made: allOf(node.shape), read: shapes.map(allOf) };
  }
}

/** With all places that a shape has on some axes. */
function withAll(part: Part, shape: Shape, axes: readonly number[]): Places[] {
  const all = allOf(shape);
  return part.map((p, axis) => (axes.includes(axis) ? all[axis]! : p));
}

function withLast(part: Part, shape: Shape): Places[] {
  return withAll(part, shape, [shape.length - 1]);
}

/** What of an operand is spread over a part of the result. */
function spread(shape: Shape, part: Part): Places[] {
  const more = part.length - shape.length;
  return shape.map((d, i) => (d === 1 ? placesOf(0, 1, 1) : part[i + more]!));
}

/** With all places of the axes along which an operand that is left whole differs from place to place. */
function wholeAlong(part: Part, result: Shape, shapes: Shape[], fixed: boolean[]): Places[] {
  const differs = (shape: Shape, axis: number) => (shape[axis - part.length + shape.length] ?? 1) > 1;
  const axes = part.flatMap((_, axis) => (shapes.some((s, i) => fixed[i] && differs(s, axis)) ? [axis] : []));
  return withAll(part, result, axes);
}

function multiplied(node: GraphNode, part: Part, shapes: Shape[], fixed: boolean[]): Need {
  const made = wholeAlong(part, node.shape, shapes, fixed);
  return { made, read: shapes.map((s) => spread(s, made)) };
}

function product(node: GraphNode & { op: 'matMul' }, part: Part, shapes: Shape[], fixed: boolean[]): Need {
  const [a, b] = shapes.map((s): Shape => s.slice(0, -2)) as [Shape, Shape];
  const batch = wholeAlong(part.slice(0, -2), node.shape.slice(0, -2), [a, b], fixed);
  const whole = allOf(node.shape);
  const rows = (fixed[0] ? whole : part).at(-2)!;
  const columns = (fixed[1] ? whole : part).at(-1)!;
  const inner = allOf(shapes[0]!).at(node.transposeA ? -2 : -1)!;
  return {
    made: [...batch, rows, columns],
    read: [
      [...spread(a, batch), ...(node.transposeA ? [inner, rows] : [rows, inner])],
      [...spread(b, batch), ...(node.transposeB ? [columns, inner] : [inner, columns])],
    ],
  };
}
