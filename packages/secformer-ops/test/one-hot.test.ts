import { decodeFixed, encodeFixed } from '@secformer/ring';
import test from 'ava';
import {
  boundsOf,
  checkProgram,
  evaluateGraph,
  type Graph,
  type GraphNode,
  plan,
  primitives,
  runTogether,
  type ShareType,
  suiteOf,
  suites,
  writtenTensor,
} from '../src/index.js';
import { kernels, uniform } from './harness.js';

/** A graph on shares, beside its plaintext; and what it cost. */
async function run(nodes: GraphNode[], inputs: Float32Array[], suite = 'exact') {
  const graph: Graph = { nodes, outputs: [nodes.length - 1] };
  const { program } = plan(
    graph,
    suiteOf(suite),
    inputs.map(() => writtenTensor),
    [0],
  );
  const checked = checkProgram(program);
  const { reveal } = await runTogether(
    kernels,
    checked,
    inputs.map((v) => encodeFixed(kernels, v, 16, 14)),
  );
  const [out] = checked.program.outputs as [number];
  const t = checked.types[out] as ShareType;
  const got = Array.from(decodeFixed(kernels, reveal(out), t.bits, t.fracBits));
  const want = Array.from(
    evaluateGraph(
      graph,
      inputs.map((v) => Float64Array.from(v)),
    )[0]!,
  );
  return { got, want, cost: checked.cost, instructions: checked.program.instructions };
}

const input = (slot: number, shape: number[]): GraphNode => ({ op: 'input', slot, in: [], shape });

test('one-hot rows of every index, and zeros for what is outside, of tables of any size', async (t) => {
  for (const depth of [1, 2, 3, 4, 5, 7, 8, 31]) {
    const indices = Float32Array.from([
      ...Array(depth).keys(),
      -1,
      depth,
      depth + 1,
      -depth,
      2 * depth + 1,
      64,
      -64,
      16000,
      -16000,
    ]);
    const n = indices.length;
    const { got, want } = await run([input(0, [n]), { op: 'oneHotOf', depth, in: [0], shape: [n, depth] }], [indices]);
    t.deepEqual(got, want, `depth ${depth}`);
    t.is(
      got.reduce((a, b) => a + b),
      indices.filter((i, at) => i >= 0 && i < depth && indices.indexOf(i) === at).length,
    );
  }
});

test('rows of a secret table by the place of a maximum: exact, in any suite', async (t) => {
  for (const suite of Object.keys(suites)) {
    const [rows, n, width] = [6, 7, 5];
    const nodes: GraphNode[] = [
      input(0, [rows, n]),
      input(1, [n, width]),
      { op: 'argMax', in: [0], shape: [rows, 1] },
      { op: 'reshape', in: [2], shape: [rows] },
      { op: 'oneHotOf', depth: n, in: [3], shape: [rows, n] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [4, 1], shape: [rows, width] },
    ];
    const { got, want } = await run(nodes, [uniform(rows * n, -5, 5, 3), uniform(n * width, -16000, 16000, 4)], suite);
    got.forEach((v, i) => {
      t.true(Math.abs(v - want[i]!) <= 2 ** -17 + 2 ** -11, `${suite}: ${v} for ${want[i]}`);
    });
  }
});

test('batches of tables, and a table that was computed', async (t) => {
  const [batch, rows, n, width] = [3, 2, 4, 6];
  const nodes: GraphNode[] = [
    input(0, [batch, rows, n]),
    input(1, [batch, n, width]),
    { op: 'square', in: [1], shape: [batch, n, width] },
    { op: 'argMax', in: [0], shape: [batch, rows, 1] },
    { op: 'reshape', in: [3], shape: [batch, rows] },
    { op: 'oneHotOf', depth: n, in: [4], shape: [batch, rows, n] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [5, 2], shape: [batch, rows, width] },
  ];
  const { got, want } = await run(nodes, [uniform(batch * rows * n, -5, 5, 5), uniform(batch * n * width, -60, 60, 6)]);
  got.forEach((v, i) => {
    t.true(Math.abs(v - want[i]!) <= 2 ** -7, `${v} for ${want[i]}`);
  });
});

test('an index that is known to be in the table costs one opening as wide as the table is padded', async (t) => {
  const nodes = (depth: number): GraphNode[] => [
    input(0, [4, 7]),
    { op: 'argMax', in: [0], shape: [4, 1] },
    { op: 'oneHotOf', depth, in: [1], shape: [4, 1, depth] },
  ];
  const of = async (list: GraphNode[]) => run(list, [uniform(28, -5, 5, 7)]);
  const [plain, hot, wider] = [await of(nodes(7).slice(0, 2)), await of(nodes(7)), await of(nodes(9))];
  t.is(hot.cost.rounds, plain.cost.rounds + 1);
  t.is(hot.cost.online, plain.cost.online + Math.ceil((4 * 3) / 8));
  t.is(wider.cost.rounds, hot.cost.rounds);
  t.is(wider.instructions.find((i) => i.op === 'open' && i.share === 'modular')!.width, 4);
  t.false(hot.instructions.some((i) => i.op === 'compare' && i.window === 30));
  const clipped = await run(
    [input(0, [4]), { op: 'oneHotOf', depth: 7, in: [0], shape: [4, 7] }],
    [Float32Array.of(0, 3, 6, 7)],
  );
  t.true(clipped.cost.rounds > 2);
});

test('what bounds an index', (t) => {
  const nodes: GraphNode[] = [
    input(0, [3, 5]),
    { op: 'argMax', in: [0], shape: [3, 1] },
    { op: 'constant', values: [2], in: [], shape: [] },
    { op: 'add', in: [1, 2], shape: [3, 1] },
    { op: 'mul', in: [3, 2], shape: [3, 1] },
    { op: 'sub', in: [2, 4], shape: [3, 1] },
    { op: 'less', than: 0, in: [0], shape: [3, 5] },
    { op: 'sigmoid', in: [0], shape: [3, 5] },
    { op: 'floor', in: [7], shape: [3, 5] },
    { op: 'topK', k: 2, index: true, in: [0], shape: [3, 2] },
    { op: 'clip', low: -1, high: 9, in: [0], shape: [3, 5] },
    { op: 'concat', axis: 1, in: [1, 9], shape: [3, 3] },
  ];
  t.deepEqual(boundsOf({ nodes, outputs: [] }), [
    undefined,
    [0, 4],
    [2, 2],
    [2, 6],
    [4, 12],
    [-10, -2],
    [0, 1],
    [-(2 ** -8), 1 + 2 ** -8],
    [-1, 2],
    [0, 4],
    [-1, 9],
    [0, 4],
  ]);
});

test('a rotation that is none is refused', (t) => {
  const rotate = primitives.get('rotate')!;
  const opened = (more: object) => ({
    kind: 'opened' as const,
    shape: [3],
    fracBits: 0,
    width: 3,
    offsetLog: -1,
    modular: true,
    bits: 3,
    magnitude: 14,
    ...more,
  });
  const infer = (more: object, depth: number) => () => rotate.infer([opened(more)], { depth, bits: 32 } as never);
  t.notThrows(infer({}, 7));
  for (const [more, depth] of [
    [{ modular: false, offsetLog: 1 }, 7],
    [{ fracBits: 16 }, 7],
    [{}, 9],
    [{}, 1],
    [{ width: 30 }, 2 ** 23],
  ] as const) {
    t.throws(infer(more, depth), { code: 'BAD_PROGRAM' });
  }
});
