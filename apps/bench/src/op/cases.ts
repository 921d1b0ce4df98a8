import type { Words } from '@secformer/ring';
import {
  divide,
  type Elementwise,
  type ElementwiseOp,
  type Emitter,
  elementwise,
  functionOf,
  geluOf,
  logSoftmax,
  maxWithIndex,
  normalRow,
  prelu,
  probabilities,
  reciprocal,
  softmaxRow,
  suiteOf,
  topK,
} from '@secformer/secformer-ops';

export interface OpFlags {
  suite: string;
  size: number;
  range?: [number, number];
  row?: number;
  threshold: number;
  m: number;
  n: number;
  k: number;
  kernels: string;
  /** timed runs on threads */
  runs: number;
  shadow?: boolean;
  json?: string;
}

/**
 * One measured batch: what goes in, what is emitted, and what should come out. Errors are against the encoded inputs.
 */
export interface Case {
  inputs: { shape: number[]; values: Float32Array; fracBits?: number; words?: Words }[];
  lookup?: { indices: Int32Array; depth: number };
  emit(e: Emitter, ins: number[]): number;
  want(encoded: Float64Array[]): Float64Array;
  /** the unmodified model's function, where the suite computes another */
  model?(encoded: Float64Array[]): Float64Array;
  /** rows of inputs that the approximation does not converge for are left out */
  holds?(row: Float64Array): boolean;
  /** elements of one such row */
  width?: number;
}

export type MakeCase = (n: number, f: OpFlags) => Case;

const draw = (n: number, low: number, high: number) =>
  Float32Array.from({ length: n }, () => low + (high - low) * Math.random());
const drawLog = (n: number, low: number, high: number) =>
  Float32Array.from({ length: n }, () => Math.min(high, Math.max(low, low * (high / low) ** Math.random())));
const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** Log-uniform where a function lives on positive numbers of many sizes, uniform elsewhere. */
function sample(n: number, low: number, high: number): Float32Array {
  return low > 0 && high / low > 1000 ? drawLog(n, low, high) : draw(n, low, high);
}

const LIMIT = 100;

/** What is drawn by default: the domain, cut to ±100 where it is wider on both sides. */
function usual([low, high]: readonly [number, number]): [number, number] {
  return low >= 0 ? [Math.max(low, 2 ** -12), high] : [Math.max(low, -LIMIT), Math.min(high, LIMIT)];
}

function simple(
  op: ElementwiseOp,
  changed: Partial<Elementwise> = {},
  parametersOf: (f: OpFlags) => Record<string, number> = () => ({}),
): MakeCase {
  const protocol = { ...elementwise[op], ...changed };
  return (n, f) => {
    const p = { ...functionOf(op)!.parameters, ...parametersOf(f) };
    const values = sample(n, ...(f.range ?? usual(protocol.domain)));
    return {
      inputs: [{ shape: [n], values }],
      emit: (e, [x]) => protocol.emit(e, x!, p),
      want: ([x]) => x!.map((v) => functionOf(op)!.plain(v, p)),
    };
  };
}

function byRow(x: Float64Array, width: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += width) out.set(f(x.subarray(i, i + width)), i);
  return out;
}

function matrix(rows: Float32Array[]): { shape: number[]; values: Float32Array } {
  const width = rows[0]!.length;
  const values = new Float32Array(rows.length * width);
  rows.forEach((r, i) => {
    values.set(r, i * width);
  });
  return { shape: [rows.length, width], values };
}

/** Where a series or a piece ends, and far out: always in the sample unless the suite's own range is narrower. */
const GELU_EDGES = [124, -124, 124.1, -124.1, 1000, -1000];

const gelu: MakeCase = (n, f) => {
  const suite = suiteOf(f.suite);
  const values = draw(n, ...(f.range ?? suite.ranges?.gelu ?? ([-LIMIT, LIMIT] as const)));
  if (!suite.ranges?.gelu) values.set(GELU_EDGES.slice(0, n));
  const { gelu: meant } = suite.functions;
  return {
    inputs: [{ shape: [n], values }],
    emit: (e, [x]) => suite.gelu(e, x!, 'erf'),
    want: ([x]) => x!.map((v) => meant(v)),
    ...(meant !== suiteOf('exact').functions.gelu && { model: ([x]: Float64Array[]) => x!.map((v) => geluOf(v)) }),
  };
};

