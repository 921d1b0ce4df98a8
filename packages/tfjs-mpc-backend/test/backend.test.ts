import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { asPublic, configure, lastRun, prepare, SecformerError, share, UnsupportedKernelError } from '../src/index.js';
import { difference, protocols, sample as values } from './harness.js';

const x = () => tf.tensor2d(values(24, -3, 3), [4, 6]);
const w = () => tf.tensor2d(values(30, -2, 2, 7), [6, 5]);
const positive = () => tf.tensor2d(values(12, 0.2, 9, 3), [3, 4]);

const cases: Record<string, [() => tf.Tensor, number?]> = {
  'matMul with bias': [() => tf.add(tf.matMul(x(), w()), tf.tensor1d([1, 2, 3, 4, 5]))],
  'matMul, both transposed': [() => tf.matMul(tf.transpose(x()), tf.transpose(w()), true, true)],
  'batched matMul, broadcast': [
    () => tf.matMul(tf.tensor3d(values(24, -1, 1), [2, 3, 4]), tf.tensor3d(values(8, -1, 1, 5), [1, 4, 2])),
  ],
  'fused matMul with relu': [
    () =>
      tf.fused.matMul({
        a: x(),
        b: w(),
        transposeA: false,
        transposeB: false,
        bias: tf.tensor1d([0, 1, -1, 2, -2]),
        activation: 'relu',
      }),
  ],
  'arithmetic with broadcasting': [() => tf.sub(tf.mul(x(), tf.tensor1d([1, 2, 3, -1, 0.5, 0])), tf.scalar(0.7))],
  'scalars: times, over, minus': [() => tf.sub(1, tf.div(tf.mul(x(), 0.3), -7))],
  'addN and neg': [() => tf.neg(tf.addN([x(), x(), x()]))],
  'square, pow and squaredDifference': [() => tf.add(tf.pow(x(), 3), tf.squaredDifference(x(), tf.square(x()))), 2e-3],
  'division by a tensor': [() => tf.div(positive(), positive())],
  'sqrt, rsqrt, reciprocal': [
    () => tf.add(tf.sqrt(positive()), tf.add(tf.rsqrt(positive()), tf.reciprocal(positive()))),
  ],
  'erf and tanh': [() => tf.add(tf.erf(x()), tf.tanh(x()))],
  'relu, maximum and minimum': [() => tf.add(tf.relu(x()), tf.maximum(tf.minimum(x(), 1), -1))],
  'softmax of rows': [() => tf.softmax(x())],
  'sum and mean over axes': [() => tf.add(tf.sum(x(), 0, true), tf.mean(x(), [0, 1], true))],
  'max over an axis': [() => tf.max(x(), 0)],
  argMax: [() => tf.argMax(x(), 1), 0],
  'comparison with a number and with a tensor': [
    () =>
      tf.concat(
        [tf.greater(x(), 0.5), tf.lessEqual(x(), tf.tensor1d([0, 1, -1, 0, 2, 0]))].map((b) => tf.cast(b, 'float32')),
      ),
    0,
  ],
  'reshape, transpose, expandDims, squeeze': [
    () => tf.squeeze(tf.expandDims(tf.transpose(tf.reshape(x(), [2, 3, 4]), [2, 0, 1]), 1)),
    1e-4,
  ],
  'slice and stridedSlice': [
    () => tf.concat([tf.slice(x(), [1, 2], [2, 3]), tf.stridedSlice(x(), [0, 0], [4, 6], [2, 2])], 1),
  ],
  'concat, stack, unstack, split': [() => tf.concat([tf.stack(tf.unstack(x())), ...tf.split(x(), 2, 1)], 1)],
  tile: [() => tf.tile(x(), [2, 3])],
  'gather rows and columns by int32 ids': [
    () => tf.add(tf.gather(x(), tf.tensor2d([0, 3, 1, 1], [2, 2], 'int32')), tf.scalar(1)),
  ],
  'gather along the second axis': [() => tf.gather(x(), tf.tensor1d([5, 0], 'int32'), 1)],
  'zerosLike and onesLike': [() => tf.add(x(), tf.add(tf.onesLike(x()), tf.zerosLike(x())))],
  pad: [
    () =>
      tf.pad(
        x(),
        [
          [1, 0],
          [2, 1],
        ],
        0.5,
      ),
  ],
  'einsum, batched and not': [() => tf.einsum('abc,acd->dba', tf.reshape(x(), [2, 3, 4]), tf.reshape(x(), [2, 4, 3]))],
  'concat and stack of int32 tensors, on the host': [
    () =>
      tf.concat([
        tf.stack([tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32')]),
        tf.tensor2d([[5, 6]], [1, 2], 'int32'),
      ]),
    0,
  ],
  moments: [() => tf.moments(x(), 1).variance],
};

for (const [name, [f, bar = 1e-3]] of Object.entries(cases)) {
  test.serial(`${name} as on cpu`, async (t) => {
    const d = await difference(f);
    t.true(d <= bar, `off by ${d}`);
  });
}

const ops = () => lastRun()!.perOp.map((o) => o.op);

test.serial('GeLU in its erf and tanh forms becomes one operation', async (t) => {
  const erfForm = () => tf.mul(tf.mul(x(), 0.5), tf.add(1, tf.erf(tf.div(x(), Math.SQRT2))));
  t.true((await difference(erfForm)) < 1e-3, 'x written twice is not one tensor, and still right');
  const form = (inner: (v: tf.Tensor) => tf.Tensor) => () => {
    const v = x();
    return tf.mul(tf.mul(v, 0.5), tf.add(1, inner(v)));
  };
  t.true((await difference(form((v) => tf.erf(tf.mul(v, Math.SQRT1_2))))) < 1e-4);
  t.deepEqual(ops(), ['gelu']);
  const cubic = form((v) => tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(v, tf.mul(0.044715, tf.pow(v, 3))))));
  t.true((await difference(cubic)) < 1e-4);
  t.deepEqual(ops(), ['gelu']);
});

