import { encodeFixed } from '@secformer/ring';
import test from 'ava';
import {
  checkProgram,
  type Graph,
  type GraphNode,
  ofSmall,
  plan,
  type Small,
  type SmallFunction,
  shadowRevealingEverything,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { encoded, evaluate, kernels, random } from './harness.js';

const UNIT = 2 ** -16;

/** Of every size that squares have in the default range, of either sign, and 0. */
function samples(n: number, top: number): Float32Array {
  const next = random(11);
  const values = Float32Array.from({ length: n }, (_, i) => (i % 2 ? -1 : 1) * UNIT * (top / UNIT) ** next());
  values.set([0, UNIT, 2 * UNIT, top, -top]);
  return values;
}

type Case = [SmallFunction, Omit<Small, 'v'>, number];

/** Function, factor, ε and least value; largest error, relative but for ln. */
const cases: Case[] = [
  ['rsqrt', { factor: 1, plus: 0, least: 0 }, 1.5e-4],
  ['rsqrt', { factor: 1 / 48, plus: 0, least: 1e-12 }, 1.5e-4],
  // ε itself has two bits here
  ['rsqrt', { factor: 1 / 768, plus: 1e-12, least: 0 }, 6e-3],
  ['rsqrt', { factor: 1, plus: 1e-5, least: 0 }, 1.5e-4],
  ['sqrt', { factor: 1, plus: 0, least: 0 }, 1.5e-4],
  ['sqrt', { factor: 1 / 768, plus: 1e-6, least: 0 }, 1.5e-4],
  ['log', { factor: 1, plus: 1e-7, least: 0 }, 1e-5],
  ['log', { factor: 0.1, plus: 1e-4, least: 0 }, 1e-5],
  ['reciprocal', { factor: 1, plus: 1e-5, least: 0 }, 1e-5],
  ['reciprocal', { factor: 1, plus: 0, least: 0.002 }, 1e-5],
];

const plain: Record<SmallFunction, (x: number) => number> = {
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  sqrt: Math.sqrt,
  log: Math.log,
};

for (const [kind, small, bar] of cases) {
  const of = `x²·${small.factor.toPrecision(3)} + ${small.plus} or ${small.least}`;
  test(`${kind} of ${of}: the error stated`, async (t) => {
    // Beyond 2^20 where the constant leaves no room for more
    const values = samples(6000, Math.min(16_000, 1000 / Math.sqrt(small.factor)));
    const x = encoded(values);
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => [
      ofSmall(e, kind, { v: e.square(v!), ...small }),
    ]);
    let worst = { off: 0, at: 0, got: 0, want: 0 };
    x.forEach((v, i) => {
      const operand = Math.max(v * v * small.factor + small.plus, small.least);
      const want = plain[kind](operand);
      if (operand === 0 && kind !== 'sqrt') return;
      const got = outputs[0]![i]!;
      const off = Math.abs(got - want) / (kind === 'log' || want === 0 ? 1 : Math.abs(want));
      if (!(off <= worst.off)) worst = { off, at: v, got, want };
    });
    t.log(worst);
    t.true(worst.off <= bar, JSON.stringify(worst));
  });
}

const rows = [16, 4];
const sums = [16, 1];
/** x/max(‖x‖, 1e-12) as it is recorded, of |x| to have something computed. */
const normalised: GraphNode[] = [
  { op: 'input', slot: 0, in: [], shape: rows },
  { op: 'abs', in: [0], shape: rows },
  { op: 'square', in: [1], shape: rows },
  { op: 'sum', axes: [1], in: [2], shape: sums },
  { op: 'sqrt', in: [3], shape: sums },
  { op: 'constant', values: [1e-12], in: [], shape: [] },
  { op: 'sub', in: [4, 5], shape: sums },
  { op: 'relu', in: [6], shape: sums },
  { op: 'add', in: [7, 5], shape: sums },
  { op: 'div', in: [1, 8], shape: rows },
];
const planned = (nodes: GraphNode[]) =>
  plan({ nodes, outputs: [nodes.length - 1] } satisfies Graph, suiteOf('exact'), [writtenTensor, writtenTensor], [0]);

test('every instruction of x over its norm agrees with its plaintext, for rows of all sizes', async (t) => {
  const { program } = planned(normalised);
  const values = samples(64, 9000).sort((a, b) => Math.abs(a) - Math.abs(b));
  const { violation, compared } = await shadowRevealingEverything(kernels, checkProgram(program), [
    encodeFixed(kernels, values, 16, 14),
  ]);
  t.is(violation?.message, undefined);
  t.true(compared > 20);
});

test('what has no small constant is planned as ever', (t) => {
  const shape = [16];
  const two: GraphNode[] = [
    { op: 'input', slot: 0, in: [], shape },
    { op: 'input', slot: 1, in: [], shape },
    { op: 'add', in: [0, 1], shape },
    { op: 'constant', values: [0.25], in: [], shape: [] },
    { op: 'add', in: [2, 3], shape },
  ];
  for (const op of ['rsqrt', 'sqrt', 'log'] as const) {
    const one = checkProgram(planned([...two.slice(0, 3), { op, in: [2], shape }]).program);
    const shifted = checkProgram(planned([...two, { op, in: [4], shape }]).program);
    t.is(one.cost.online, shifted.cost.online);
    t.is(one.program.instructions.find((i) => i.op === 'open')!.width, 37);
  }
});