/** Uniform rows over the range, and the worst ones: one leader, all others d below it, d from 0 to 40. */
const softmax: MakeCase = (n, f) => {
  const width = f.row ?? 128;
  const suite = suiteOf(f.suite);
  const [low, high] = f.range ?? [-15, 15];
  const rows: Float32Array[] = [];
  for (let d = 0; d <= 40; d += 0.25) {
    const row = new Float32Array(width).fill(-d);
    row[Math.floor(Math.random() * width)] = 0;
    const lift = low + (high - low) * Math.random();
    rows.push(row.map((v) => v + lift));
  }
  while (rows.length * width < n) rows.push(draw(width, low, high));
  const { softmax: meant } = suite.functions;
  return {
    inputs: [matrix(rows)],
    emit(e, [x]) {
      return probabilities(suite, e, x!);
    },
    want: ([x]) => byRow(x!, width, meant),
    ...(meant !== softmaxRow && { model: ([x]: Float64Array[]) => byRow(x!, width, softmaxRow) }),
    ...(suite.holds?.softmax && { holds: suite.holds.softmax }),
    width,
  };
};

const EPSILON = 1e-12;

/** Rows with standard deviations from 0.03 to 60 and means up to 50. */
const layerNorm: MakeCase = (n, f) => {
  const width = f.row ?? 768;
  const suite = suiteOf(f.suite);
  const rows: Float32Array[] = [];
  for (let i = 0, count = Math.max(64, Math.floor(n / width)); i < count; i++) {
    // Both ends are always among them
    const std = 0.03 * (60 / 0.03) ** (i / (count - 1));
    const mean = (i % 5) * 12.5 * (i % 2 ? -1 : 1);
    const raw = normalRow(Float64Array.from({ length: width }, gauss), 0);
    rows.push(Float32Array.from(raw, (v) => v * std + mean));
  }
  return {
    inputs: [matrix(rows)],
    emit: (e, [x]) => suite.layerNorm(e, x!, EPSILON),
    want: ([x]) => byRow(x!, width, (row) => suite.functions.layerNorm(row, EPSILON)),
    ...(suite.holds?.layerNorm && { holds: suite.holds.layerNorm }),
    width,
  };
};

/** Integers at 32 fractional bits with all their low bits random, so that every way of wrapping is met. */
const truncate: MakeCase = (n, f) => {
  const [low, high] = f.range ?? [-16000, 16000];
  const words = new BigUint64Array(n);
  const halves = new Uint32Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
  for (let i = 0; i < n; i++) halves[2 * i + 1] = Math.floor(low + (high - low) * Math.random());
  return {
    inputs: [{ shape: [n], values: new Float32Array(0), fracBits: 32, words }],
    emit: (e, [x]) => e.truncated(x!),
    want: ([x]) => x!,
  };
};

const matmul: MakeCase = (_n, { m, n, k, range }) => {
  const [low, high] = range ?? [-1, 1];
  return {
    inputs: [
      { shape: [m, k], values: draw(m * k, low, high) },
      { shape: [k, n], values: draw(k * n, low, high) },
    ],
    emit: (e, [a, b]) => e.truncated(e.matMul(a!, b!)),
    want([a, b]) {
      const out = new Float64Array(m * n);
      for (let i = 0; i < m; i++) {
        for (let p = 0; p < k; p++) {
          const v = a![i * k + p]!;
          for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + v * b![p * n + j]!;
        }
      }
      return out;
    },
  };
};

const gather: MakeCase = (n, f) => {
  const width = f.row ?? 64;
  const depth = 1000;
  const rows = Math.max(1, Math.min(256, Math.floor(n / width)));
  const indices = Int32Array.from({ length: rows }, () => Math.floor(Math.random() * depth));
  return {
    inputs: [{ shape: [depth, width], values: draw(depth * width, ...(f.range ?? ([-60, 60] as const))) }],
    lookup: { indices, depth },
    emit: (e, [hot, t]) => e.truncated(e.product(hot!, e.operand(t!))),
    want: ([t]) =>
      Float64Array.from({ length: rows * width }, (_, i) => t![indices[Math.floor(i / width)]! * width + (i % width)]!),
  };
};

