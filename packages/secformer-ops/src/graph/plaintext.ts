import { stridesOf } from '@secformer/ring';
import {
  binaryReals,
  broadcastReals,
  byRow,
  matMulReals,
  runningSums,
  strided,
  sumAxes,
} from '../instruction/reals.js';
import { type Shape, sizeOf } from '../instruction/types.js';
import { functionOf, geluOf, normalRow, quadRow, softmaxRow } from './functions.js';
import { type Graph, type GraphNode, parametersOf } from './graph.js';

/** What a secret node stands for, in floating point: the interpreter every protocol is compared with. */
export function evaluateGraph(graph: Graph, inputs: readonly Float64Array[]): Float64Array[] {
  const values = evaluateNodes(graph, inputs);
  return graph.outputs.map((o) => values[o]!);
}

/** Every node's value, by its number. */
/** Value of a node, given those of its operands. */
export function evaluateNodes(graph: Graph, inputs: readonly Float64Array[]): Float64Array[] {
  const values: Float64Array[] = [];
  const shapeOf = (i: number) => graph.nodes[i]!.shape;
  graph.nodes.forEach((node) => {
    values.push(
      evaluateNode(
        node,
        node.in.map((i) => values[i]!),
        node.in.map(shapeOf),
        inputs,
      ),
    );
  });
  return values;
}

const binary: Record<string, (x: number, y: number) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  prelu: (x, y) => Math.max(0, x) + y * Math.min(0, x),
};

/** Value of a node, given those of its operands. */
export function evaluateNode(
  node: GraphNode,
  ins: Float64Array[],
  shapes: Shape[],
  inputs: readonly Float64Array[],
): Float64Array {
  const x = ins[0] as Float64Array;
  const width = shapes[0]?.at(-1) ?? 1;
  const simple = functionOf(node.op);
  if (simple) return x.map((v) => simple.plain(v, parametersOf(node)));
  if (node.op === 'square') return x.map((v) => v * v);
  if (node.op in binary) {
    return binaryReals(ins, shapes, node.shape, binary[node.op]!);
  }
  switch (node.op) {
    case 'input':
      return inputs[node.slot]!;
    case 'oneHot': {
      const out = new Float64Array(sizeOf(node.shape));
      inputs[node.slot]!.forEach((index, i) => {
        out[i * node.depth + index] = 1;
      });
      return out;
    }
    case 'oneHotOf': {
      const out = new Float64Array(sizeOf(node.shape));
      x.forEach((index, i) => {
        if (index >= 0 && index < node.depth) out[i * node.depth + index] = 1;
      });
      return out;
    }
    case 'constant':
      return Float64Array.from(node.values);
    case 'reshape':
      return x;
    case 'transpose': {
      const strides = stridesOf(shapes[0]!);
      return strided(
        x,
        node.shape,
        node.perm.map((p) => strides[p]!),
      );
    }
    case 'slice': {
      const strides = stridesOf(shapes[0]!);
      const offset = node.begin.reduce((s, b, i) => s + b * strides[i]!, 0);
      return strided(
        x,
        node.shape,
        strides.map((s, i) => s * (node.strides?.[i] ?? 1)),
        offset,
      );
    }
    case 'view':
      return strided(x, node.shape, node.strides, node.offset);
    case 'pick':
      return Float64Array.from(node.indices, (i) => (i < 0 ? 0 : x[i]!));
    case 'broadcast':
      return broadcastReals(x, shapes[0]!, node.shape);
    case 'concat': {
      const outer = sizeOf(node.shape.slice(0, node.axis));
      const parts = ins.map((v) => ({ v, run: v.length / outer }));
      const out: number[] = [];
      for (let o = 0; o < outer; o++) for (const { v, run } of parts) out.push(...v.subarray(o * run, (o + 1) * run));
      return Float64Array.from(out);
    }
    case 'sum':
      return sumAxes(x, shapes[0]!, node.axes);
    case 'cumSum':
      return byRow(x, width, (row) => runningSums(row, node));
    case 'matMul':
      return matMulReals(ins, shapes, node.transposeA, node.transposeB);
    case 'gelu':
      return x.map((v) => geluOf(v, node.form));
    case 'softmax':
      return byRow(x, width, softmaxRow);
    case 'logSoftmax':
      return byRow(x, width, (row) => {
        const top = Math.max(...row);
        const total = Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
        return row.map((v) => v - top - total);
      });
    case 'topK':
      return byRow(x, width, (row) => {
        const order = Array.from(row, (_, i) => i).sort((i, j) => row[j]! - row[i]! || i - j);
        return order.slice(0, node.k).map((i) => (node.index ? i : row[i]!));
      });
    case 'quad': {
      const mask = ins[1] && broadcastReals(ins[1], shapes[1]!, node.shape);
      const scores = ins[2] ? binaryReals([x, ins[2]], [shapes[0]!, shapes[2]!], node.shape, binary.add!) : x;
      return byRow(scores, width, (row, i) => quadRow(row, node.c, mask?.subarray(i * width, (i + 1) * width)));
    }
    case 'layerNorm':
      return byRow(x, width, (row) => normalRow(row, node.epsilon));
    case 'max':
      return byRow(x, width, (row) => [Math.max(...row)]);
    case 'argMax':
      return byRow(x, width, (row) => [row.indexOf(Math.max(...row))]);
    default:
      throw new Error(`no plaintext for ${node.op}`);
  }
}
