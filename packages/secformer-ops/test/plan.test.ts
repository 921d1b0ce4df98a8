import test from 'ava';
import {
  checkProgram,
  type Graph,
  type GraphNode,
  type NodeRanges,
  plan,
  programLimits,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { uniform } from './harness.js';
import { difference, nodes } from './planned.js';

test('a graph with arithmetic, views and reductions agrees with its plaintext', async (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [4, 6] },
      { op: 'input', slot: 1, in: [], shape: [6] },
      { op: 'constant', values: [0.3], in: [], shape: [] },
      { op: 'mul', in: [0, 1], shape: [4, 6] },
      { op: 'mul', in: [3, 2], shape: [4, 6] },
      { op: 'add', in: [4, 0], shape: [4, 6] },
      { op: 'transpose', perm: [1, 0], in: [5], shape: [6, 4] },
      { op: 'slice', begin: [1, 0], in: [6], shape: [4, 4] },
      { op: 'concat', axis: 1, in: [7, 7], shape: [4, 8] },
      { op: 'sum', axes: [1], in: [8], shape: [4, 1] },
      { op: 'div', in: [9, 2], shape: [4, 1] },
      { op: 'sub', in: [2, 10], shape: [4, 1] },
      { op: 'neg', in: [11], shape: [4, 1] },
      { op: 'square', in: [12], shape: [4, 1] },
    ),
    outputs: [5, 8, 12, 13],
  };
  t.true((await difference(graph, [uniform(24, -5, 5, 1), uniform(6, -2, 2, 2)])) < 0.02);
});

/** x·2^40 + 0.3, x the first node. */
const beyond = (at: number): GraphNode[] => [
  { op: 'constant', values: [2 ** 40], in: [], shape: [] },
  { op: 'mul', in: [0, at], shape: [4, 6] },
  { op: 'add', in: [at + 1, 7], shape: [4, 6] },
];

test('public numbers beside bits and whole numbers, which have no fractional bits or fewer', async (t) => {
  const shape = [4, 6];
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape },
      { op: 'less', than: 0, in: [0], shape },
      { op: 'constant', values: [-2], in: [], shape: [] },
      { op: 'mul', in: [1, 2], shape },
      { op: 'constant', values: [1], in: [], shape: [] },
      { op: 'add', in: [3, 4], shape },
      { op: 'mul', in: [5, 0], shape },
      { op: 'constant', values: [0.3], in: [], shape: [] },
      { op: 'sub', in: [7, 1], shape },
      { op: 'constant', values: [1, 0.25, 3, -7, 0.3, 5], in: [], shape: [6] },
      { op: 'add', in: [3, 9], shape },
    ),
    outputs: [5, 6, 8, 10],
  };
  t.true((await difference(graph, [uniform(24, -5, 5, 1)])) < 2e-5);
  // Where the range leaves no room for a fraction, there is none
  const wide = { ...graph, nodes: nodes(...graph.nodes, ...beyond(11)), outputs: [13] };
  t.true((await difference(wide, [uniform(24, -5, 5, 1)])) < 2 ** 24);
});

/** max(x, y) as the backend records it, and the maximum of rows of both. */
const farApart = (n: number, positive = false): Graph => ({
  nodes: nodes(
    { op: 'input', slot: 0, in: [], shape: [n, 1] },
    { op: 'input', slot: 1, in: [], shape: [n, 1] },
    { op: 'sub', in: [0, 1], shape: [n, 1] },
    { op: 'relu', in: [2], shape: [n, 1] },
    { op: 'add', in: [3, 1], shape: [n, 1] },
    ...(positive ? [0, 1] : []).map((x): GraphNode => ({ op: 'relu', in: [x], shape: [n, 1] })),
    { op: 'concat', axis: 1, in: positive ? [5, 6] : [0, 1], shape: [n, 2] },
    { op: 'max', in: [positive ? 7 : 5], shape: [n, 1] },
  ),
  outputs: [4, positive ? 8 : 6],
});

test('what compares two values has all of their difference, 200 times 1,000 of them', async (t) => {
  const n = 200_000;
  const x = uniform(n, -1, 1, 5).map((v) => (v < 0 ? -12_000 : 12_000));
  t.is(await difference(farApart(n), [x, x.map((v) => -v)]), 0);
});

