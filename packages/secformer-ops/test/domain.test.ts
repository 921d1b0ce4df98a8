import test from 'ava';
import {
  checkProgram,
  Emitter,
  elementwise,
  exactSoftmax,
  type Graph,
  gelu,
  layerNorm,
  logSoftmax,
  normalise,
  ProgramBuilder,
  plan,
  quadSoftmax,
  relu,
  suiteOf,
  suites,
  Watch,
  writtenTensor,
} from '../src/index.js';
import { DIGEST_BITS } from '../src/protocols/digest.js';
import { type Compose, cases, computed } from './domain-cases.js';
import { encoded, evaluate, type Input, normal, random, uniform } from './harness.js';

/** Which elements (or rows) an operation reports: a plane a bit, for each run. */
async function reported(input: Input, compose: Compose): Promise<{ out: Float64Array; planes: Float64Array[] }> {
  const { outputs } = await evaluate([input], (e, [x]) => {
    e.watch = new Watch();
    const out = compose(e, x!);
    const bits = e.watch.operations.flatMap(([, of]) => of);
    return [out, ...bits.map((b) => e.emit('bitValue', [e.emit('openBits', [b])], { bits: 64 }))];
  });
  const [out, ...planes] = outputs;
  return { out: out!, planes };
}

/** Is element i reported by any of the bits that belong to it or to its row? */
const says = (planes: Float64Array[], i: number, n: number) =>
  planes.some((p) => p[Math.floor((i * p.length) / n)] !== 0);

const vector = (values: number[]): Input => ({ shape: [values.length], values: Float32Array.from(values) });
/** Each value many times: whether a value near an edge is reported is a matter of its mask. */
const many = (values: number[], times = 100) => vector(values.flatMap((v) => Array<number>(times).fill(v)));

for (const [name, { compose, within, beyond }] of Object.entries(cases))
  test(`what leaves the domain is reported, and nothing within: ${name}`, async (t) => {
    for (const [values, want] of [
      [within, false],
      [beyond, true],
    ] as const) {
      const input = many(values);
      const { planes } = await reported(input, computed(compose));
      t.true(planes.length > 0 || beyond.length === 0);
      const wrong = input.values.findIndex((_, i) => says(planes, i, input.values.length) !== want);
      t.is(wrong, -1, `${input.values[wrong]} is ${want ? 'not ' : ''}reported`);
    }
  });

test('right or reported: a lift up to 2.5 times its range, and a window up to where it is reported', async (t) => {
  const check = async (values: Float32Array, compose: Compose, want: (x: number) => number, error: number) => {
    const x = encoded(values);
    const { out, planes } = await reported({ shape: [values.length], values }, compose);
    let quiet = 0;
    out.forEach((v, i) => {
      if (says(planes, i, x.length)) return;
      quiet++;
      t.true(Math.abs(v - want(x[i]!)) <= error, `${v} for ${want(x[i]!)} at ${x[i]}`);
    });
    t.true(quiet > 0 && quiet < x.length);
  };
  // Claimed to stay below 2^12, which it does not
  const claim: Compose = (e, x) => relu(e, e.reinterpret(e.times64(x, 1), 16, 12));
  await check(uniform(20_000, -(2.5 * 4096), 2.5 * 4096, 1), claim, (x) => Math.max(0, x), 0);
  const geluOf = (x: number) => Math.max(0, x);
  const far = uniform(20_000, -4091, 4091, 2).map((v) => (Math.abs(v) < 5 ? 5 : v));
  await check(
    far,
    computed((e, x) => gelu(e, x)),
    geluOf,
    5e-5,
  );
});

const rowsOf = (rows: number[][]): Input => ({
  shape: [rows.length, rows[0]!.length],
  values: Float32Array.from(rows.flat()),
});

test('rows of softmax: their spread, wherever they lie', async (t) => {
  const within = [
    [0, 0, 0],
    [1023, 0, -1023],
    [3000, 2999, 953],
    [-16384, -14337, -16384],
    [16384, 16383, 14338],
  ];
  const beyond = [
    [1500, 0, -1500],
    [0, 0, -10_000],
    [12_000, 0, -2000],
    [0, 2561.5, 0],
    [7000, -7000, 0],
    [-16384, -2600, -2600],
  ];
  const softmaxes = [false, true].map(
    (fewRounds): Compose =>
      (e, x) =>
        normalise(e, exactSoftmax(e, x, fewRounds)),
  );
  for (const compose of [...softmaxes, logSoftmax]) {
    for (const [rows, want] of [
      [within, false],
      [beyond, true],
    ] as const) {
      const repeated = Array.from({ length: 30 }, () => rows).flat();
      const { out, planes } = await reported(rowsOf(repeated), compose);
      repeated.forEach((row, i) => {
        const said = planes.some((p) => p.subarray(3 * i, 3 * i + 3).some((b) => b !== 0));
        t.is(said, want, `${row}`);
      });
      if (!want && compose !== logSoftmax)
        t.deepEqual(
          [...out.subarray(6, 9)].map((v) => Math.round(1000 * v)),
          [731, 269, 0],
        );
    }
  }
});

