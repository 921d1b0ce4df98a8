import { decodeFixed, encodeFixed, type Kernels, loadKernels, type Words } from '@secformer/ring';
import {
  byRow,
  checkProgram,
  Emitter,
  evaluateGraph,
  type Graph,
  type GraphNode,
  geluOf,
  normalRow,
  PRODUCT_BITS,
  type Program,
  ProgramBuilder,
  plan,
  probabilities,
  runTogether,
  type Shape,
  type ShareType,
  type Suite,
  softmaxRow,
  suites,
  writtenTensor,
} from '@secformer/secformer-ops';
import { columns, report, Steps } from './report.js';

interface Flags {
  seq: number;
  hidden: number;
  heads: number;
  json?: string;
}

/** One piece of an encoder under one suite. */
interface Piece {
  piece: string;
  suite: string;
  elements: number;
  /** against the unmodified model's function */
  error: { maxAbs: number; meanAbs: number };
  /** one party, sent + received, and what the dealer sends; once for the piece */
  bytes: { online: number; dealer: number };
  rounds: number;
  /** both parties and the dealer in one thread */
  ms: number;
}

const EPSILON = 1e-12;

const gauss = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const normal = (n: number, deviation: number, mean = 0) =>
  Float32Array.from({ length: n }, () => mean + deviation * gauss());

/**
 * What every suite computes: inputs, the unmodified model's answer, and a program for a suite with the slot of each of
 * its inputs.
 */
interface Workload {
  name: string;
  shape: Shape;
  inputs: Float32Array[];
  want(): Float64Array;
  program(suite: Suite): { program: Program; slots: number[] };
}

/** A function of one value that an earlier product left at 16 fractional bits. */
function single(
  name: string,
  shape: number[],
  values: Float32Array,
  emit: (suite: Suite, e: Emitter, x: number) => number,
  want: (x: Float64Array) => Float64Array,
): Workload {
  return {
    name,
    shape,
    inputs: [values],
    want: () => want(Float64Array.from(values)),
    program(suite) {
      const builder = new ProgramBuilder();
      const x = builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 14 });
      return { program: builder.build([emit(suite, new Emitter(builder), x)]), slots: [0] };
    },
  };
}

/** Writes a graph node by node. */
class Writer {
  readonly nodes: GraphNode[] = [];
  readonly inputs: Float32Array[] = [];
  /** what an earlier run has opened of each input: a matrix of weights is an operand of a product */
  readonly opened: number[][] = [];

  push(node: Record<string, unknown> & { op: string; in: number[]; shape: Shape }): number {
    return this.nodes.push(node as unknown as GraphNode) - 1;
  }

  input(shape: number[], values: Float32Array, opened: number[] = []): number {
    this.opened.push(opened);
    const slot = this.inputs.push(values) - 1;
    return this.push({ op: 'input', slot, in: [], shape });
  }

  workload(name: string, output: number): Workload {
    const graph: Graph = { nodes: this.nodes, outputs: [output] };
    const inputs = this.inputs.map((v) => Float64Array.from(v));
    return {
      name,
      shape: this.nodes[output]!.shape,
      inputs: this.inputs,
      want: () => evaluateGraph(graph, inputs)[0]!,
      program: (suite) => {
        const { program, bindings } = plan(
          graph,
          suite,
          this.opened.map((stored) => ({ ...writtenTensor, stored })),
          [0],
        );
        return { program, slots: bindings.map((b) => b.slot) };
      },
    };
  }
}