test('a wider window is for differences: none of values that are not below 0, nor of sums, nor for products', (t) => {
  const online = (graph: Graph, outputs: number[]) => {
    const { program } = plan({ ...graph, outputs }, suiteOf('exact'), [writtenTensor, writtenTensor], [0]);
    return checkProgram(program).cost.online;
  };
  const n = 800;
  const two = farApart(n);
  const rows = online(two, [6]);
  const positive = farApart(n, true);
  const relus = online(positive, [7]);
  // A bit an element more, which values that are not below 0 do without
  t.is(online(positive, [8]) - relus, rows - n / 8);
  const of = (op: 'add' | 'sub', then: GraphNode): Graph => ({
    nodes: [...two.nodes.slice(0, 2), { op, in: [0, 1], shape: [n, 1] }, then],
    outputs: [3],
  });
  const relu: GraphNode = { op: 'relu', in: [2], shape: [n, 1] };
  const square: GraphNode = { op: 'square', in: [2], shape: [n, 1] };
  t.is(online(of('sub', relu), [3]), online(of('add', relu), [3]) + n / 8);
  t.is(online(of('sub', square), [3]), online(of('add', square), [3]));
});

for (const suite of ['exact']) {
  test(`attention divides after the product with V, suite ${suite}`, async (t) => {
    const graph: Graph = {
      nodes: nodes(
        { op: 'input', slot: 0, in: [], shape: [2, 5, 8] },
        { op: 'input', slot: 1, in: [], shape: [2, 5, 8] },
        { op: 'matMul', transposeA: false, transposeB: true, in: [0, 1], shape: [2, 5, 5] },
        { op: 'softmax', in: [2], shape: [2, 5, 5] },
        { op: 'matMul', transposeA: false, transposeB: false, in: [3, 1], shape: [2, 5, 8] },
      ),
      outputs: [4],
    };
    t.true((await difference(graph, [uniform(80, -2, 2, 3), uniform(80, -2, 2, 4)], suite)) < 2e-4);
  });
}

test('a mask over the keys of 2Quad multiplies the keys, and the answer is that of masked weights', async (t) => {
  const graph = (maskShape: number[]): Graph => ({
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [2, 3, 8, 4] },
      { op: 'input', slot: 1, in: [], shape: [2, 3, 8, 4] },
      { op: 'input', slot: 2, in: [], shape: maskShape },
      { op: 'matMul', transposeA: false, transposeB: true, in: [0, 1], shape: [2, 3, 8, 8] },
      { op: 'constant', values: [0.5], in: [], shape: [] },
      { op: 'mul', in: [3, 4], shape: [2, 3, 8, 8] },
      { op: 'quad', c: 5, in: [5, 2], shape: [2, 3, 8, 8] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [6, 1], shape: [2, 3, 8, 4] },
    ),
    outputs: [7],
  });
  const bits = (n: number) => Float32Array.from({ length: n }, (_, i) => (i % 3 === 1 ? 0 : 1));
  const [q, k] = [uniform(192, -1, 1, 1), uniform(192, -1, 1, 2)];
  const keys = graph([2, 1, 1, 8]);
  t.true((await difference(keys, [q, k, bits(16)], 'fast')) < 3e-4);
  const pairs = graph([8, 8]);
  t.true((await difference(pairs, [q, k, bits(64)], 'fast')) < 3e-4);
  const online = (g: Graph) =>
    checkProgram(plan(g, suiteOf('fast'), [writtenTensor, writtenTensor, writtenTensor], [0]).program).cost.online;
  t.true(online(keys) < online(pairs));
});