/** An operation on rows of the last axis, with as many results a row as it says. */
function rowwise(
  usualWidth: number,
  emit: (e: Emitter, x: number) => number,
  f: (row: Float64Array) => ArrayLike<number>,
  limit = LIMIT,
): MakeCase {
  return (n, { row, range }) => {
    const width = row ?? usualWidth;
    const rows = Math.max(1, Math.floor(n / width));
    return {
      inputs: [{ shape: [rows, width], values: draw(rows * width, ...(range ?? ([-limit, limit] as const))) }],
      emit: (e, [x]) => emit(e, x!),
      want: ([x]) =>
        Float64Array.from(
          Array.from({ length: rows }, (_, r) => Array.from(f(x!.subarray(r * width, (r + 1) * width)))).flat(),
        ),
    };
  };
}

function binary(
  emit: (e: Emitter, a: number, b: number) => number,
  f: (a: number, b: number) => number,
  second?: [number, number],
): MakeCase {
  return (n, { range }) => {
    const [low, high] = range ?? [-LIMIT, LIMIT];
    const inputs = [draw(n, low, high), draw(n, ...(second ?? ([low, high] as const)))].map((values) => ({
      shape: [n],
      values,
    }));
    return { inputs, emit: (e, [a, b]) => emit(e, a!, b!), want: ([a, b]) => a!.map((v, i) => f(v, b![i]!)) };
  };
}

const greatest = (row: Float64Array) => row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
const least = (row: Float64Array) => -greatest(row.map((v) => -v));

/** What the general table does not say: several operands, rows, or names of their own. */
const special: Record<string, MakeCase> = {
  matmul,
  mul: binary(
    (e, a, b) => e.truncated(e.mul(a, b)),
    (a, b) => a * b,
  ),
  div: binary(
    (e, a, b) => e.truncated(divide(e, a, b, false)),
    (a, b) => a / b,
    [0.5, 100],
  ),
  maximum: binary(
    (e, a, b) => e.add(elementwise.relu.emit(e, e.sub(a, b), {}), b),
    (a, b) => Math.max(a, b),
  ),
  minimum: binary(
    (e, a, b) => e.sub(a, elementwise.relu.emit(e, e.sub(a, b), {})),
    (a, b) => Math.min(a, b),
  ),
  prelu: binary(
    (e, a, b) => e.truncated(prelu(e, a, b)),
    (a, b) => (a < 0 ? a * b : a),
    [-1, 1],
  ),
  square: (n, f) => ({
    inputs: [{ shape: [n], values: draw(n, ...(f.range ?? ([-LIMIT, LIMIT] as const))) }],
    emit: (e, [x]) => e.truncated(e.square(x!)),
    want: ([x]) => x!.map((v) => v * v),
  }),
  truncate,
  less: simple('less', {}, (f) => ({ than: f.threshold })),
  gelu,
  softmax,
  layernorm: layerNorm,
  logsoftmax: rowwise(
    128,
    (e, x) => logSoftmax(e, x),
    (row) => softmaxRow(row).map(Math.log),
    15,
  ),
  sum: rowwise(
    128,
    (e, x) => e.sum(x, [1]),
    (row) => [row.reduce((a, b) => a + b, 0)],
  ),
  cumsum: rowwise(
    128,
    (e, x) => e.cumSum(x, false, false),
    (row) => {
      let total = 0;
      return row.map((v) => {
        total += v;
        return total;
      });
    },
  ),
  max: rowwise(
    8,
    (e, x) => maxWithIndex(e, x, false).max,
    (row) => [greatest(row)],
  ),
  min: rowwise(
    8,
    (e, x) => e.negate(maxWithIndex(e, e.negate(x), false).max),
    (row) => [least(row)],
  ),
  argmax: rowwise(
    8,
    (e, x) => maxWithIndex(e, x, true).index!,
    (row) => [row.indexOf(greatest(row))],
  ),
  argmin: rowwise(
    8,
    (e, x) => maxWithIndex(e, e.negate(x), true).index!,
    (row) => [row.indexOf(least(row))],
  ),
  topk: rowwise(
    32,
    (e, x) => topK(e, x, 5).values,
    (row) => [...row].sort((a, b) => b - a).slice(0, 5),
  ),
  gather,
};

/** A reciprocal of a range with negative numbers takes the longer form. */
const signed = simple('reciprocal', { emit: (e, x) => reciprocal(e, x, false) });
special.reciprocal = (n, f) => ((f.range?.[0] ?? 1) < 0 ? signed : simple('reciprocal'))(n, f);

export const operations: Readonly<Record<string, MakeCase>> = {
  ...Object.fromEntries((Object.keys(elementwise) as ElementwiseOp[]).map((op) => [op.toLowerCase(), simple(op)])),
  ...special,
};

export const operationNames = Object.keys(operations).sort();
