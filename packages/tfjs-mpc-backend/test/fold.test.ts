/**
 * What follows from the caller's own values is computed in the caller's process, once, and shared where it is needed.
 */
import { suites } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { whatNodesSee } from '../src/audit.js';
import type { SecformerBackend } from '../src/backend.js';
import { asPublic, configure, lastRun } from '../src/index.js';
import { DERIVED_OF_ONE, DERIVED_SMALL, DERIVED_TIMES } from '../src/limits.js';
import { protocols, sample } from './harness.js';

test.serial.beforeEach(() => configure({}));
test.serial.afterEach.always(() => protocols());

const x = () => tf.tensor2d(sample(12, -1, 1), [3, 4]);
const w = () => tf.tensor2d(sample(20, -1, 1, 7), [4, 5]);
const close = (got: ArrayLike<number>, want: ArrayLike<number>, bar = 1e-3) =>
  got.length === want.length && Array.from(got).every((v, i) => Math.abs(v - want[i]!) <= bar || v === want[i]);
const operations = (t: tf.Tensor) => whatNodesSee(t).graph.nodes.map((n) => n.op);

/** On 'cpu', then here, out of tidy and in it. */
async function same(t: { true(ok: boolean, why: string): void }, name: string, f: () => tf.Tensor): Promise<void> {
  await tf.setBackend('cpu');
  const want = tf.tidy(f).dataSync().slice();
  await tf.setBackend('secformer');
  for (const got of [await f().data(), await tf.tidy(f).data()])
    t.true(close(got, want), `${name}: ${got} for ${want}`);
}

test.serial('arithmetic on own values reaches no node; products do, and what comes of them', async (t) => {
  const before = lastRun();
  const y = x();
  const scaled = y.sub(y.min()).div(y.max().sub(y.min()));
  t.is(scaled.dtype, 'float32');
  t.true((await scaled.data()).every((v) => v >= 0 && v <= 1));
  t.deepEqual([...(await tf.isNaN(tf.tensor1d([1, Number.NaN])).data())], [0, 1]);
  t.is(lastRun(), before);
  const z = tf.relu(tf.matMul(y, w()));
  await z.data();
  t.not(lastRun(), before);
  t.deepEqual(operations(tf.relu(tf.matMul(x(), w()))), ['input', 'input', 'matMul', 'relu']);
});

test.serial("every operation is the nodes' where folding is off", async (t) => {
  configure({ fold: false });
  const before = lastRun();
  await tf.relu(x()).data();
  t.not(lastRun(), before);
});

test.serial('float ids that are whole are looked up as integers are', async (t) => {
  const table = w();
  const layer = tf.layers.embedding({ inputDim: 4, outputDim: 5, weights: [table] });
  const [floats, ints] = (['float32', 'int32'] as const).map(
    (dtype) => layer.apply(tf.tensor2d([[3, 0, 1]], [1, 3], dtype)) as tf.Tensor,
  );
  const [seen, same] = [whatNodesSee(floats!), whatNodesSee(ints!)];
  t.is(seen.hash, same.hash);
  t.deepEqual(seen.graph, same.graph);
  t.true(
    close(
      await floats!.data(),
      [3, 0, 1].flatMap((row) => [...sample(20, -1, 1, 7).subarray(5 * row, 5 * row + 5)]),
    ),
  );
});

test.serial('what is made of a weight is made and shared once, and goes with it', async (t) => {
  const b = tf.backend() as SecformerBackend;
  const weight = w();
  const predict = () => tf.tidy(() => tf.matMul(x(), weight.mul(0.3).sub(tf.scalar(0.25))));
  const nodes = [predict(), predict()].map((y) => b.node(y).inputs[1]!);
  t.is(nodes[0], nodes[1]);
  t.is(weight.mul(0.3).dataSync(), weight.mul(0.3).dataSync());
  t.not(weight.mul(0.3).dataSync(), weight.mul(0.31).dataSync());
  t.deepEqual(
    [...tf.clipByValue(weight, Number.NEGATIVE_INFINITY, 0).dataSync()],
    Array.from(weight.dataSync(), (v) => Math.min(0, v)),
  );
  t.deepEqual(
    [...tf.clipByValue(weight, 0, Number.POSITIVE_INFINITY).dataSync()],
    Array.from(weight.dataSync(), (v) => Math.max(0, v)),
  );
  const leaf = b.node(weight);
  for (let i = 0; i < 2 * DERIVED_OF_ONE; i++) weight.add(i).dispose();
  t.is(leaf.derived.size, DERIVED_OF_ONE);
  weight.dispose();
  t.is(leaf.derived.size, 0);
  const large = tf.zeros<tf.Rank.R1>([2 * DERIVED_SMALL]).add(tf.tensor1d([1])) as tf.Tensor1D;
  const of = b.node(large);
  for (let i = 0; i < 2 * DERIVED_TIMES; i++) large.add(i).dispose();
  t.is(of.derived.size, DERIVED_TIMES);
});