test('rows of 2Quad: scores, and their sum', async (t) => {
  const weigh: Compose = (e, x) => normalise(e, quadSoftmax(e, x, 5));
  const say = async (rows: number[][]) =>
    (await reported(rowsOf(rows), computed(weigh))).planes.some((p) => p.some((b) => b !== 0));
  t.false(
    await say([
      [0, 1, 2],
      [-5, -4.6, -5],
      [2000, -2000, 0],
    ]),
  );
  t.true(await say([[-5, -5.1, -5]]));
  t.true(await say([[4200, 0, 0]]));
  t.true(await say([[-16000, 0, 0]]));
  // Sums of 2^25.4 and 2^28
  for (const v of [300, 750]) t.true(await say([Array<number>(500).fill(v)]));
});

test('rows of 2Quad with a mask: scores beyond the domain are reported where the mask has zeros too', async (t) => {
  const weigh: Compose = (e, x) => normalise(e, quadSoftmax(e, x, 5, e.constantShare([1, 1, 0], [3], 0)));
  const say = async (row: number[]) =>
    (await reported(rowsOf([row]), computed(weigh))).planes.some((p) => p.some((b) => b !== 0));
  t.false(await say([0, 1, 2000]));
  t.true(await say([0, 1, 4200]));
  t.true(await say([0, 1, -4200]));
  // Σ is that of what is left
  t.true(await say([-5, -5.1, 9]));
});

/** A row of this variance around a mean. */
function row(h: number, variance: number, mean: number, seed: number): number[] {
  const next = random(seed);
  const drawn = Array.from({ length: h }, () => normal(next));
  const m = drawn.reduce((a, b) => a + b, 0) / h;
  const v = drawn.reduce((a, b) => a + (b - m) ** 2, 0) / h;
  return drawn.map((x) => mean + (x - m) * Math.sqrt(variance / v));
}

test('rows of LayerNorm: their variance, too large and too small, whatever the mean', async (t) => {
  const norm: Compose = (e, x) => layerNorm(e, x, 1e-12);
  for (const h of [16, 100, 768]) {
    const top = 2 ** 31 / h ** 2;
    // What leaves ±16,384 is told apart
    const most = Math.min(2 ** 32 / h, 4000 ** 2);
    const variances = [
      0,
      1e-5,
      0.3,
      0.5 * top,
      0.985 * top,
      1.002 * top,
      2 * top,
      1e5,
      1e6,
      0.9 * most,
      1e-6,
      1e-7 * 2,
    ].filter((v) => v < most);
    const rows = variances.flatMap((v, i) =>
      [0, -50, 900].map((mean) => ({ v, values: row(h, v, v > 1e4 ? 0 : mean, i) })),
    );
    const { planes } = await reported(rowsOf(rows.map((r) => r.values)), computed(norm));
    rows.forEach(({ v }, i) => {
      const outside = v > top || (v > 1.5e-7 && v < 7e-6);
      const said = planes.some((p) => p.length === rows.length && p[i] !== 0);
      t.is(said, outside, `variance ${v} of ${h} values (${i})`);
    });
  }
});

test('a digest is zero where no bit is set, and not zero where one is, wherever', async (t) => {
  for (const n of [1, 5, 31, 32, 33, 64, 65, 200]) {
    for (const at of [-1, 0, n >> 1, n - 1]) {
      const values = Array.from({ length: n }, (_, i) => (i === at ? -1 : 1));
      const { outputs } = await evaluate([vector(values)], (e, [x]) => {
        const bits = e.emit('compare', [e.lifted(x!)], { position: 0, window: 32, thresholds: ['0', '-655360'] });
        let v = bits;
        do v = e.emit('combine', [v]);
        while (e.type(v).kind === 'chunks');
        return [e.emit('digest', [v, e.emit('planes', [v], { from: 1, count: 1 })])];
      });
      t.is(outputs[0]!.length, DIGEST_BITS);
      t.is(
        outputs[0]!.some((b) => b !== 0),
        at >= 0,
        `${n} bits, that at ${at} set`,
      );
    }
  }
});

