import { encodeFixed } from '@secformer/ring';
import test from 'ava';
import { attend } from '../src/compose/softmax.js';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  elementwise,
  evaluateGraph,
  exactSoftmax,
  functionOf,
  type Graph,
  layerNorm,
  logSoftmax,
  maxWithIndex,
  normalise,
  oneHotOf,
  type Program,
  ProgramBuilder,
  plan,
  primitives,
  probabilities,
  quadSoftmax,
  runPlain,
  shadowRevealingEverything,
  suiteOf,
  suites,
  topK,
  writtenTensor,
} from '../src/index.js';
import { watchedCompositions } from './compositions.js';
import { encoded, kernels, uniform } from './harness.js';

function programOf(shape: number[], emit: (e: Emitter, x: number) => number): CheckedProgram {
  const builder = new ProgramBuilder();
  const x = builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 14 });
  return checkProgram(builder.build([emit(new Emitter(builder), x)]));
}

/** Values for rows of 40 weights. */
const columns = (e: Emitter, x: number) => e.reshape(x, [40, 6]);

const compositions: Record<string, [[number, number], (e: Emitter, x: number) => number]> = {
  ...Object.fromEntries(
    Object.entries(elementwise).map(([op, p]) => [
      op,
      [
        [Math.max(p.domain[0], -90), Math.min(p.domain[1], 90)],
        (e: Emitter, x: number) => p.emit(e, x, functionOf(op)!.parameters ?? {}),
      ],
    ]),
  ),
  ...Object.fromEntries(
    Object.values(suites).flatMap((s): [string, [[number, number], (e: Emitter, x: number) => number]][] => [
      [`${s.name} gelu`, [s.ranges?.gelu ?? [-90, 90], (e, x) => s.gelu(e, x, 'erf')]],
      [`${s.name} layerNorm`, [[-7, 7], (e, x) => s.layerNorm(e, x, 1e-12)]],
      [
        `${s.name} softmax`,
        [
          [-4, 4],
          (e, x) => {
            return probabilities(s, e, x);
          },
        ],
      ],
    ]),
  ),
  topK: [[-9, 9], (e, x) => topK(e, x, 3).values],
  argMax: [[-9, 9], (e, x) => maxWithIndex(e, x, true).index!],
  logSoftmax: [[-9, 9], (e, x) => logSoftmax(e, x)],
  'logSoftmax of a product': [[-2, 2], (e, x) => logSoftmax(e, e.matMul(x, x, false, true))],
  cumSum: [[-9, 9], (e, x) => e.cumSum(x, false, true)],
  product: [[-9, 9], (e, x) => e.truncated(e.matMul(x, x, false, true))],
  'product of a product': [[-2, 2], (e, x) => e.truncated(e.matMul(e.truncated(e.matMul(x, x, false, true)), x))],
  attention: [[-2, 2], (e, x) => attend(e, exactSoftmax(e, e.truncated(e.matMul(x, x, false, true))), x, false)],
  'attention before a public tensor': [
    [-2, 2],
    (e, x) => attend(e, exactSoftmax(e, x, true, true), columns(e, x), false),
  ],
  '2Quad with a mask': [
    [-2, 2],
    (e, x) => {
      const mask = e.constantShare(
        Array.from({ length: 40 }, (_, i) => (i < 30 ? 1 : 0)),
        [40],
        16,
      );
      return normalise(e, quadSoftmax(e, x, 5, mask));
    },
  ],
  '2Quad before a public tensor': [
    [-2, 2],
    (e, x) => attend(e, quadSoftmax(e, x, 5, undefined, true), columns(e, x), false),
  ],
  'softmax of a product': [[-2, 2], (e, x) => normalise(e, exactSoftmax(e, e.matMul(x, x, false, true)))],
  'softmax in few rounds': [[-9, 9], (e, x) => normalise(e, exactSoftmax(e, e.reshape(x, [3, 80]), true))],
  'operand of a norm': [[-9, 9], (e, x) => e.emit('unwrap', [e.operand(layerNorm(e, x, 1e-12, true))])],
  'one-hot rows': [[-9, 9], (e, x) => oneHotOf(e, suites.exact!, maxWithIndex(e, x, true).index!, 40, [0, 39])],
  'elements by place': [[-9, 9], (e, x) => e.pick(x, [3, 17, -1, 200, 3], [5])],
  'a digest of what is watched': [[-9, 9], (e, x) => watchedCompositions['gelu, watched']!(e, x).at(-1)!],
};

