import { stridesOf } from '@secformer/ring';
import { strided } from '../program/reals.js';
import { type Shape, sizeOf } from '../program/types.js';
import { functionOf } from './functions.js';
import type { Graph, GraphNode } from './graph.js';
import { allOf, among, beforeReshape, cover, type Part, type Places, placesOf, samePart, shapeOf, within } from './places.js';

/** What a node is made of itself, for what others read of it, and what it reads of its operands for that. */
interface Need {
  made: Part;
  read: Part[];
}

const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'pick', 'concat', 'broadcast']);

/**
 * The graph that computes no more than its outputs need. A classifier reads one token's state of BERT's last layer: then the queries, the attention, the dense layers and GeLU of all
 * others are left out there, while keys and values are of all tokens. A node is made in a part of its places on every axis; whoever needs fewer takes a slice, which is free.
 * What comes from outside is left whole where it is multiplied, for its opening is kept from run to run. What is left out follows from the graph, which is public.
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

function rebuilt({ nodes, outputs }: Graph, needs: (Need | undefined)[]): { graph: Graph; origin: number[] } {
  const fewer: GraphNode[] = [];
  const origin: number[] = [];
  const places = new Map<number, number>();
  const slices = new Map<string, number>();
  const push = (node: GraphNode, i: number) => {
    origin.push(i);
    return fewer.push(node) - 1;
  };
  /** Of node i, what was made, or a slice of it */
  const take = (i: number, part: Part): number => {
    const { made } = needs[i]!;
    if (samePart(part, made)) return places.get(i)!;
    const of = part.map((p, axis) => within(p, made[axis]!));
    const key = JSON.stringify([i, of]);
    const known = slices.get(key);
    if (known !== undefined) return known;
    const at = push(sliceOf(nodes[i]!, places.get(i)!, of, made), i);
    slices.set(key, at);
    return at;
  };
  nodes.forEach((node, i) => {
    const need = needs[i];
    if (!need) return;
    const ins = node.in.map((x, at) => take(x, need.read[at]!));
    places.set(i, node.op === 'slice' ? ins[0]! : push({ ...node, in: ins, shape: shapeOf(need.made) }, i));
  });
  return { graph: { nodes: fewer, outputs: outputs.map((o) => take(o, allOf(nodes[o]!.shape))) }, origin };
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
  for (const n of nodes) fixed.push(n.op === 'input' || n.op === 'oneHot' || (VIEWS.has(n.op) && n.in.every((i) => fixed[i]!)));
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
      return multiplied(part, shapes, fixed);
    case 'quad':
      return multiplied(withLast(part, x), shapes, fixed);
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
      return { made: part, read: [part.map((p, i) => among(p, placesOf(node.begin[i]!, node.strides?.[i] ?? 1, node.shape[i]!)))] };
    case 'sum':
      return { made: part, read: [part.map((p, i) => (node.axes.includes(i) ? allOf(x)[i]! : p))] };
    case 'concat': {
      const { axis } = node;
      const along = (shape: Shape) => part.map((p, i) => (i === axis ? allOf(shape)[i]! : p));
      return { made: along(node.shape), read: shapes.map(along) };
    }
    default:
      return { made: allOf(node.shape), read: shapes.map(allOf) };
  }
}

/** With all places of the last axis, that of an operand of shape `x`. */
function withLast(part: Part, x: Shape): Places[] {
  return [...part.slice(0, -1), ...allOf(x.slice(-1))];
}

/** What of an operand is spread over a part of the result. */
function spread(shape: Shape, part: Part): Places[] {
  const more = part.length - shape.length;
  return shape.map((d, i) => (d === 1 ? placesOf(0, 1, 1) : part[i + more]!));
}

/** Does an operand that is left whole differ from place to place of this axis of a result of `rank` axes? */
function differs(shape: Shape, rank: number, axis: number): boolean {
  return (shape[axis - rank + shape.length] ?? 1) > 1;
}

/** All places of the axes along which an operand is left whole. */
function wholeAlong(part: Part, shapes: Shape[], fixed: boolean[]): Places[] {
  return part.map((p, axis) => {
    const whole = shapes.find((s, i) => fixed[i] && differs(s, part.length, axis));
    return whole ? placesOf(0, 1, whole[axis - part.length + whole.length]!) : p;
  });
}

function multiplied(part: Part, shapes: Shape[], fixed: boolean[]): Need {
  const made = wholeAlong(part, shapes, fixed);
  return { made, read: shapes.map((s) => spread(s, made)) };
}

function product(node: GraphNode & { op: 'matMul' }, part: Part, shapes: Shape[], fixed: boolean[]): Need {
  const [a, b] = shapes as [Shape, Shape];
  const batch = wholeAlong(
    part.slice(0, -2),
    shapes.map((s) => s.slice(0, -2)),
    fixed,
  );
  const [depth, height] = node.transposeA ? [a.at(-2)!, a.at(-1)!] : [a.at(-1)!, a.at(-2)!];
  const width = node.shape.at(-1)!;
  const rows = fixed[0] ? placesOf(0, 1, height) : part.at(-2)!;
  const columns = fixed[1] ? placesOf(0, 1, width) : part.at(-1)!;
  const inner = placesOf(0, 1, depth);
  return {
    made: [...batch, rows, columns],
    read: [
      [...spread(a.slice(0, -2), batch), ...(node.transposeA ? [inner, rows] : [rows, inner])],
      [...spread(b.slice(0, -2), batch), ...(node.transposeB ? [columns, inner] : [inner, columns])],
    ],
  };
}
