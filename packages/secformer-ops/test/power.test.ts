/** Powers of what is above 0 as scores of attention take them: a coarse comparison, and no more than ±128. */
import test from 'ava';
import { type Graph, reluPower, Watch } from '../src/index.js';
import { encoded, evaluate, uniform, worst } from './harness.js';
import { difference } from './planned.js';

const RESOLUTION = 2 ** -7;

test('powers of scores: right but for what lies a unit of the comparison below 0', async (t) => {
  const plus = 1.25;
  const values = uniform(30_000, -130, 126, 1);
  for (let i = 0; i < 10_000; i++) values[i] = values[i]! / 40;
  values.set([-plus, -plus - RESOLUTION, -plus - 2 ** -16, -plus + 2 ** -16, -128 - plus, 126.7, -250, 0]);
  const x = encoded(values);
  for (const p of [2, 4] as const) {
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => [
      reluPower(e, v!, p, plus, true),
    ]);
    const { max } = worst(outputs[0]!, (i) => {
      const v = x[i]! + plus;
      const want = Math.max(0, v) ** p;
      // A fourth power is right to 4e-5 of itself
      const slack = p === 4 ? 4e-5 * want : 0;
      const got = outputs[0]![i]!;
      return Math.abs(got - want) <= slack ? got : want;
    });
    t.true(max <= (p === 2 ? RESOLUTION ** 2 + 2 ** -15 : 1.3e-4), `power ${p}: ${max}`);
  }
});

test('what is above 0 of scores: off by 2^−11 just below 0, and else by their own rounding', async (t) => {
  const plus = 1.25;
  const values = uniform(20_000, -130, 126, 3);
  for (let i = 0; i < 10_000; i++) values[i] = -plus + (i - 5_000) / 2 ** 18;
  values.set([-plus, -plus - 2 ** -11, -plus - 2 ** -16, -128 - plus, 126.7, -250, 0]);
  const x = encoded(values);
  const { outputs, checked } = await evaluate([{ shape: [values.length], values }], (e, [v]) => [
    reluPower(e, v!, 1, plus, true),
  ]);
  let near = 0;
  outputs[0]!.forEach((got, i) => {
    const v = x[i]! + plus;
    if (v < 0 && v >= -(2 ** -11)) near = Math.max(near, Math.abs(got));
    else t.true(Math.abs(got - Math.max(0, v)) <= 2 ** -16, `${v}: ${got}`);
  });
  t.true(near <= 2 ** -11, String(near));
  // An opening, its comparison and the bit
  t.is(checked.cost.rounds, 3);
});

test('watched, each score is right or reported: from 128 on where its power is wrong, else from 512 on', async (t) => {
  const values = uniform(6_000, -1000, 1000, 5);
  values.set([
    0, 100, -127, 127.5, 128, 129, 180, 200, 255, -255, 260, -260, 300, -300, 383, -383, 500, -500, 520, -520,
  ]);
  const x = encoded(values);
  for (const p of [1, 2, 4] as const) {
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => {
      e.watch = new Watch();
      const out = reluPower(e, v!, p, 0, true);
      const bits = e.watch.operations.flatMap(([, of]) => of);
      return [out, ...bits.map((b) => e.emit('bitValue', [e.emit('openBits', [b])], { bits: 64 }))];
    });
    const [out, ...planes] = outputs;
    x.forEach((v, i) => {
      const said = planes.some((plane) => plane[i] !== 0);
      if (v >= (p === 1 ? 512 : 128) || v <= -512) t.true(said, `${v}^${p}`);
      if (v >= -256 && v < (p === 1 ? 256 : 127.9)) t.false(said, `${v}^${p}`);
      const want = Math.max(0, v) ** p;
      if (!said) t.true(Math.abs(out![i]! - want) <= 2e-4 + (p === 4 ? 4e-5 * want : 0), `${v}^${p}: ${out![i]}`);
    });
  }
});

/** Weights of rows of 128 over their number, times values; all weights at one key, at all of them, and none. */
for (const p of [2, 4] as const)
  test(`attention by a power of ${p} is right on flat rows, sharp ones and empty ones`, async (t) => {
    const [tokens, size] = [128, 16];
    const shape = [tokens, tokens];
    const graph: Graph = {
      nodes: [
        { op: 'input', slot: 0, in: [], shape },
        { op: 'input', slot: 1, in: [], shape: [tokens, size] },
        { op: p === 2 ? 'relu2' : 'relu4', plus: 1, scores: 1, in: [0], shape } as Graph['nodes'][number],
        { op: 'constant', values: [2 ** -11], in: [], shape: [] },
        { op: 'mul', in: [2, 3], shape },
        { op: 'matMul', transposeA: false, transposeB: false, weighs: true, in: [4, 1], shape: [tokens, size] },
      ],
      outputs: [5],
    };
    const scores = Float32Array.from({ length: tokens * tokens }, (_, i) => {
      const [row, key] = [Math.floor(i / tokens), i % tokens];
      if (row % 3 === 0) return 2;
      if (row % 3 === 1) return key === row ? 12 : -1.5;
      return -1 - 2 ** -6;
    });
    const off = await difference(graph, [scores, uniform(tokens * size, -3, 3, 2)]);
    t.true(off <= (p === 2 ? 3e-4 : 1.5e-2), String(off));
  });