test('a bias beside the mask of 2Quad is added to the scores, for every suite and wherever the mask is', async (t) => {
  const graph = (maskShape: number[], key: boolean, rows: number): Graph => ({
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [2, 3, 8, 4] },
      { op: 'input', slot: 1, in: [], shape: key ? [2, 3, 8, 4] : [2, 3, 4, 8] },
      { op: 'input', slot: 2, in: [], shape: maskShape },
      { op: 'input', slot: 3, in: [], shape: maskShape },
      { op: 'matMul', transposeA: false, transposeB: key, in: [0, 1], shape: [2, 3, 8, 8] },
      { op: 'quad', c: 5, in: [4, 2, 3], shape: [2, 3, 8, 8] },
      { op: 'slice', begin: [0, 0, 0, 0], in: [5], shape: [2, 3, rows, 8] },
    ),
    outputs: [6],
  });
  const bits = (n: number) => Float32Array.from({ length: n }, (_, i) => (i % 3 === 1 ? 0 : 1));
  const [q, k] = [uniform(192, -1, 1, 1), uniform(192, -1, 1, 2)];
  for (const [maskShape, n] of [
    [[2, 1, 1, 8], 16],
    [[8, 8], 64],
    [[8], 8],
  ] as const) {
    const mask = bits(n);
    const bias = uniform(n, -2, 4, 5).map((v, i) => v * mask[i]!);
    for (const suite of ['exact', 'fast', 'mpcformer', 'secformer']) {
      for (const key of [true, false]) {
        for (const rows of [8, 1]) {
          const worst = await difference(graph([...maskShape], key, rows), [q, k, mask, bias], suite);
          t.true(worst < 2e-3, `[${maskShape}], ${suite}, ${key ? 'keys' : 'columns'}, ${rows} rows: off by ${worst}`);
        }
      }
    }
  }
  // Where only the keys are masked the bias costs nothing: no round, no byte, no correction
  const cost = (g: Graph) =>
    checkProgram(
      plan(
        g,
        suiteOf('fast'),
        [0, 1, 2, 3].map(() => writtenTensor),
        [0],
      ).program,
    ).cost;
  const biased = graph([2, 1, 1, 8], true, 8);
  const plain = { ...biased, nodes: biased.nodes.map((n) => (n.op === 'quad' ? { ...n, in: n.in.slice(0, 2) } : n)) };
  const traffic = ({ rounds, online, dealer }: ReturnType<typeof cost>) => ({ rounds, online, dealer });
  t.deepEqual(traffic(cost(biased)), traffic(cost(plain)));
  const ranges = (bias: number): NodeRanges => [
    [-1, 1],
    [-1, 1],
    [0, 1],
    [0, bias],
    [-4, 1500],
    [0, 1],
    [0, 1],
  ];
  const planned = (bias: number) =>
    plan(
      biased,
      suiteOf('fast'),
      [0, 1, 2, 3].map(() => writtenTensor),
      [0],
      [],
      ranges(bias),
    );
  t.notThrows(() => planned(400));
  t.throws(() => planned(600), { code: 'BAD_PROGRAM', message: /quad.*its input/ });
});

test('planning is deterministic', (t) => {
  const graph: Graph = {
    nodes: nodes({ op: 'input', slot: 0, in: [], shape: [4] }, { op: 'gelu', form: 'erf', in: [0], shape: [4] }),
    outputs: [1],
  };
  const once = () => JSON.stringify(plan(graph, suiteOf('exact'), [writtenTensor], [0]));
  t.is(once(), once());
});

test('an opening of a tensor that is kept is not made again', (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [4, 4] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [4, 4] },
    ),
    outputs: [1],
  };
  const first = plan(graph, suiteOf('exact'), [writtenTensor], [0]);
  t.deepEqual(first.keeps, [{ kind: 'opened', slot: 0, width: 48 }]);
  const second = plan(graph, suiteOf('exact'), [{ ...writtenTensor, stored: [48] }], [0]);
  t.deepEqual(second.keeps, []);
  t.is(checkProgram(second.program).cost.rounds, 0);
});

test('more parts than one instruction takes are joined in stretches', async (t) => {
  const n = programLimits.operands + 50;
  const parts = Array.from(
    { length: n },
    (_, i): GraphNode => ({ op: 'slice', begin: [0, n - 1 - i], in: [0], shape: [1, 1] }),
  );
  const graph: Graph = {
    nodes: nodes({ op: 'input', slot: 0, in: [], shape: [1, n] }, ...parts, {
      op: 'concat',
      axis: 1,
      in: parts.map((_, i) => i + 1),
      shape: [1, n],
    }),
    outputs: [n + 1],
  };
  t.true((await difference(graph, [uniform(n, -5, 5, 1)])) < 1e-4);
  const { instructions } = plan(graph, suiteOf('exact'), [writtenTensor], [0]).program;
  t.true(instructions.every((i) => i.in.length <= programLimits.operands));
});

test('what is known to be zero can be compared, multiplied and looked up like anything', async (t) => {
  const graph: Graph = {
    nodes: nodes(
      { op: 'input', slot: 0, in: [], shape: [3, 3] },
      { op: 'constant', values: [0], in: [], shape: [] },
      { op: 'mul', in: [0, 1], shape: [3, 3] },
      { op: 'less', than: 3, in: [2], shape: [3, 3] },
      { op: 'relu', in: [2], shape: [3, 3] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [2, 0], shape: [3, 3] },
      { op: 'mul', in: [2, 0], shape: [3, 3] },
      { op: 'sigmoid', in: [2], shape: [3, 3] },
      { op: 'argMax', in: [2], shape: [3, 1] },
    ),
    outputs: [3, 4, 5, 6, 7, 8],
  };
  t.true((await difference(graph, [uniform(9, -5, 5, 1)])) < 1e-4);
});
