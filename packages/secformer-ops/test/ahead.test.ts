import { decodeFixed, encodeFixed } from '@secformer/ring';
import test from 'ava';
import {
  checkProgram,
  evaluateGraph,
  type Graph,
  plan,
  runTogether,
  type ShareType,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { kernels, random } from './harness.js';

const ALL = Number.POSITIVE_INFINITY;
const product = { transposeA: false, transposeB: false };

/** x·V and GeLU(x·V)·W, V and W opened by an earlier run. */
const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [8, 16] },
    { op: 'input', slot: 1, in: [], shape: [16, 24] },
    { op: 'input', slot: 2, in: [], shape: [24, 8] },
    { op: 'matMul', ...product, in: [0, 1], shape: [8, 24] },
    { op: 'gelu', form: 'erf', in: [3], shape: [8, 24] },
    { op: 'matMul', ...product, in: [4, 2], shape: [8, 8] },
  ],
  outputs: [5, 3],
};

for (const [name, ahead] of Object.entries({
  'neither party': [0, 0],
  'both parties': [ALL, ALL],
  'party 0 alone': [ALL, 0],
  'party 1 alone': [0, ALL],
  'both, as far as they have room': [3000, 9000],
} as const)) {
  test(`what is drawn ahead changes no result: ${name}`, async (t) => {
    const next = random(3);
    const values = [128, 384, 192].map((n) => Float32Array.from({ length: n }, () => 2 * next() - 1));
    const opened = { ...writtenTensor, stored: [48] };
    const { program } = plan(graph, suiteOf('exact'), [writtenTensor, opened, opened], [0, 1]);
    const checked = checkProgram(program);
    t.deepEqual(
      program.inputs.map((i) => i.kind),
      ['share', 'share', 'opened', 'share', 'opened'],
    );
    const words = values.map((v) => encodeFixed(kernels, v, 16, 14));
    const run = await runTogether(
      kernels,
      checked,
      [words[0]!, words[1]!, words[1]!, words[2]!, words[2]!],
      undefined,
      undefined,
      ahead,
    );
    const want = evaluateGraph(
      graph,
      values.map((v) => Float64Array.from(v)),
    );
    program.outputs.forEach((v, i) => {
      const type = checked.types[v] as ShareType;
      const got = decodeFixed(kernels, run.reveal(v), type.bits, type.fracBits);
      const worst = got.reduce((most, x, j) => Math.max(most, Math.abs(x - want[i]![j]!)), 0);
      t.true(worst < 2e-3, `output ${i} is off by ${worst}`);
    });
  });
}