test.serial("a value that was read is known: what is computed of it is no more the nodes'", async (t) => {
  const best = tf.argMax(tf.matMul(x(), w()), 1);
  const places = await best.data();
  const rows = tf.gather(tf.tensor2d(sample(15, -1, 1, 3), [5, 3]), best as tf.Tensor1D);
  t.deepEqual(operations(rows), ['oneHot', 'input', 'matMul', 'reshape']);
  t.true(
    close(
      await rows.data(),
      Array.from(places).flatMap((p) => [...sample(15, -1, 1, 3).subarray(3 * p, 3 * p + 3)]),
    ),
  );
});

test.serial('what is left to do after the nodes need not fit their range', async (t) => {
  const priced = () =>
    tf
      .matMul(x(), w())
      .mul(250_000)
      .add(1e6)
      .div(tf.tensor1d([1, 2, 4, 8, 1e-3]));
  t.deepEqual(operations(priced()), ['input', 'input', 'matMul']);
  await tf.setBackend('cpu');
  const want = priced().dataSync().slice();
  await tf.setBackend('secformer');
  const got = await priced().data();
  t.true(
    got.every((v, i) => Math.abs(v - want[i]!) < 1e-4 * Math.max(1e6, Math.abs(want[i]!))),
    `${got} for ${want}`,
  );
  const logits = tf.matMul(x(), w());
  const y = tf.where(tf.tensor1d([1, 0, 1, 0, 1], 'bool').broadcastTo([3, 5]), logits, tf.fill([3, 5], -1e9));
  const raw = await logits.data();
  t.true(
    close(
      await y.data(),
      Array.from(raw, (v, i) => ((i % 5) % 2 ? -1e9 : v)),
    ),
  );
});

test.serial('a program is the same in tidy and out of it', (t) => {
  const f = () => {
    const scores = tf.matMul(x(), w());
    const scaled = scores.div(Math.sqrt(5));
    const masked = scaled.add(tf.sub(1, tf.tensor1d([1, 1, 0, 1, 0])).mul(-1e9));
    return tf.softmax(masked);
  };
  const [outside, inside] = [whatNodesSee(f()), whatNodesSee(tf.tidy(f))];
  t.deepEqual(outside.graph.nodes, inside.graph.nodes);
});

test.serial('handles that a rewrite has swallowed are computed when they are read', async (t) => {
  const scores = tf.matMul(x(), w());
  const masked = scores.add(tf.sub(1, tf.tensor1d([1, 1, 0, 1, 0])).mul(-1e4));
  const weights = tf.softmax(masked);
  await weights.data();
  const [s, m] = [await scores.data(), await masked.data()];
  t.true(
    close(
      m,
      Array.from(s, (v, i) => (i % 5 === 2 || i % 5 === 4 ? v - 1e4 : v)),
      2e-3,
    ),
  );
});

test.serial('masks mean what they mean wherever they stand', async (t) => {
  const s = () => tf.matMul(x(), w()) as tf.Tensor;
  const keep = () => tf.tensor1d([1, 1, 0, 1, 0]);
  const negative = (k: number) => tf.sub(1, keep()).mul(k);
  const outer = () => tf.tensor1d([1, 1, 0]).expandDims(1).mul(keep().expandDims(0));
  const cases: Record<string, () => tf.Tensor> = {
    'before a scale': () => tf.softmax(s().add(negative(-1e9)).div(3)),
    'behind a reshape and a transpose': () =>
      tf.softmax(s().transpose().add(negative(-1e9).expandDims(1)).transpose().reshape([1, 3, 5])),
    'a mask and a bias': () =>
      tf.softmax(
        s()
          .add(negative(-1e9))
          .add(tf.tensor1d([1, 2, 3, 4, 5])),
      ),
    'rows that are masked altogether': () => tf.softmax(s().add(tf.sub(1, outer()).mul(-1e9))),
    'by an outer product of a public mask': () =>
      tf.softmax(s().add(tf.sub(1, tf.matMul(tf.ones([3, 1]), keep().expandDims(0))).mul(-1e9))),
    'of rows that were looked up': () =>
      tf.softmax(s().add(tf.sub(1, tf.gather(outer(), tf.tensor1d([1, 0, 0], 'int32'))).mul(-1e9))),
    'by a public condition': () =>
      tf.softmax(tf.where(tf.range(0, 5).less(3).broadcastTo([3, 5]), s(), Number.NEGATIVE_INFINITY)),
    'in a logarithm': () => tf.logSoftmax(s().add(negative(-1e9))),
    'multiplied away': () =>
      tf
        .logSoftmax(s().add(negative(-1e9)))
        .mul(keep())
        .sum(1),
    'below a maximum': () => tf.max(s().add(negative(-1e9)), 1),
    'below a minimum': () => tf.min(s().sub(negative(-1e9)), 1),
    'below topK': () => tf.topk(s().add(negative(-1e9)), 2).indices,
    'below a sigmoid': () => tf.sigmoid(s().add(negative(-1e4))),
    'declared public': () => {
      const m = tf.tensor1d([1, 1, 0, 1, 0], 'int32');
      if (tf.getBackend() === 'secformer') asPublic(m);
      return tf.softmax(s().add(tf.sub(1, m).mul(-1e9)));
    },
    'by what a secret says': () => tf.softmax(tf.where(s().greater(0), s(), tf.fill([3, 5], -1e9))),
  };
  for (const [name, f] of Object.entries(cases)) await same(t, name, f);
});

