/**
 * What is added to scores below a softmax, and what multiplies 2Quad's squares: right whatever it holds, under every
 * suite.
 */
import { suiteOf, suites } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure, lastRun } from '../src/index.js';
import { sample } from './harness.js';

test.serial.afterEach.always(() => configure({}));

const x = () => tf.tensor2d(sample(12, -1, 1), [3, 4]);
const w = () => tf.tensor2d(sample(32, -1, 1, 7), [4, 8]);
const scoresOf = () => {
  const [a, b] = [sample(12, -1, 1), sample(32, -1, 1, 7)];
  return Array.from({ length: 3 }, (_, r) =>
    Float64Array.from({ length: 8 }, (_, c) => [0, 1, 2, 3].reduce((s, k) => s + a[4 * r + k]! * b[8 * k + c]!, 0)),
  );
};
const floats = (values: number[]) => tf.tensor1d(values);
/** Of whole numbers, which makes it local. */
const mask = (bits: number[], far: number) => tf.mul(tf.sub(1, tf.cast(tf.tensor1d(bits, 'int32'), 'float32')), far);

const full = Array<number>(8).fill(1);
const padded = [1, 1, 1, 1, 1, 0, 0, 0];
const biases = [0.5, -0.25, 1, 0, -1.5, 2, 0.125, -0.75];

/** What is added, and its values. */
const addends: Record<string, { add: () => tf.Tensor; values: number[] }> = {
  'a bias': { add: () => floats(biases), values: biases },
  'a mask': { add: () => mask(padded, -10_000), values: padded.map((v) => (v ? 0 : -10_000)) },
  'a mask of −1e9': { add: () => mask(padded, -1e9), values: padded.map((v) => (v ? 0 : -1e9)) },
  'a mask of nothing': { add: () => mask(full, -1e9), values: full.map(() => 0) },
  'biases and a mask in one': {
    add: () => floats(biases.map((v, i) => (i % 3 === 1 ? -1e9 : v))),
    values: biases.map((v, i) => (i % 3 === 1 ? -1e9 : v)),
  },
  'a bias of one number': { add: () => tf.tensor1d([0.75]), values: full.map(() => 0.75) },
};

function expected(suite: string, values: number[]): number[] {
  const { functions, quadratic } = suiteOf(suite);
  return scoresOf().flatMap((row) => {
    const there = Array.from(row, (_, i) => values[i]! > -1000);
    if (!quadratic) return Array.from(functions.softmax(row.map((s, i) => s + Math.max(-1000, values[i]!))));
    const p = Array.from(row, (s, i) => (there[i] ? (s + values[i]! + 5) ** 2 : 0));
    const total = p.reduce((a, b) => a + b);
    return p.map((v) => v / total);
  });
}

/** The systems' own approximations are tested elsewhere; here a wrong mask would be off by a tenth. */
const BARS: Record<string, number> = {
  exact: 1e-4,
  fast: 2e-4,
  secformer: 2e-3,
  mpcformer: 2e-3,
  'mpcformer-2relu': 4e-3,
  puma: 0.02,
  crypten: 0.02,
};

async function worst(y: tf.Tensor, want: number[]): Promise<number> {
  const got = await y.data();
  return want.reduce((top, v, i) => Math.max(top, Math.abs(v - got[i]!)), 0);
}

for (const suite of Object.keys(suites)) {
  test.serial(`what is added below a softmax is right under suite ${suite}`, async (t) => {
    configure({ suite });
    for (const [name, { add, values }] of Object.entries(addends)) {
      const forms: Record<string, () => tf.Tensor> = {
        'scores + it': () => tf.add(tf.matMul(x(), w()), add()),
        'it + scores': () => tf.add(add(), tf.matMul(x(), w())),
        'scores − its opposite': () => tf.sub(tf.matMul(x(), w()), tf.neg(add())),
        'it − the opposite of scores': () => tf.sub(add(), tf.matMul(tf.neg(x()), w())),
      };
      for (const [form, f] of Object.entries(forms)) {
        // A written float's opposite is a result, and no longer the caller's own
        if (form === 'scores − its opposite' && /bias/.test(name)) continue;
        const off = await worst(
          tf.tidy(() => tf.softmax(f())),
          expected(suite, values),
        );
        t.true(off < BARS[suite]!, `${name}, ${form}: off by ${off}`);
      }
    }
  });
}