/** Of client's indices: see buckets.test.ts; of public tensors: see public.test.ts. */
const ELSEWHERE = ['bucketSums', 'matMulPublic', 'timesPublic', 'addPublic', 'sharePublic'];

test('every instruction is among them', (t) => {
  const emitted = new Set(
    Object.values(compositions).flatMap(([, emit]) =>
      programOf([6, 40], emit).program.instructions.map(({ op }) => op),
    ),
  );
  t.deepEqual(
    [...primitives.keys()].filter((op) => !emitted.has(op) && !ELSEWHERE.includes(op)),
    [],
  );
});

for (const [name, [range, emit]] of Object.entries(compositions)) {
  test(`every instruction agrees with its plaintext: ${name}`, async (t) => {
    const checked = programOf([6, 40], emit);
    const values = uniform(240, ...range, 5);
    const { violation, compared } = await shadowRevealingEverything(kernels, checked, [
      encodeFixed(kernels, values, 16, 14),
    ]);
    t.is(violation?.message, undefined);
    t.true(compared > 0);
  });

  test(`the plaintext interpreter agrees with the shares: ${name}`, async (t) => {
    const checked = programOf([6, 40], emit);
    const values = uniform(240, ...range, 6);
    const { run } = await shadowRevealingEverything(kernels, checked, [encodeFixed(kernels, values, 16, 14)]);
    const out = checked.program.outputs[0]!;
    const plain = runPlain(checked, [encoded(values)])[out]!;
    const type = checked.types[out]! as { bits: number; fracBits: number };
    const got = new Float64Array(plain.length);
    kernels.decode(got, run.reveal(out), type.bits, type.fracBits);
    const off = plain.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i]!) / Math.max(1, Math.abs(v))), 0);
    t.true(off < 2e-3, String(off));
  });
}

test('a value beyond its claimed range is named with the instruction, and what was seen', async (t) => {
  const checked = programOf([4], (e, x) => e.truncated(e.square(e.reinterpret(x, 16, 5))));
  const { violation } = await shadowRevealingEverything(kernels, checked, [
    encodeFixed(kernels, Float32Array.of(1, 2, 3, 77.5), 16, 14),
  ]);
  t.is(violation?.kind, 'range');
  t.regex(
    violation!.message,
    /instruction 0 \(affine\): 1 of 4 values leave its range -32 to 32; they reach from .* to 77.5/,
  );
});

test('a divisor below the domain of a reciprocal is noticed', async (t) => {
  const checked = programOf([4], elementwise.reciprocal.emit.bind(undefined) as never);
  const { violation } = await shadowRevealingEverything(kernels, checked, [
    encodeFixed(kernels, Float32Array.of(1, 2, 3, 2 ** -15), 16, 14),
  ]);
  t.is(violation?.kind, 'range');
});

test.serial('a protocol that computes something else is noticed', async (t) => {
  const checked = programOf([64], (e, x) => suiteOf('exact').gelu(e, x, 'erf'));
  const trig = primitives.get('trig')! as unknown as {
    finish: (c: { kernels: typeof kernels }) => { share: BigUint64Array };
  };
  const original = trig.finish;
  trig.finish = (c) => {
    const made = original(c);
    made.share[7] = made.share[7]! + (1n << 30n);
    return made;
  };
  try {
    const { violation } = await shadowRevealingEverything(kernels, checked, [
      encodeFixed(kernels, uniform(64, -4, 4, 1), 16, 14),
    ]);
    t.is(violation?.kind, 'error');
    t.is(violation?.op, 'trig');
    t.is(violation?.count, 1);
  } finally {
    trig.finish = original;
  }
});

