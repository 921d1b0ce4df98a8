import { encodeFixed, type Words } from '@secformer/ring';
import test from 'ava';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  encodePublic,
  evaluateGraph,
  type Graph,
  type InputState,
  minusPublic,
  ProgramBuilder,
  plan,
  plusPublic,
  runTogether,
  type ShareType,
  shadowRevealingEverything,
  sizeOf,
  suiteOf,
  timesPublic,
  weighed,
  writtenTensor,
} from '../src/index.js';
import { bertGraph } from './bert-graph.js';
import { kernels, normal, random, uniform } from './harness.js';

const digest = '0'.repeat(64);

/** A program of a share x and public tensors, and the words of all. */
function programOf(
  x: { shape: number[]; values: Float32Array },
  tensors: { shape: number[]; values: Float32Array }[],
  emit: (e: Emitter, x: number, p: number[]) => number,
): { checked: CheckedProgram; words: Words[] } {
  const builder = new ProgramBuilder();
  const share = builder.input({ kind: 'share', shape: x.shape, fracBits: 16, bits: 64, magnitude: 14 });
  const made = tensors.map(({ values }) => encodePublic(kernels, values, 'a tensor'));
  const ps = made.map(({ fracBits, magnitude }, i) =>
    builder.input({ kind: 'public', shape: tensors[i]!.shape, fracBits, magnitude, digest }),
  );
  const program = builder.build([emit(new Emitter(builder), share, ps)]);
  const checked = checkProgram(JSON.parse(JSON.stringify(program)));
  return { checked, words: [encodeFixed(kernels, x.values, 16, 14), ...made.map((m) => m.words)] };
}

type Case = [x: number[], p: number[], emit: (e: Emitter, x: number, p: number) => number];
const plain = { transposeA: false, transposeB: false };
const cases: Record<string, Case> = {
  'a product of matrices': [[5, 7], [7, 3], (e, x, p) => weighed(e, x, p, plain)],
  'of a batch by one matrix': [[2, 3, 5, 7], [7, 4], (e, x, p) => weighed(e, x, p, plain)],
  'of one matrix by a batch': [[5, 7], [3, 7, 4], (e, x, p) => weighed(e, x, p, plain)],
  'with the right side transposed': [[5, 7], [3, 7], (e, x, p) => weighed(e, x, p, { ...plain, transposeB: true })],
  'with the left side transposed': [[7, 5], [7, 3], (e, x, p) => weighed(e, x, p, { ...plain, transposeA: true })],
  'with the public side left': [[7, 3], [5, 7], (e, x, p) => weighed(e, x, p, { ...plain, left: true })],
  'of one row': [[1, 1], [1, 1], (e, x, p) => weighed(e, x, p, plain)],
  'of a view of a public tensor': [[5, 7], [3, 7], (e, x, p) => weighed(e, x, e.transpose(p, [1, 0]), plain)],
  'of a part of a public tensor': [[5, 4], [7, 3], (e, x, p) => weighed(e, x, e.slice(p, [2, 0], [4, 3]), plain)],
  'an elementwise product, broadcast': [[5, 7], [7], (e, x, p) => timesPublic(e, x, p)],
  'an elementwise product that is larger than the share': [[7], [5, 7], (e, x, p) => timesPublic(e, x, p)],
  'a sum, broadcast': [[5, 7], [7], (e, x, p) => plusPublic(e, x, p)],
  'a sum that is larger than the share': [[7], [3, 7], (e, x, p) => plusPublic(e, x, p)],
  'a difference': [[5, 7], [5, 7], (e, x, p) => minusPublic(e, x, p)],
  'a public tensor as a share': [[5, 7], [5, 7], (e, x, p) => e.add(x, e.emit('sharePublic', [p]))],
  'a product of a product': [
    [5, 7],
    [7, 7],
    (e, x, p) => weighed(e, plusPublic(e, weighed(e, x, p, plain), e.slice(p, [0, 0], [1, 7])), p, plain),
  ],
};

