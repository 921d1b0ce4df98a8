/** Graphs that look rows up by private indices, and put them where such indices say. */
import test from 'ava';
import { type Graph, type NodeRanges, plan, suiteOf, writtenTensor } from '../src/index.js';
import { uniform } from './harness.js';
import { difference, nodes } from './planned.js';

test('a lookup by private indices is exact', async (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [50, 8] },
      { op: 'oneHot', slot: 1, depth: 50, in: [], shape: [3, 50] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [1, 0], shape: [3, 8] },
    ),
    outputs: [2],
  };
  t.true((await difference(graph, [uniform(400, -60, 60, 1), Float32Array.of(49, 0, 7)])) <= 2 ** -17);
});

test('a long lookup goes by buckets and is as exact, with indices more than once', async (t) => {
  const [count, depth] = [60, 5000];
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [depth, 3] },
      { op: 'oneHot', slot: 1, depth, in: [], shape: [count, depth] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [1, 0], shape: [count, 3] },
    ),
    outputs: [2],
  };
  const table = uniform(depth * 3, -60, 60, 1);
  const planned = plan(graph, suiteOf('exact'), [writtenTensor, writtenTensor], [0]);
  t.deepEqual(
    planned.program.inputs.map((i) => i.shape),
    [
      [depth, 3],
      [depth, 6],
      [count, 60 + 24],
    ],
  );
  const ids = uniform(count, 0, depth, 2).map(Math.floor);
  for (const indices of [ids, ids.map((id, i) => (i % 3 ? ids[0]! : id)), new Float32Array(count).fill(depth - 1)]) {
    for (const salt of [undefined, 1, 2 ** 52 + 12345])
      t.true((await difference(graph, [table, indices], 'exact', salt)) <= 2 ** -17);
  }
  // A node that somebody reads for itself stays as it is
  const read = plan({ ...graph, outputs: [2, 1] }, suiteOf('exact'), [writtenTensor, writtenTensor], [0, 1]);
  t.deepEqual(read.program.inputs[1]!.shape, [count, depth]);
});

test('rows are put where private indices say and added up, in batches; which places are free is a sum', async (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [2, 5, 3] },
      { op: 'oneHot', slot: 1, depth: 4, in: [], shape: [2, 5, 4] },
      { op: 'matMul', transposeA: true, transposeB: false, in: [1, 0], shape: [2, 4, 3] },
      { op: 'sum', axes: [1], in: [1], shape: [2, 1, 4] },
      { op: 'slice', begin: [0, 1, 0], in: [2], shape: [2, 2, 3] },
    ),
    outputs: [2, 3, 4],
  };
  for (const ids of [
    [0, 1, 2, 3, 3, 2, 1, 0, 0, 0],
    [3, 3, 3, 3, 3, 0, 0, 0, 0, 0],
  ]) {
    t.true((await difference(graph, [uniform(30, -60, 60, 1), Float32Array.from(ids)])) <= 2 ** -14);
  }
});

test('looked-up rows times public numbers, which take more bits than a lookup has', async (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [9, 3] },
      { op: 'oneHot', slot: 1, depth: 9, in: [], shape: [4, 9] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [1, 0], shape: [4, 3] },
      { op: 'constant', values: [0.3, -1 / 3, 1.75], in: [], shape: [3] },
      { op: 'mul', in: [2, 3], shape: [4, 3] },
      { op: 'constant', values: [7, -3, 2], in: [], shape: [3] },
      { op: 'mul', in: [2, 5], shape: [4, 3] },
      { op: 'div', in: [2, 3], shape: [4, 3] },
    ),
    outputs: [4, 6, 7],
  };
  const worst = await difference(graph, [uniform(27, -2000, 2000, 1), Float32Array.of(8, 0, 3, 3)]);
  t.true(worst < 0.02, `off by ${worst}`);
});

test('lookups and sums of rows that calibration has seen beyond the usual range are carried', async (t) => {
  const graph = (count: number, depth: number, transposeA: boolean): Graph => ({
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [transposeA ? count : depth, 2] },
      { op: 'constant', values: [100], in: [], shape: [] },
      { op: 'mul', in: [0, 1], shape: [transposeA ? count : depth, 2] },
      { op: 'oneHot', slot: 1, depth, in: [], shape: [count, depth] },
      { op: 'matMul', transposeA, transposeB: false, in: [3, 2], shape: [transposeA ? depth : count, 2] },
    ),
    outputs: [4],
  });
  // Sums of 400,000, rows of 90,000 one by one, and those in what otherwise goes by buckets
  for (const [count, depth, transposeA, top] of [
    [20, 3, true, 400_000],
    [4, 20, false, 90_000],
    [60, 5000, false, 90_000],
  ] as const) {
    const x = uniform(2 * (transposeA ? count : depth), 100, 900, 1);
    const ids = uniform(count, 0, depth, 2).map(Math.floor);
    const ranges: NodeRanges = [
      [-900, 900],
      [100, 100],
      [-90_000, 90_000],
      [0, 1],
      [-top, top],
    ];
    const worst = await difference(graph(count, depth, transposeA), [x, ids], 'exact', undefined, ranges);
    t.true(worst <= 0.1, `off by ${worst}`);
  }
});
