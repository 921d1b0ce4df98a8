import { broadcastStrides, stridesOf } from '@secformer/ring';
import { type Shape, sizeOf } from '../program/types.js';
import type { Graph, GraphNode } from './graph.js';

/** What a secret node stands for, in floating point: the interpreter every protocol is compared with. */
export function evaluateGraph(graph: Graph, inputs: readonly Float64Array[]): Float64Array[] {
  const values: Float64Array[] = [];
  const shapeOf = (i: number) => graph.nodes[i]!.shape;
  graph.nodes.forEach((node) => {
    values.push(
      evaluate(
        node,
        node.in.map((i) => values[i]!),
        node.in.map(shapeOf),
        inputs,
      ),
    );
  });
  return graph.outputs.map((o) => values[o]!);
}

/** Abramowitz and Stegun 7.1.5 below 3 and the continued fraction 7.1.14 above: to double precision. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [term, sum] = [a, a];
    for (let n = 1; n < 80; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let f = 0;
  for (let k = 60; k >= 1; k--) f = k / 2 / (a + f);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + f)));
}

const unary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  erf,
  relu: (x) => Math.max(0, x),
};
const binary: Record<string, (x: number, y: number) => number> = { add: (x, y) => x + y, sub: (x, y) => x - y, mul: (x, y) => x * y, div: (x, y) => x / y };

function strided(a: Float64Array, shape: Shape, strides: readonly number[], offset = 0): Float64Array {
  const own = stridesOf(shape);
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    let at = offset;
    for (let d = 0, left = i; d < shape.length; d++) {
      const k = Math.floor(left / own[d]!);
      left -= k * own[d]!;
      at += k * strides[d]!;
    }
    return a[at]!;
  });
}

/** Applies `f` to every row of the last axis. */
function byRow(x: Float64Array, width: number, f: (row: Float64Array) => ArrayLike<number>): Float64Array {
  const parts: ArrayLike<number>[] = [];
  for (let i = 0; i < x.length; i += width) parts.push(f(x.subarray(i, i + width)));
  return Float64Array.from(parts.flatMap((p) => Array.from(p)));
}

function evaluate(node: GraphNode, ins: Float64Array[], shapes: Shape[], inputs: readonly Float64Array[]): Float64Array {
  const [x, y] = ins as [Float64Array, Float64Array];
  const width = shapes[0]?.at(-1) ?? 1;
  if (node.op in unary) return x.map((v) => unary[node.op]!(v));
  if (node.op in binary) {
    const [a, b] = [0, 1].map((i) => strided(ins[i]!, node.shape, broadcastStrides(shapes[i]!, node.shape))) as [Float64Array, Float64Array];
    return a.map((v, i) => binary[node.op]!(v, b[i]!));
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
    case 'broadcast':
      return strided(x, node.shape, broadcastStrides(shapes[0]!, node.shape));
    case 'concat': {
      const outer = sizeOf(node.shape.slice(0, node.axis));
      const parts = ins.map((v) => ({ v, run: v.length / outer }));
      const out: number[] = [];
      for (let o = 0; o < outer; o++) for (const { v, run } of parts) out.push(...v.subarray(o * run, (o + 1) * run));
      return Float64Array.from(out);
    }
    case 'sum': {
      const out = new Float64Array(sizeOf(node.shape));
      const kept = shapes[0]!.map((d, i) => (node.axes.includes(i) ? 1 : d));
      const to = broadcastStrides(kept, shapes[0]!);
      const own = stridesOf(shapes[0]!);
      x.forEach((v, i) => {
        let [at, left] = [0, i];
        own.forEach((s, d) => {
          const k = Math.floor(left / s);
          left -= k * s;
          at += k * to[d]!;
        });
        out[at] = out[at]! + v;
      });
      return out;
    }
    case 'matMul': {
      const [a, b] = shapes as [Shape, Shape];
      const [m, k] = node.transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
      const n = node.shape.at(-1)!;
      const batch = node.shape.slice(0, -2);
      const wide = (v: Float64Array, s: Shape) => strided(v, [...batch, ...s.slice(-2)], broadcastStrides(s, [...batch, ...s.slice(-2)]));
      const [p, q] = [wide(x, a), wide(y, b)];
      const out = new Float64Array(sizeOf(node.shape));
      for (let g = 0; g < sizeOf(batch); g++) {
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let s = 0;
            for (let t = 0; t < k; t++) s += p[g * m * k + (node.transposeA ? t * m + i : i * k + t)]! * q[g * k * n + (node.transposeB ? j * k + t : t * n + j)]!;
            out[(g * m + i) * n + j] = s;
          }
        }
      }
      return out;
    }
    case 'gelu':
      return x.map((v) => (v / 2) * (1 + (node.form === 'erf' ? erf(v / Math.SQRT2) : Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))));
    case 'softmax':
      return byRow(x, width, (row) => {
        const top = Math.max(...row);
        const e = row.map((v) => Math.exp(v - top));
        const total = e.reduce((a, b) => a + b, 0);
        return e.map((v) => v / total);
      });
    case 'quad': {
      const mask = ins[1] && strided(ins[1], node.shape, broadcastStrides(shapes[1]!, node.shape));
      const p = x.map((v, i) => (v + node.c) ** 2 * (mask ? mask[i]! : 1));
      return byRow(p, width, (row) => {
        const total = row.reduce((a, b) => a + b, 0);
        return row.map((v) => v / total);
      });
    }
    case 'layerNorm':
      return byRow(x, width, (row) => {
        const mean = row.reduce((a, b) => a + b, 0) / width;
        const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
        return row.map((v) => (v - mean) / Math.sqrt(variance + node.epsilon));
      });
    case 'max':
      return byRow(x, width, (row) => [Math.max(...row)]);
    case 'argMax':
      return byRow(x, width, (row) => [row.indexOf(Math.max(...row))]);
    case 'less':
      return x.map((v) => (v < node.than ? 1 : 0));
    default:
      throw new Error(`no plaintext for ${node.op}`);
  }
}
