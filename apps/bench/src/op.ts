import { decodeFixed, encodeFixed, loadKernels, sizeOf, type Words } from '@secformer/ring';
import {
  checkProgram,
  Emitter,
  erf,
  erfOf,
  lessConstant,
  maxWithIndex,
  normalise,
  ProgramBuilder,
  reciprocal,
  relu,
  rsqrt,
  runTogether,
  type ShareType,
  suiteOf,
  tanh,
} from '@secformer/secformer-ops';
import { columns, report, UsageError } from './report.js';

export interface OpFlags {
  suite: string;
  size: number;
  range?: [number, number];
  row?: number;
  threshold: number;
  m: number;
  n: number;
  k: number;
  json?: string;
}

/** One measured batch: what goes in, what is emitted, and what should come out. Errors are against the encoded inputs. */
interface Case {
  inputs: { shape: number[]; values: Float32Array; fracBits?: number; words?: Words }[];
  lookup?: { indices: Int32Array; depth: number };
  emit(e: Emitter, ins: number[]): number;
  want(encoded: Float64Array[]): Float64Array;
}

/** Elements of one batch: larger sizes are measured batch by batch, so that memory stays small. */
const BATCH = 131_072;

const draw = (n: number, low: number, high: number) => Float32Array.from({ length: n }, () => low + (high - low) * Math.random());
const drawLog = (n: number, low: number, high: number) => Float32Array.from({ length: n }, () => Math.min(high, Math.max(low, low * (high / low) ** Math.random())));
const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

function elementwise(default_: [number, number], emit: (e: Emitter, x: number, f: OpFlags) => number, f: (x: number) => number, sample = draw, edges: number[] = []) {
  return (n: number, flags: OpFlags): Case => {
    const values = sample(n, ...(flags.range ?? default_));
    edges.slice(0, n).forEach((v, i) => {
      values[i] = v;
    });
    return { inputs: [{ shape: [n], values }], emit: (e, [x]) => emit(e, x!, flags), want: ([x]) => x!.map(f) };
  };
}

function softmaxRow(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const e = row.map((v) => Math.exp(v - top));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / total);
}

function quadRow(row: Float64Array): Float64Array {
  const e = row.map((v) => (v + 5) ** 2);
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / total);
}