const nodes: Graph['nodes'] = [
  { op: 'input', slot: 0, in: [], shape: [8, 16] },
  { op: 'input', slot: 1, in: [], shape: [16, 24] },
  { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [8, 24] },
  { op: 'gelu', form: 'erf', in: [2], shape: [8, 24] },
];
const graph: Graph = { nodes, outputs: [3] };

test('ranges that calibration has seen make openings narrower, and the answer stays', async (t) => {
  const values = [uniform(128, -1, 1, 1), uniform(384, -1, 1, 2)];
  const states = [writtenTensor, { ...writtenTensor, stored: [] }];
  const usual = plan(graph, suiteOf('exact'), states, [0]);
  const ranges = [
    [-1, 1],
    [-1, 1],
    [-7, 7],
    [-0.2, 7],
  ] as [number, number][];
  const narrow = plan(graph, suiteOf('exact'), states, [0], [], ranges);
  const cost = (p: Program) => checkProgram(p).cost;
  t.true(cost(narrow.program).online < cost(usual.program).online - 150);
  const { violation, run } = await shadowRevealingEverything(
    kernels,
    checkProgram(narrow.program),
    narrow.bindings.map((b) => encodeFixed(kernels, values[b.slot]!, 16, 14)),
  );
  t.is(violation?.message, undefined);
  const want = evaluateGraph(graph, values.map(encoded))[0]!;
  const out = narrow.program.outputs[0]!;
  const type = run.types[out]! as { bits: number; fracBits: number };
  const got = new Float64Array(want.length);
  kernels.decode(got, run.reveal(out), type.bits, type.fracBits);
  t.true(want.reduce((worst, v, i) => Math.max(worst, Math.abs(v - got[i]!)), 0) < 3e-4);
});

test('values beyond the default range are carried where calibration has seen them', async (t) => {
  const wide: Graph = {
    nodes: [...nodes.slice(0, 3), { op: 'mul', in: [2, 2], shape: [8, 24] }, { op: 'add', in: [3, 3], shape: [8, 24] }],
    outputs: [4],
  };
  const values = [uniform(128, -90, 90, 1), uniform(384, -90, 90, 2)];
  const want = evaluateGraph(wide, values.map(encoded))[0]!;
  const bound = 2 ** 31;
  const ranges = [90, 90, 2 ** 15, bound / 4, bound / 2].map((v): [number, number] => [-v, v]);
  const planned = plan(wide, suiteOf('exact'), [writtenTensor, writtenTensor], [0], [], ranges);
  const { violation, run } = await shadowRevealingEverything(
    kernels,
    checkProgram(planned.program),
    planned.bindings.map((b) => encodeFixed(kernels, values[b.slot]!, 16, 14)),
  );
  t.is(violation?.message, undefined);
  const out = planned.program.outputs[0]!;
  const type = run.types[out]! as { bits: number; fracBits: number };
  const got = new Float64Array(want.length);
  kernels.decode(got, run.reveal(out), type.bits, type.fracBits);
  t.true(want.some((v) => v > 2 ** 22));
  t.true(want.reduce((worst, v, i) => Math.max(worst, Math.abs(v / got[i]! - 1)), 0) < 1e-2);
});

test('a range that no protocol holds is refused with the operation, what was seen and what it holds', (t) => {
  const ranges = [
    [-90, 90],
    [-90, 90],
    [-5000, 5000],
    [-0.2, 5000],
  ] as [number, number][];
  t.throws(() => plan(graph, suiteOf('exact'), [writtenTensor, writtenTensor], [0], [], ranges), {
    code: 'BAD_PROGRAM',
    message: /node 3 \(gelu\): its input reaches from -5000 to 5000, suite 'exact' holds -2032 to 2032/,
  });
  const division: Graph = { nodes: [nodes[0]!, { op: 'reciprocal', in: [0], shape: [8, 16] }], outputs: [1] };
  t.throws(
    () =>
      plan(
        division,
        suiteOf('exact'),
        [writtenTensor],
        [0],
        [],
        [
          [-1, 1],
          [-5, 5],
        ],
      ),
    { message: /its divisor reaches/ },
  );
});