test.serial('two tensors that the caller wrote, one of them a mask', async (t) => {
  const s = scoresOf().flatMap((row) => Array.from(row));
  const written = () => tf.tensor2d(s, [3, 8]);
  for (const suite of ['exact', 'fast']) {
    configure({ suite, fold: false });
    for (const f of [() => tf.add(written(), mask(padded, -1e9)), () => tf.add(mask(padded, -1e9), written())]) {
      const off = await worst(
        tf.tidy(() => tf.softmax(f())),
        expected(suite, addends['a mask of −1e9']!.values),
      );
      t.true(off < 1e-3, `${suite}: off by ${off}`);
    }
    const off = await worst(
      tf.tidy(() => tf.softmax(tf.add(written(), floats(biases)))),
      expected(suite, biases),
    );
    t.true(off < 1e-3, `${suite}: off by ${off}`);
  }
});

test.serial('a row that is far below 0 as a whole is no row of masks', async (t) => {
  for (const suite of ['exact', 'puma', 'crypten']) {
    configure({ suite });
    for (const values of [biases.map((v) => v - 900), biases.map((v) => v - 5000), full.map(() => -10_000)]) {
      const top = Math.max(...values);
      const off = await worst(
        tf.tidy(() => tf.softmax(tf.add(tf.matMul(x(), w()), floats(values)))),
        expected(
          suite,
          values.map((v) => v - top),
        ),
      );
      t.true(off < BARS[suite]! + 5e-4, `${suite}, ${values[0]}: off by ${off}`);
    }
  }
  configure({ suite: 'exact' });
  // Only the rows of a mask for each row of scores are looked at, each for itself
  const rows = [biases.map((v) => v - 900), padded.map((v) => (v ? 0 : -1e9)), biases];
  const want = rows.flatMap((row, r) => {
    const top = Math.max(...row);
    return expected(
      'exact',
      row.map((v) => v - top),
    ).slice(8 * r, 8 * r + 8);
  });
  t.true(
    (await worst(
      tf.tidy(() => tf.softmax(tf.add(tf.matMul(x(), w()), tf.tensor2d(rows)))),
      want,
    )) < 5e-4,
  );
});

const ops = () => lastRun()!.perOp.map((o) => o.op);
const squares = (of: () => tf.Tensor) => () =>
  tf.tidy(() => {
    const p = tf.mul(tf.square(tf.add(tf.matMul(x(), w()), 5)), of());
    return tf.div(p, tf.sum(p, -1, true));
  });

test.serial('a mask of 2Quad in plain operations is one by how it was written, not by what it holds', async (t) => {
  const bits = (values: number[]) => () => tf.cast(tf.tensor1d(values, 'int32'), 'float32');
  for (const values of [padded, full]) {
    t.true(
      (await worst(
        squares(bits(values))(),
        expected(
          'fast',
          values.map((v) => (v ? 0 : -1e9)),
        ),
      )) < 2e-4,
    );
    t.true(ops().includes('quad'));
  }
  t.true(
    (await worst(
      squares(() => tf.tensor1d(padded, 'bool'))(),
      expected(
        'fast',
        padded.map((v) => (v ? 0 : -1e9)),
      ),
    )) < 2e-4,
  );
  t.true(ops().includes('quad'));
  // A float factor may hold anything
  const factors = [1, 0, 0.5, 1, 2, 0, 1, 0.25];
  const weighted = scoresOf().flatMap((row) => {
    const p = Array.from(row, (s, i) => (s + 5) ** 2 * factors[i]!);
    const total = p.reduce((a, b) => a + b);
    return p.map((v) => v / total);
  });
  t.true((await worst(squares(() => floats(factors))(), weighted)) < 1e-3);
  t.false(ops().includes('quad'));
  t.true(
    (await worst(
      squares(() => floats(padded))(),
      expected(
        'fast',
        padded.map((v) => (v ? 0 : -1e9)),
      ),
    )) < 1e-3,
  );
  t.false(ops().includes('quad'), 'zeros and ones among floats are no structure either');
  const before = lastRun();
  await t.throwsAsync(() => squares(bits([1, 0, 2, 1, 1, 1, 1, 1]))().data(), {
    code: 'MASK_REFUSED',
    message: /element 2/,
  });
  t.is(lastRun(), before, 'nothing was sent');
});