test('a digest tells no more than that: of one bit and of many it is as random', async (t) => {
  const counts = async (values: number[]) => {
    const ones = new Float64Array(DIGEST_BITS);
    for (let run = 0; run < 60; run++) {
      const { outputs } = await evaluate([vector(values)], (e, [x]) => {
        e.watch = new Watch();
        elementwise.log.emit(e, x!, {});
        return e.watch.operations.map(([, bits]) => e.emit('digest', bits));
      });
      outputs[0]!.forEach((b, j) => {
        ones[j]! += Number(b !== 0);
      });
    }
    return ones;
  };
  for (const values of [
    [1, -1, 1, 1],
    [-1, -1, -1, -1],
  ]) {
    const ones = await counts(values);
    // 60 tosses: six deviations either way
    t.true(
      ones.every((n) => n >= 7 && n <= 53),
      `${ones}`,
    );
  }
});

/** softmax(x·w) ∘ log(y) + 1/z */
const model: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 3] },
    { op: 'input', slot: 1, in: [], shape: [3, 3] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [2, 3] },
    { op: 'softmax', in: [2], shape: [2, 3] },
    { op: 'log', in: [0], shape: [2, 3] },
    { op: 'mul', in: [3, 4], shape: [2, 3] },
    { op: 'reciprocal', in: [0], shape: [2, 3] },
    { op: 'add', in: [5, 6], shape: [2, 3] },
  ],
  outputs: [7],
};

test('a plan names the operations that it watches, and is what it was where nothing is watched', (t) => {
  const states = [writtenTensor, writtenTensor];
  const of = (watched?: boolean) => plan(model, suiteOf('exact'), states, [0], [], undefined, { watched });
  const [unwatched, watched] = [of(), of(true)];
  t.deepEqual(of(false), unwatched);
  t.deepEqual(unwatched.checks, []);
  t.is(unwatched.program.outputs.length, 1);
  t.is(watched.program.outputs.length, 1 + watched.checks.length);
  for (const [node, op] of [
    [3, 'softmax'],
    [4, 'log'],
    [6, 'reciprocal'],
  ]) {
    t.true(
      watched.checks.some((c) => c.node === node && c.op === op && c.shape.join() === '2,3'),
      `${op}`,
    );
  }
  const [a, b] = [unwatched, watched].map(({ program }) => checkProgram(program).cost);
  t.is(a!.rounds, b!.rounds);
});

test('of a graph of very many operations some are watched together', (t) => {
  const count = 3000;
  const nodes: Graph['nodes'] = [{ op: 'input', slot: 0, in: [], shape: [1] }];
  for (let i = 0; i < count; i++)
    nodes.push({ op: 'relu', in: [2 * i], shape: [1] }, { op: 'neg', in: [2 * i + 1], shape: [1] });
  const { checks, program } = plan(
    { nodes, outputs: [2 * count] },
    suiteOf('exact'),
    [writtenTensor],
    [0],
    [],
    undefined,
    { watched: true },
  );
  t.true(checks.length > 900 && checks.length <= 1024);
  t.is(program.outputs.length, 1 + checks.length);
  checks.forEach(({ node, upTo }, i) => {
    t.true(upTo! > node && (i === 0 || node > checks[i - 1]!.upTo!));
  });
});

test('no suite takes a round more for being watched', (t) => {
  for (const suite of Object.values(suites)) {
    const cost = (watched: boolean) => {
      const builder = new ProgramBuilder();
      const e = new Emitter(builder);
      if (watched) e.watch = new Watch();
      const x = builder.input({ kind: 'share', shape: [4, 64], fracBits: 16, bits: 64, magnitude: 14 });
      const made = suite.softmax(e, x);
      const outs = [
        typeof made === 'number' ? made : normalise(e, made),
        suite.gelu(e, x, 'erf'),
        suite.layerNorm(e, x, 1e-5),
      ];
      return checkProgram(
        builder.build([...outs, ...(e.watch?.operations ?? []).map(([, bits]) => e.emit('digest', bits))]),
      ).cost.rounds;
    };
    t.is(cost(true), cost(false), suite.name);
  }
});

test('an interval that its bits cannot tell is refused', (t) => {
  const build = (a: Record<string, unknown>) => () => {
    const builder = new ProgramBuilder();
    const e = new Emitter(builder);
    const opened = e.lifted(builder.input({ kind: 'share', shape: [4], fracBits: 16, bits: 64, magnitude: 14 }));
    return e.emit('outside', [opened], { position: 20, bits: 4, origin: '0', count: 8, ...a });
  };
  t.notThrows(build({}));
  t.throws(build({ position: 29 }), { code: 'BAD_PROGRAM', message: /bits 29 to 32/ });
  t.throws(build({ bits: 3, count: 7 }), { code: 'BAD_PROGRAM', message: /7 in 2\^3/ });
  t.throws(build({ count: 15 }), { code: 'BAD_PROGRAM' });
  t.throws(build({ bits: 5 }), { code: 'BAD_PROGRAM' });
});