for (const [name, [xs, ps, emit]] of Object.entries(cases)) {
  const inputs = [
    { shape: xs, values: uniform(sizeOf(xs), -9, 9, 3) },
    { shape: ps, values: uniform(sizeOf(ps), -1, 1, 4) },
  ] as const;
  test(`agrees with its plaintext, instruction by instruction: ${name}`, async (t) => {
    const { checked, words } = programOf(inputs[0], [inputs[1]], (e, x, p) => emit(e, x, p[0]!));
    const { violation, compared, run } = await shadowRevealingEverything(kernels, checked, words);
    t.is(violation?.message, undefined);
    t.true(compared > 0);
    t.is(run.trace.rounds, checked.cost.rounds);
  });
}

test('products and sums with public tensors send nothing, draw nothing and are dealt nothing', async (t) => {
  const x = { shape: [64, 64], values: uniform(4096, -9, 9, 1) };
  const tensors = [
    { shape: [64, 32], values: uniform(2048, -1, 1, 2) },
    { shape: [32], values: uniform(32, -1, 1, 3) },
  ];
  const { checked, words } = programOf(x, tensors, (e, s, [w, b]) =>
    e.add(
      weighed(e, s, w!, plain),
      minusPublic(e, plusPublic(e, timesPublic(e, e.slice(s, [0, 0], [64, 32]), b!), b!), b!),
    ),
  );
  const { rounds, online, dealer } = checked.cost;
  t.deepEqual({ rounds, online, dealer }, { rounds: 0, online: 0, dealer: 0 });
  const run = await runTogether(kernels, checked, words);
  t.deepEqual(run.received, { p0: [], p1: [], material: [] });
});

test('what public tensors are is found out by neither party’s share of the result alone', async (t) => {
  // The share of the product is uniform as the share of the operand is: equal inputs give other shares each time
  const x = { shape: [4, 8], values: new Float32Array(32) };
  const { checked, words } = programOf(x, [{ shape: [8, 4], values: uniform(32, -1, 1, 2) }], (e, s, [w]) =>
    weighed(e, s, w!, plain),
  );
  const shares = async () => (await runTogether(kernels, checked, words)).shares(checked.program.outputs[0]!);
  const [a, b] = [await shares(), await shares()];
  for (const role of [0, 1] as const) t.notDeepEqual(a[role], b[role]);
});

test('every power of two and every end of a word is encoded as it is', (t) => {
  for (const top of [0, 2 ** -30, 2 ** -9, 0.9999999, 1, 1.5, 4095.9999, 16383.9]) {
    const values = Float32Array.of(top, -top, 0);
    const { fracBits, magnitude, words } = encodePublic(kernels, values, 'a tensor');
    const out = new Float64Array(3);
    kernels.decode(out, words, Math.max(1, fracBits + magnitude + 1), fracBits);
    for (const [i, v] of values.entries()) t.true(Math.abs(out[i]! - v) <= 2 ** -fracBits, `${v} as ${out[i]}`);
  }
  for (const v of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 15])
    t.throws(() => encodePublic(kernels, Float32Array.of(v), 'a tensor'), { code: 'VALUE_OUT_OF_RANGE' });
});

const input = { kind: 'public', shape: [2, 2], fracBits: 17, magnitude: 1, digest };
const share = { kind: 'share', shape: [2, 2], fracBits: 16, bits: 64, magnitude: 14 };
const withInput = (changes: object, instructions: object[] = []) => ({
  version: 1,
  inputs: [{ ...input, ...changes }, share],
  constants: [],
  instructions,
  outputs: [1],
  keeps: [],
});
const product = { op: 'matMulPublic', in: [1, 0], transposeA: false, transposeB: false, bits: 49, magnitude: 12 };