/** One layer of an encoder: attention of all heads, and the feed-forward part, each with its residual and LayerNorm. */
function encoder({ seq, hidden, heads }: Flags): Workload {
  const w = new Writer();
  const size = hidden / heads;
  const weight = (rows: number, cols: number) =>
    w.input([rows, cols], normal(rows * cols, 1 / Math.sqrt(rows)), [PRODUCT_BITS]);
  const bias = (n: number) => w.input([n], normal(n, 0.02));
  const dense = (x: number, rows: number, cols: number) => {
    const product = w.push({
      op: 'matMul',
      transposeA: false,
      transposeB: false,
      in: [x, weight(rows, cols)],
      shape: [seq, cols],
    });
    return w.push({ op: 'add', in: [product, bias(cols)], shape: [seq, cols] });
  };
  const split = (x: number) => {
    const parts = w.push({ op: 'reshape', in: [x], shape: [seq, heads, size] });
    return w.push({ op: 'transpose', perm: [1, 0, 2], in: [parts], shape: [heads, seq, size] });
  };
  const norm = (x: number) => w.push({ op: 'layerNorm', epsilon: EPSILON, in: [x], shape: [seq, hidden] });
  const x = w.input([seq, hidden], normal(seq * hidden, 1));
  const [q, k, v] = [0, 1, 2].map(() => split(dense(x, hidden, hidden))) as [number, number, number];
  const scores = w.push({ op: 'matMul', transposeA: false, transposeB: true, in: [q, k], shape: [heads, seq, seq] });
  const scale = w.push({ op: 'constant', values: [2 ** -Math.round(Math.log2(Math.sqrt(size)))], in: [], shape: [] });
  const scaled = w.push({ op: 'mul', in: [scores, scale], shape: [heads, seq, seq] });
  const weights = w.push({ op: 'softmax', in: [scaled], shape: [heads, seq, seq] });
  const context = w.push({
    op: 'matMul',
    transposeA: false,
    transposeB: false,
    in: [weights, v],
    shape: [heads, seq, size],
  });
  const back = w.push({ op: 'transpose', perm: [1, 0, 2], in: [context], shape: [seq, heads, size] });
  const joined = w.push({ op: 'reshape', in: [back], shape: [seq, hidden] });
  const attended = norm(w.push({ op: 'add', in: [dense(joined, hidden, hidden), x], shape: [seq, hidden] }));
  const wide = w.push({ op: 'gelu', form: 'erf', in: [dense(attended, hidden, 4 * hidden)], shape: [seq, 4 * hidden] });
  return w.workload(
    'encoder layer',
    norm(w.push({ op: 'add', in: [dense(wide, 4 * hidden, hidden), attended], shape: [seq, hidden] })),
  );
}

async function run(kernels: Kernels, work: Workload, suite: Suite, want: Float64Array): Promise<Piece> {
  const { program, slots } = work.program(suite);
  const checked = checkProgram(program);
  const words = work.inputs.map((v) => encodeFixed(kernels, v, 16, 14));
  const inputs = slots.map((slot): Words => words[slot]!);
  const start = performance.now();
  const made = await runTogether(kernels, checked, inputs);
  const ms = performance.now() - start;
  const result = checked.program.outputs[0]!;
  const t = checked.types[result] as ShareType;
  const got = decodeFixed(kernels, made.reveal(result), t.bits, t.fracBits);
  let [maxAbs, sum] = [0, 0];
  got.forEach((v, i) => {
    const d = Math.abs(v - want[i]!);
    if (!(d <= maxAbs)) maxAbs = d;
    sum += d;
  });
  return {
    piece: work.name,
    suite: suite.name,
    elements: got.length,
    error: { maxAbs, meanAbs: sum / got.length },
    bytes: { online: 2 * made.trace.bytesSent, dealer: made.dealerBytes },
    rounds: made.trace.rounds,
    ms,
  };
}

/**
 * Every suite on the same pieces, the same inputs, the same primitives: error against the unmodified function, bytes,
 * rounds and time.
 */
export async function compareSuites(f: Flags): Promise<void> {
  const kernels = await loadKernels();
  const { seq, hidden, heads } = f;
  const works: Workload[] = [
    single(
      'GeLU',
      [seq, 4 * hidden],
      normal(seq * 4 * hidden, 2),
      (suite, e, x) => suite.gelu(e, x, 'erf'),
      (x) => x.map((v) => geluOf(v)),
    ),
    single(
      'softmax',
      [heads, seq, seq],
      normal(heads * seq * seq, 2),
      (suite, e, x) => {
        return probabilities(suite, e, x);
      },
      (x) => byRow(x, seq, softmaxRow),
    ),
    single(
      'LayerNorm',
      [seq, hidden],
      normal(seq * hidden, 4, 1),
      (suite, e, x) => suite.layerNorm(e, x, EPSILON),
      (x) => byRow(x, hidden, (row) => normalRow(row, EPSILON)),
    ),
    encoder(f),
  ];
  const all = Object.values(suites);
  const steps = new Steps(works.length * (all.length + 1), f.json === '-');
  const pieces: Piece[] = [];
  for (const work of works) {
    steps.next(`${work.name} in plaintext`);
    const want = work.want();
    for (const suite of all) {
      steps.next(`${work.name}, ${suite.name}`);
      pieces.push(await run(kernels, work, suite, want));
    }
  }
  steps.done();
  report({ command: 'suites', seq, hidden, heads, pieces }, f.json, () =>
    works
      .map(({ name, shape }) => {
        const rows = pieces.filter((p) => p.piece === name);
        return columns([
          [`${name} [${shape}]`, 'largest error', 'mean error', 'MB online', 'MB dealer', 'rounds', 'ms'],
          ...rows.map((p) => [
            p.suite,
            p.error.maxAbs.toPrecision(2),
            p.error.meanAbs.toPrecision(2),
            (p.bytes.online / 1e6).toFixed(2),
            (p.bytes.dealer / 1e6).toFixed(2),
            p.rounds,
            p.ms.toFixed(0),
          ]),
        ]);
      })
      .join('\n\n'),
  );
}