test.serial('a mask that leaves nothing is refused before anything is sent, and nobody sees which', async (t) => {
  const masked = (keep: number[]) => tf.softmax(tf.matMul(x(), w()).add(tf.sub(1, tf.tensor1d(keep)).mul(-1e9)));
  await t.throwsAsync(masked([0, 0, 0, 0, 0]).data(), { code: 'MASK_REFUSED', message: /leaves less than one place/ });
  await t.throwsAsync(
    tf.topk(tf.matMul(x(), w()).add(tf.tensor1d([0, -1e9, -1e9, -1e9, -1e9]).mul(1e5)), 2).values.data(),
    { code: 'MASK_REFUSED' },
  );
  t.is(whatNodesSee(masked([0, 0, 0, 0, 0])).hash, whatNodesSee(masked([1, 0, 1, 1, 0])).hash);
  await t.notThrowsAsync(masked([1, 0, 0, 0, 0]).data());
});

test.serial('factors of which nothing is left are refused', async (t) => {
  await t.throwsAsync(tf.matMul(x(), w().mul(1e-5)).data(), { code: 'VALUE_TOO_SMALL', message: /power of two/ });
  t.true(
    close(
      await tf
        .matMul(x(), w())
        .add(tf.fill([5], 1e-5))
        .data(),
      await tf.matMul(x(), w()).data(),
    ),
  );
  t.true((await tf.matMul(x(), tf.zeros([4, 5])).data()).every((v) => v === 0));
});

test.serial('evaluate and fit, whose indices are floats', async (t) => {
  const trained = async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 1, inputShape: [4], kernelInitializer: tf.initializers.glorotNormal({ seed: 3 }) }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.sgd(0.1), metrics: ['mae'] });
    const target = tf.tensor2d([0.5, -0.5, 0.25], [3, 1]);
    const history = await model.fit(x(), target, { epochs: 1, shuffle: false, verbose: 0 });
    const after = model.evaluate(x(), target, { batchSize: 2, verbose: 0 }) as tf.Scalar[];
    return [Number(history.history.loss![0]), ...(await Promise.all(after.map(async (s) => (await s.data())[0]!)))];
  };
  await tf.setBackend('cpu');
  const want = await trained();
  await tf.setBackend('secformer');
  const got = await trained();
  t.true(close(got, want), `${got} for ${want}`);
});

test.serial('a suite with functions of its own has them whatever was read before', async (t) => {
  const scores = () => tf.matMul(x(), tf.eye(4) as tf.Tensor2D);
  const gelu = (v: tf.Tensor) => v.mul(0.5).mul(v.div(Math.SQRT2).erf().add(1));
  const functions = { softmax: (v: tf.Tensor) => tf.softmax(v), gelu };
  const replaced = Object.entries(suites).flatMap(([suite, { replaces = [] }]) =>
    replaces.map((f) => [suite, f] as const),
  );
  t.true(replaced.length > 3);
  for (const [suite, name] of replaced) {
    const f = functions[name];
    configure({ suite });
    const want = await f(scores()).data();
    const read = scores();
    await read.data();
    const before = scores();
    const after = f(before);
    await before.data();
    const here = `${suite}: ${want}`;
    t.true(close(await f(read).data(), want), `${here}; read, then recorded`);
    t.true(close(await after.data(), want), `${here}; recorded, then read`);
    t.true(close(await f(x()).data(), want), `${here}; the caller's own`);
  }
});
