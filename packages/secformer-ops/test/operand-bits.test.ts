/** Operands of 13 fractional bits: what each kind is opened with, and what that costs in error. */
import test from 'ava';
import {
  checkProgram,
  type Emitter,
  exactSoftmax,
  type Graph,
  gelu,
  geluOf,
  OPERAND_FORMATS,
  plan,
  suiteOf,
  suites,
  writtenTensor,
} from '../src/index.js';
import { encoded, evaluate, uniform, worst } from './harness.js';
import { difference } from './planned.js';

const [TOKENS, WIDTH] = [8, 64];

/** A head of attention: queries, keys and values by weights, scores over 8. */
function head(operandBits?: 13): Graph {
  const dense = (x: number, w: number) => ({
    op: 'matMul' as const,
    transposeA: false,
    transposeB: false,
    in: [x, w],
    shape: [TOKENS, WIDTH],
  });
  const weights = [1, 2, 3].map((slot) => ({ op: 'input' as const, slot, in: [], shape: [WIDTH, WIDTH] }));
  const square = [TOKENS, TOKENS];
  return {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [TOKENS, WIDTH] },
      ...weights,
      { op: 'layerNorm', epsilon: 1e-12, in: [0], shape: [TOKENS, WIDTH] },
      dense(4, 1),
      dense(4, 2),
      dense(4, 3),
      { op: 'matMul', transposeA: false, transposeB: true, in: [5, 6], shape: square },
      { op: 'constant', values: [1 / 8], in: [], shape: [] },
      { op: 'mul', in: [8, 9], shape: square },
      { op: 'softmax', in: [10], shape: square },
      dense(11, 7),
    ],
    outputs: [12],
    ...(operandBits && { operandBits }),
  };
}

/** Fractional bits of the operands of each product of matrices, in their order. */
function operands(graph: Graph): number[][] {
  const states = [0, 1, 2, 3].map(() => writtenTensor);
  const { types, program } = checkProgram(plan(graph, suiteOf('exact'), states, [0]).program);
  const bits = (v: number) => {
    const t = types[v]!;
    return t.kind === 'opened' ? t.fracBits : Number.NaN;
  };
  return program.instructions.flatMap((i) => (i.op === 'matMul' ? [i.in.map(bits)] : []));
}

/** Bytes that each party sends. */
const online = (graph: Graph) =>
  checkProgram(
    plan(
      graph,
      suiteOf('exact'),
      [0, 1, 2, 3].map(() => writtenTensor),
      [0],
    ).program,
  ).cost.online;

test('queries and keys have 11 bits, values 12, all else 13; a tensor of the session keeps its own', (t) => {
  t.deepEqual(operands(head()).slice(-2), [
    [16, 16],
    [20, 16],
  ]);
  const [query, key, value, scores, attended] = operands(head(13));
  for (const dense of [query, key, value]) t.deepEqual(dense, [13, 16]);
  t.deepEqual(scores, [11, 11]);
  t.deepEqual(attended, [18, 12]);
  t.true(online(head(13)) < 0.95 * online(head()), `${online(head(13))} and ${online(head())} bytes`);
});

test('the results are those of operands of 16 bits to a few units of 2^−13', async (t) => {
  const inputs = [uniform(TOKENS * WIDTH, -3, 3, 1), ...[2, 3, 4].map((seed) => uniform(WIDTH * WIDTH, -4, 4, seed))];
  const [fine, coarse] = [await difference(head(), inputs), await difference(head(13), inputs)];
  t.true(fine <= 1e-3, String(fine));
  t.true(coarse <= 6e-3, String(coarse));
});

test('GeLU of 13 bits holds over its window, and below and beyond it', async (t) => {
  const values = uniform(40_000, -7, 7, 5);
  const ends = [-5, -4.5, -4.5 - 2 ** -13, 4, 4.5, 5, 5 - 2 ** -13, -2032, 2032, -1000, 124.1, 0];
  values.set(ends);
  const x = encoded(values);
  for (const form of ['erf', 'tanh'] as const) {
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => {
      e.format = OPERAND_FORMATS[13];
      return [gelu(e, v!, form)];
    });
    const { max, mean } = worst(outputs[0]!, (i) => geluOf(x[i]!));
    // The tanh form is 5e-4 off the real one by itself
    t.true(max <= (form === 'erf' ? 4e-4 : 8e-4), `${form}: ${max}`);
    t.true(mean <= 1.5e-4, `${form}: ${mean} in the mean`);
  }
});

test('a row of 512 is summed at the bits that its weights have', async (t) => {
  const values = uniform(2 * 512, -4, 4, 6);
  const x = encoded(values);
  const { outputs } = await evaluate([{ shape: [2, 512], values }], (e: Emitter, [v]) => {
    e.format = OPERAND_FORMATS[13];
    const { numerator, inverse } = exactSoftmax(e, v!);
    return [e.times(numerator, inverse, 1)];
  });
  const want = [0, 512].flatMap((at) => {
    const powers = Array.from(x.subarray(at, at + 512), Math.exp);
    const total = powers.reduce((a, b) => a + b);
    return powers.map((p) => p / total);
  });
  t.true(worst(outputs[0]!, (i) => want[i]!).max <= 1e-4);
});

test('suites of published systems refuse them, by name', (t) => {
  const states = [0, 1, 2, 3].map(() => writtenTensor);
  for (const suite of Object.values(suites)) {
    const made = () => plan(head(13), suite, states, [0]);
    if (suite.takesFewerBits) t.notThrows(made, suite.name);
    else t.throws(made, { code: 'BAD_PROGRAM', message: new RegExp(`13 bits under suite '${suite.name}'`) });
  }
  t.deepEqual(
    Object.values(suites).flatMap((s) => (s.takesFewerBits ? [s.name] : [])),
    ['exact', 'fast'],
  );
  t.throws(() => plan({ ...head(), operandBits: 12 as 13 }, suiteOf('exact'), states, [0]), { code: 'BAD_PROGRAM' });
});

test('with 16 bits every product is opened as without the word', (t) => {
  const states = [0, 1, 2, 3].map(() => writtenTensor);
  const of = (graph: Graph) => plan(graph, suiteOf('exact'), states, [0]).program;
  t.deepEqual(of({ ...head(), operandBits: 16 }), of(head()));
});