function normRow(row: Float64Array): Float64Array {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
  return row.map((v) => (v - mean) / Math.sqrt(variance + 1e-12));
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

/** Uniform rows over the range, and the worst ones: one leader, all others d below it, d from 0 to 40. */
function softmaxCase(n: number, f: OpFlags): Case {
  const width = f.row ?? 128;
  const [low, high] = f.range ?? [-15, 15];
  const rows: Float32Array[] = [];
  for (let d = 0; d <= 40; d += 0.25) {
    const row = new Float32Array(width).fill(-d);
    row[Math.floor(Math.random() * width)] = 0;
    const lift = low + (high - low) * Math.random();
    rows.push(row.map((v) => v + lift));
  }
  while (rows.length * width < n) rows.push(draw(width, low, high));
  const suite = suiteOf(f.suite);
  return { inputs: [matrix(rows)], emit: (e, [x]) => normalise(e, suite.softmax(e, x!)), want: ([x]) => byRow(x!, width, f.suite === 'fast' ? quadRow : softmaxRow) };
}

/** Rows with standard deviations from 0.03 to 60 and means up to 50. */
function normCase(n: number, f: OpFlags): Case {
  const width = f.row ?? 768;
  const rows: Float32Array[] = [];
  for (let i = 0, count = Math.max(64, Math.floor(n / width)); i < count; i++) {
    // Both ends are always among them
    const std = 0.03 * (60 / 0.03) ** (i / (count - 1));
    const mean = (i % 5) * 12.5 * (i % 2 ? -1 : 1);
    const raw = Float64Array.from({ length: width }, gauss);
    rows.push(Float32Array.from(normRow(raw), (v) => v * std + mean));
  }
  return { inputs: [matrix(rows)], emit: (e, [x]) => suiteOf(f.suite).layerNorm(e, x!, 1e-12), want: ([x]) => byRow(x!, width, normRow) };
}

/** Integers at 32 fractional bits with all their low bits random, so that every way of wrapping is met. */
function truncateCase(n: number, f: OpFlags): Case {
  const [low, high] = f.range ?? [-16000, 16000];
  const words = new BigUint64Array(n);
  const halves = new Uint32Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
  for (let i = 0; i < n; i++) halves[2 * i + 1] = Math.floor(low + (high - low) * Math.random());
  return { inputs: [{ shape: [n], values: new Float32Array(0), fracBits: 32, words }], emit: (e, [x]) => e.truncated(x!), want: ([x]) => x! };
}

function matMulCase(_n: number, { m, n, k, range }: OpFlags): Case {
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
}

function gatherCase(n: number, f: OpFlags): Case {
  const width = f.row ?? 64;
  const depth = 1000;
  const rows = Math.max(1, Math.min(256, Math.floor(n / width)));
  const indices = Int32Array.from({ length: rows }, () => Math.floor(Math.random() * depth));
  return {
    inputs: [{ shape: [depth, width], values: draw(depth * width, ...(f.range ?? ([-60, 60] as const))) }],
    lookup: { indices, depth },
    emit: (e, [hot, t]) => e.truncated(e.product(hot!, e.operand(t!))),
    want: ([t]) => Float64Array.from({ length: rows * width }, (_, i) => t![indices[Math.floor(i / width)]! * width + (i % width)]!),
  };
}

function maxCase(index: boolean) {
  return (n: number, f: OpFlags): Case => {
    const width = f.row ?? 8;
    const rows = Math.max(1, Math.floor(n / width));
    const values = draw(rows * width, ...(f.range ?? ([-100, 100] as const)));
    return {
      inputs: [{ shape: [rows, width], values }],
      emit(e, [x]) {
        const found = maxWithIndex(e, x!, index);
        return index ? found.index! : found.max;
      },
      want: ([x]) =>
        Float64Array.from({ length: rows }, (_, r) => {
          const row = x!.subarray(r * width, (r + 1) * width);
          const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
          return index ? row.indexOf(top) : top;
        }),
    };
  };
}

const pair =
  (emit: (e: Emitter, a: number, b: number) => number, f: (a: number, b: number) => number) =>
  (n: number, { range }: OpFlags): Case => {
    const [low, high] = range ?? [-100, 100];
    const inputs = [0, 1].map(() => ({ shape: [n], values: draw(n, low, high) }));
    return { inputs, emit: (e, [a, b]) => emit(e, a!, b!), want: ([a, b]) => a!.map((v, i) => f(v, b![i]!)) };
  };

const operations: Record<string, (n: number, f: OpFlags) => Case> = {
  matmul: matMulCase,
  mul: pair(
    (e, a, b) => e.truncated(e.mul(a, b)),
    (a, b) => a * b,
  ),
  square: elementwise(
    [-100, 100],
    (e, x) => e.truncated(e.square(x)),
    (x) => x * x,
  ),
  truncate: truncateCase,
  less: (n, f) =>
    elementwise(
      [-1000, 1000],
      (e, x) => lessConstant(e, x, f.threshold),
      (x) => (x < f.threshold ? 1 : 0),
    )(n, f),
  relu: elementwise(
    [-100, 100],
    (e, x) => relu(e, x),
    (x) => Math.max(0, x),
  ),
  gelu: elementwise(
    [-100, 100],
    (e, x, f) => suiteOf(f.suite).gelu(e, x, 'erf'),
    (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
    draw,
    [124, -124, 124.1, -124.1, 1000, -1000],
  ),
  erf: elementwise([-10, 10], (e, x) => erfOf(e, x), erf),
  tanh: elementwise([-10, 10], (e, x) => tanh(e, x), Math.tanh),
  reciprocal: elementwise(
    [2 ** -11, 16000],
    (e, x) => reciprocal(e, x),
    (x) => 1 / x,
    drawLog,
  ),
  rsqrt: elementwise(
    [2 ** -11, 16000],
    (e, x) => rsqrt(e, x),
    (x) => 1 / Math.sqrt(x),
    drawLog,
  ),
  softmax: softmaxCase,
  layernorm: normCase,
  max: maxCase(false),
  argmax: maxCase(true),
  gather: gatherCase,
};

export const operationNames = Object.keys(operations);

/** Reals behind words, all 64 bits counted. */
function realsOf(words: Words, fracBits: number): Float64Array {
  const halves = new Int32Array(words.buffer, words.byteOffset, 2 * words.length);
  return Float64Array.from({ length: words.length }, (_, i) => (halves[2 * i + 1]! * 2 ** 32 + (halves[2 * i]! >>> 0)) / 2 ** fracBits);
}

/** One protocol: its error, bytes, rounds and time, with both parties and the dealer in this process. */
export async function op(name: string, f: OpFlags): Promise<void> {
  const make = operations[name];
  if (!make) throw new UsageError(`op ${name}: choose one of ${operationNames.join(', ')}`);
  suiteOf(f.suite);
  const kernels = await loadKernels();
  const total = { elements: 0, online: 0, offline: 0, rounds: 0, ms: 0, failures: 0, maxAbs: 0, sum: 0, signed: 0, maxRel: 0 };
  for (let left = f.size; left > 0; ) {
    const n = Math.min(BATCH, left);
    const c = make(n, f);
    const builder = new ProgramBuilder();
    const hot = c.lookup && builder.input({ kind: 'oneHot', shape: [c.lookup.indices.length, c.lookup.depth], width: 32 });
    const ids = c.inputs.map((i) => builder.input({ kind: 'share', shape: i.shape, fracBits: i.fracBits ?? 16, bits: 64, magnitude: 14 }));
    const out = c.emit(new Emitter(builder), hot === undefined ? ids : [hot, ...ids]);
    const checked = checkProgram(builder.build([out]));
    const words = c.inputs.map((i) => i.words ?? encodeFixed(kernels, i.values, 16, 14));
    const start = performance.now();
    const run = await runTogether(kernels, checked, c.lookup ? [c.lookup.indices, ...words] : words);
    total.ms += performance.now() - start;
    const result = checked.program.outputs[0]!;
    const t = checked.types[result] as ShareType;
    const got = decodeFixed(kernels, run.reveal(result), t.bits, t.fracBits);
    const want = c.want(words.map((w, i) => realsOf(w, c.inputs[i]!.fracBits ?? 16)));
    // Truncation is exact to its last place; everything else is measured in its own units
    const unit = name === 'truncate' ? 2 ** -t.fracBits : 1;
    got.forEach((v, i) => {
      const d = (v - want[i]!) / unit;
      const a = Math.abs(d);
      if (!(a <= total.maxAbs)) total.maxAbs = a;
      if (!(a <= 1)) total.failures++;
      total.sum += a;
      total.signed += d;
      if (want[i] !== 0) total.maxRel = Math.max(total.maxRel, Math.abs(v / want[i]! - 1));
    });
    const count = Math.max(got.length, sizeOf(c.inputs[0]!.shape) > got.length && name !== 'gather' && name !== 'matmul' ? sizeOf(c.inputs[0]!.shape) : got.length);
    total.elements += count;
    total.online += 2 * run.trace.bytesSent;
    total.offline += run.dealerBytes;
    total.rounds = run.trace.rounds;
    left -= name === 'matmul' ? left : n;
  }
  const { elements } = total;
  const record = {
    command: 'op',
    op: name,
    suite: f.suite,
    size: elements,
    error: { maxAbs: total.maxAbs, meanAbs: total.sum / elements, meanError: total.signed / elements, maxRel: total.maxRel },
    meanError: total.signed / elements,
    bytesPerElement: { online: total.online / elements, offline: total.offline / elements },
    rounds: total.rounds,
    nsPerElement: (total.ms * 1e6) / elements,
    failures: total.failures,
  };
  report(record, f.json, () =>
    columns([
      [`${name}, suite ${f.suite}`, `${elements} elements`],
      ['largest error', record.error.maxAbs.toExponential(3)],
      ['mean error, absolute', record.error.meanAbs.toExponential(3)],
      ['mean error, signed', record.meanError.toExponential(3)],
      ['largest relative error', record.error.maxRel.toExponential(3)],
      ['bytes an element, online (sent + received)', record.bytesPerElement.online.toFixed(3)],
      ['bytes an element, dealer', record.bytesPerElement.offline.toFixed(3)],
      ['rounds', record.rounds],
      ['ns an element, three roles in one thread', record.nsPerElement.toFixed(1)],
      ['failures', record.failures],
    ]),
  );
}