test.serial('moments and rsqrt become LayerNorm', async (t) => {
  const f = () => {
    const v = x();
    const { mean, variance } = tf.moments(v, -1, true);
    return tf.mul(tf.sub(v, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  };
  t.true((await difference(f)) < 1e-3);
  t.true(ops().includes('layerNorm') && !ops().includes('rsqrt'));
  const divided = () => {
    const v = x();
    const centered = tf.sub(v, tf.mean(v, -1, true));
    return tf.div(centered, tf.sqrt(tf.add(tf.mean(tf.square(centered), -1, true), 1e-12)));
  };
  t.true((await difference(divided)) < 1e-3);
  t.true(ops().includes('layerNorm'));
});

test.serial('LayerNorm with gain and bias folded in, a mean much larger than the deviation', async (t) => {
  const f = () => {
    const v = tf.add(x(), 40);
    const mean = tf.mean(v, 1, true);
    const variance = tf.mean(tf.squaredDifference(v, mean), 1, true);
    const a = tf.mul(tf.rsqrt(tf.add(variance, 1e-12)), tf.tensor1d([1, 2, 0.5, 1, -1, 3]));
    return tf.add(tf.mul(v, a), tf.sub(tf.tensor1d([0, 1, 2, 3, 4, 5]), tf.mul(mean, a)));
  };
  t.true((await difference(f)) < 1e-3);
  t.true(ops().includes('layerNorm'));
});

test.serial('additive masks far outside fixed point work before softmax', async (t) => {
  for (const far of [-10000, -1e9, -3.4e38]) {
    const f = () =>
      tf.softmax(tf.add(x(), tf.mul(tf.sub(1, tf.cast(tf.tensor1d([1, 1, 0, 1, 0, 1], 'int32'), 'float32')), far)));
    t.true((await difference(f)) < 1e-4, String(far));
  }
});

test.serial('2Quad in plain operations is recognised, mask included', async (t) => {
  const f = () => {
    const p = tf.mul(tf.square(tf.add(x(), 5)), tf.cast(tf.tensor1d([1, 1, 0, 1, 0, 1], 'int32'), 'float32'));
    return tf.div(p, tf.sum(p, -1, true));
  };
  t.true((await difference(f)) < 1e-4);
  t.true(ops().includes('quad'));
});

test.serial('a factor that is no power of two moves into weights', async (t) => {
  const f = () => tf.mul(tf.matMul(tf.relu(x()), w()), 0.3);
  t.true((await difference(f)) < 1e-3);
  t.deepEqual(
    ops().filter((o) => o === 'mul'),
    [],
  );
});

test.serial('kinds: floats of rank 1 are secret, int32 and rank 0 are not, asPublic declares', async (t) => {
  const before = lastRun();
  const ids = tf.tensor1d([1, 2, 3], 'int32');
  t.deepEqual(Array.from(tf.add(ids, 1).dataSync()), [2, 3, 4]);
  t.is(tf.mul(tf.scalar(2), 3).dataSync()[0], 6);
  const open = asPublic(tf.tensor1d([1, 2]));
  t.deepEqual(Array.from(tf.mul(open, 2).dataSync()), [2, 4]);
  t.is(lastRun(), before, 'nothing went to the nodes');
  const secret = tf.mul(tf.tensor1d([1, 2]), open);
  t.true(Math.abs(secret.dataSync()[1]! - 4) < 1e-3);
  t.not(lastRun(), before);
  t.throws(() => asPublic(secret), { code: 'NOT_PLAIN' });
});

test.serial('a kernel without a protocol says its name and what to do; argument errors come with the call', (t) => {
  const error = t.throws(() => tf.searchSorted(x(), x()), { instanceOf: UnsupportedKernelError });
  t.regex(error!.message, /'SearchSorted'.*local/s);
  t.is(tf.atan2(tf.scalar(0), tf.scalar(1)).dataSync()[0], 0, 'public values are computed on the host');
  t.throws(() => tf.matMul(x(), x()), { message: /inner/i });
  t.throws(() => tf.gather(x(), tf.tensor1d([9], 'int32')), { message: /not in/ });
  t.throws(() => tf.pow(x(), 0.3), { instanceOf: UnsupportedKernelError });
});

test.serial('a value out of range is refused when it is needed, and the next read works', async (t) => {
  await t.throwsAsync(() => tf.add(tf.tensor1d([1e6]), tf.tensor1d([1])).data(), { code: 'VALUE_OUT_OF_RANGE' });
  t.true(Math.abs((await tf.add(tf.tensor1d([1]), tf.tensor1d([1])).data())[0]! - 2) < 1e-3);
});

test.serial('dispose, tidy and memory behave; nothing is left of what was recorded', async (t) => {
  const before = tf.memory();
  const ids = () => tf.engine().backend.numDataIds();
  const held = ids();
  const y = tf.tidy(() => tf.softmax(tf.matMul(tf.mul(x(), 2), w())));
  t.is(tf.memory().numTensors, before.numTensors + 1);
  await y.data();
  y.dispose();
  t.is(tf.memory().numTensors, before.numTensors);
  t.is(ids(), held);
});

test.serial('an intermediate that a handle still refers to is not computed again', async (t) => {
  const a = x();
  const hidden = tf.relu(tf.matMul(a, w()));
  const first = tf.sum(hidden);
  await first.data();
  t.true(ops().includes('relu'));
  const second = tf.mean(hidden);
  await second.data();
  t.false(ops().includes('relu'), 'the share of the intermediate stayed at the nodes');
  const want = Array.from(hidden.dataSync()).reduce((s, v) => s + v, 0);
  t.true(Math.abs(first.dataSync()[0]! - want) < 1e-2);
});

test.serial('a pattern does not look into what stayed at the nodes', async (t) => {
  const [a, b] = [positive(), positive()];
  const kept = [tf.mul(a, b), tf.sqrt(a), tf.add(a, b)];
  await tf.sum(tf.addN(kept)).data();
  const results = [tf.mul(kept[0]!, b), tf.div(b, kept[1]!), tf.softmax(kept[2]!)];
  const want = await (async () => {
    await tf.setBackend('cpu');
    const all = [
      tf.mul(tf.mul(positive(), positive()), positive()),
      tf.div(positive(), tf.sqrt(positive())),
      tf.softmax(tf.add(positive(), positive())),
    ];
    const data = all.map((r) => r.dataSync());
    await tf.setBackend('secformer');
    return data;
  })();
  for (const [i, r] of results.entries()) {
    const got = await r.data();
    t.true(
      want[i]!.every((v, j) => Math.abs(v - got[j]!) < 0.02),
      `${i}: ${got} for ${want[i]}`,
    );
  }
});

test.serial('time and profile', async (t) => {
  const timed = await tf.time(() => tf.matMul(x(), w()));
  t.true(Number(timed.kernelMs) >= 0);
  const profile = await tf.profile(() => tf.matMul(x(), w()));
  t.deepEqual(profile.kernelNames, ['BatchMatMul']);
});

test.serial('weights are opened once, and a prepared read gives the same answer', async (t) => {
  const weight = w();
  const read = async () => {
    const y = tf.matMul(tf.relu(x()), weight);
    const data = await y.data();
    y.dispose();
    return data;
  };
  const first = await read();
  const opened = lastRun()!.bytes.p0p1;
  await read();
  t.true(lastRun()!.bytes.p0p1 < opened);
  const y = tf.matMul(tf.relu(x()), weight);
  await share(y);
  const prepared = await prepare(y);
  const { values: got, record } = await prepared.run();
  t.true(got.every((v, i) => Math.abs(v - first[i]!) < 1e-3));
  t.true(record.bytes.dealer > 0);
});

test.serial('tensors move between backends', async (t) => {
  const a = x();
  const y = tf.matMul(a, w());
  await tf.setBackend('cpu');
  const on = tf.add(y, 1).dataSync();
  await tf.setBackend('secformer');
  const back = tf.sub(tf.add(y, 1), 0).dataSync();
  t.true(Array.from(on).every((v, i) => Math.abs(v - back[i]!) < 1e-3));
});

test.serial('a configuration that does not hold together is refused', (t) => {
  t.throws(() => configure({ suite: 'quick' }), { instanceOf: SecformerError, message: /exact, fast/ });
  t.throws(() => configure({ token: 'x' }), { code: 'BAD_CONFIGURATION' });
  t.throws(() => configure({ parties: ['ws://a'] as never, dealer: 'b', token: 'c' }), { message: /two URLs/ });
});

test.serial('a read that repeats finds its randomness dealt, for new values too', async (t) => {
  const weight = w();
  const read = async (first: number) => {
    const given = tf.tensor2d(values(24, -3, 3, first), [4, 6]);
    const y = tf.softmax(tf.matMul(given, weight));
    const got = await y.data();
    const { prepareMs } = lastRun()!;
    tf.dispose([given, y]);
    const [x, m] = [values(24, -3, 3, first), values(30, -2, 2, 7)];
    const scores = Array.from(got, (_, o) =>
      Math.exp([0, 1, 2, 3, 4, 5].reduce((sum, k) => sum + x[6 * Math.floor(o / 5) + k]! * m[5 * k + (o % 5)]!, 0)),
    );
    t.true(
      got.every(
        (v, o) => Math.abs(v - scores[o]! / scores.slice(o - (o % 5), o - (o % 5) + 5).reduce((a, b) => a + b)) < 1e-3,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 700));
    return prepareMs;
  };
  const waited: number[] = [];
  for (let i = 1; i <= 6; i++) waited.push(await read(i));
  // The first opens the weight, the second is then repeated by the third. A busy machine may be late with one of three
  const later = waited.slice(3).sort((a, b) => a - b)[1]!;
  t.true(later < Math.min(...waited.slice(0, 3)) / 2, String(waited));
  protocols({ prepareAhead: false });
  t.teardown(() => protocols());
  for (let i = 0; i < 2; i++) await read(7 + i);
  t.true((await read(9)) > later);
});