test('what is no public input, and what it cannot be used for, is refused', (t) => {
  t.notThrows(() => checkProgram(withInput({}, [product])));
  for (const [changes, message] of [
    [{ digest: 'abc' }, /inputs\.0\.digest/],
    [{ digest: undefined }, /inputs\.0\.digest/],
    [{ magnitude: 40 }, /needs 58 bits; public words have 49/],
    [{ shape: [2 ** 20, 2 ** 20] }, /an input of/],
  ] as const)
    t.throws(() => checkProgram(withInput(changes)), { code: 'BAD_PROGRAM', message });
  for (const [instruction, message] of [
    [{ ...product, in: [0, 0] }, /needs a share and a public tensor/],
    [{ ...product, in: [1, 1] }, /needs a share and a public tensor/],
    [{ ...product, bits: 65 }, /bits/],
    [{ ...product, magnitude: 30 }, /needs/],
    [{ op: 'timesPublic', in: [0, 1], magnitude: 14 }, /needs a share and a public tensor/],
    [{ op: 'addPublic', in: [1, 0], negative: false, magnitude: 14 }, /17 fractional bits to a share of 16/],
    [{ op: 'sharePublic', in: [1] }, /sharePublic of share/],
    [{ op: 'open', in: [0], shift: 0, width: 8, offsetLog: -1, share: 'none', bits: 0 }, /open needs one share/],
    [{ op: 'add', in: [0, 1], magnitude: 14 }, /needs two shares/],
  ] as const)
    t.throws(() => checkProgram(withInput({}, [instruction])), { code: 'BAD_PROGRAM', message });
  t.throws(() => checkProgram({ ...withInput({}), outputs: [0] }), { message: /only shares are revealed/ });
  t.throws(() => checkProgram({ ...withInput({}), keeps: [0] }), { message: /cannot be kept/ });
});

/** A BERT with slots from 1 on public, run and compared with floating point. */
async function bert(quad: boolean, gains: 'public' | 'secret') {
  const shape = { layers: 1, batch: 2, tokens: 5, hidden: 12, heads: 2, intermediate: 32 };
  const graph: Graph = bertGraph(shape, quad);
  const next = random(11);
  const inputs: Float32Array[] = [];
  const states: InputState[] = [];
  const words: Words[] = [];
  for (const node of graph.nodes) {
    if (node.op !== 'input') continue;
    const n = sizeOf(node.shape);
    const values = Float32Array.from({ length: n }, () => normal(next) * (node.slot === 0 ? 1 : 0.4));
    inputs[node.slot] = values;
    if (node.slot === 0 || (gains === 'secret' && node.shape.length === 1)) {
      states[node.slot] = writtenTensor;
      words[node.slot] = encodeFixed(kernels, values, 16, 14);
    } else {
      const { words: encoded, fracBits, magnitude } = encodePublic(kernels, values, 'a weight');
      states[node.slot] = { fracBits, magnitude, bits: 64, stored: [], digest };
      words[node.slot] = encoded;
    }
  }
  const planned = plan(graph, suiteOf(quad ? 'fast' : 'exact'), states, [0]);
  const checked = checkProgram(JSON.parse(JSON.stringify(planned.program)));
  const { violation, run } = await shadowRevealingEverything(
    kernels,
    checked,
    planned.bindings.map((b) => words[b.slot]!),
  );
  const want = evaluateGraph(
    graph,
    inputs.map((v) => Float64Array.from(v)),
  )[0]!;
  const out = checked.program.outputs[0]!;
  const type = checked.types[out] as ShareType;
  const got = new Float64Array(want.length);
  kernels.decode(got, run.reveal(out), type.bits, type.fracBits);
  const off = want.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i]!)), 0);
  const secret = plan(
    graph,
    suiteOf(quad ? 'fast' : 'exact'),
    inputs.map(() => writtenTensor),
    [0],
  );
  const opened = planned.keeps.filter((k) => k.kind === 'opened' && states[k.slot]!.digest !== undefined);
  return { violation, off, opened, checked, secret: checkProgram(secret.program) };
}

for (const [name, quad, gains] of [
  ['exact', false, 'public'],
  ['fast', true, 'public'],
  ['exact, of which gains and biases are secret', false, 'secret'],
] as const)
  test(`a BERT of public weights is what it is in floating point, for less: ${name}`, async (t) => {
    const { violation, off, opened, checked, secret } = await bert(quad, gains);
    t.is(violation?.message, undefined);
    t.true(off < 3e-4, String(off));
    t.true(checked.cost.rounds < secret.cost.rounds, `${checked.cost.rounds} of ${secret.cost.rounds}`);
    t.true(checked.cost.online < secret.cost.online);
    t.deepEqual(opened, []);
  });
