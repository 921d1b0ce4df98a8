/** Publishing and asking as people write it, at three processes that know one another by keys. */
import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure, lastRun, loadPublished, publish } from '../src/index.js';
import { sample } from './harness.js';

let service: LocalService;
test.serial.before(async () => {
  configure({});
  service = await startLocalService();
});
test.after.always(() => service.stop());
const networkOf = () => JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;

async function client(model: string, subject = 'somebody') {
  const { key, grant } = await service.grant({ model, subject });
  return { network: networkOf(), key: secretKeyText(key), grant };
}

const TOKENS = 6;
/** Attention over looked-up rows, with positions, a mask of ones and −1e9, and a dense layer. */
function encoder() {
  const t = (rows: number, columns: number, seed: number) =>
    tf.tensor2d(sample(rows * columns, -1, 1, seed), [rows, columns]);
  const [table, positions, wq, wk, wv, out] = [
    t(50, 8, 1),
    t(16, 8, 2),
    t(8, 8, 3),
    t(8, 8, 4),
    t(8, 8, 5),
    t(8, 3, 6),
  ];
  const bias = tf.tensor1d(sample(3, -1, 1, 7));
  return (ids: tf.Tensor2D, mask: tf.Tensor2D) => {
    const at = tf.gather(positions, tf.range(0, ids.shape[1], 1, 'int32'));
    const x = tf.add(tf.gather(table, ids), at).reshape([ids.shape[1], 8]) as tf.Tensor2D;
    const [q, k, v] = [wq, wk, wv].map((w) => tf.matMul(x, w)) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const far = tf.mul(tf.sub(1, tf.cast(mask, 'float32')), -1e9);
    const scores = tf.add(tf.div(tf.matMul(q, k, false, true), Math.sqrt(8)), far);
    const seen = tf.matMul(tf.softmax(scores), v);
    const logits = tf.add(tf.matMul(tf.slice(seen, [0, 0], [1, 8]), out), bias);
    return { logits, label: tf.argMax(logits, 1) as tf.Tensor };
  };
}

test.serial('a function is published once and asked by those who may, like a model of TensorFlow.js', async (t) => {
  const [network, ownKey] = [networkOf(), secretKeyText(service.publisher.secret)];
  const ids = [[3, 17, 49, 0, 2, 2]];
  const mask = [[1, 1, 1, 1, 0, 0]];
  await tf.setBackend('cpu');
  const want = encoder()(tf.tensor2d(ids, [1, TOKENS], 'int32'), tf.tensor2d(mask, [1, TOKENS], 'int32'));
  const [logits, label] = [await want.logits.data(), await want.label.data()];
  await tf.setBackend('secformer');
  const shapes = (tokens: number) => ({
    ids: { shape: [1, tokens], dtype: 'int32' as const },
    mask: { shape: [1, tokens], dtype: 'int32' as const },
  });
  const made = await publish(encoder() as never, {
    name: 'encoder',
    version: '1',
    inputs: [shapes(TOKENS), shapes(12)],
    assets: { 'labels.json': new TextEncoder().encode('["a","b","c"]') },
    network,
    key: ownKey,
  });
  t.is(made.programs.length, 2);
  const model = await loadPublished('encoder', await client('encoder'));
  t.is(new TextDecoder().decode(await model.asset('labels.json')), '["a","b","c"]');
  const given = { ids: tf.tensor2d(ids, [1, TOKENS], 'int32'), mask: tf.tensor2d(mask, [1, TOKENS], 'int32') };
  for (let i = 0; i < 3; i++) {
    const got = model.predict(given) as { logits: tf.Tensor; label: tf.Tensor };
    const values = await got.logits.data();
    t.true(
      logits.every((v, k) => Math.abs(v - values[k]!) < 0.01),
      `${values} for ${logits}`,
    );
    t.deepEqual(await got.label.data(), label);
    t.is(lastRun()!.rounds, made.programs[0]!.cost.rounds);
  }
  const last = model.predict(given) as { logits: tf.Tensor; label: tf.Tensor };
  t.deepEqual(last.label.dataSync(), label, 'a thread may wait for an answer');
  t.throws(() => model.predict({ ids: given.ids }), { code: 'SHAPES_NOT_PUBLISHED' });
  model.dispose();
  // Another's key, no grant, another model's
  const [mine, other] = [await client('encoder'), await client('encoder')];
  await t.throwsAsync(loadPublished('encoder', { ...mine, key: other.key }), { code: 'GRANT_REFUSED' });
  await t.throwsAsync(loadPublished('encoder', { network, key: mine.key }), { code: 'NOT_AUTHENTICATED' });
  await t.throwsAsync(loadPublished('encoder', await client('else')), { code: 'GRANT_REFUSED' });
  await t.throwsAsync(loadPublished('else', await client('else')), { code: 'MODEL_UNKNOWN' });
  await t.throwsAsync(
    publish(encoder() as never, { name: 'x', version: '1', inputs: shapes(6), network, key: mine.key }),
    {
      code: 'NOT_AUTHENTICATED',
    },
  );
});

test.serial('an output that clients compute themselves comes beside one that the nodes compute', async (t) => {
  await tf.setBackend('secformer');
  const weights = tf.tensor2d(sample(6, -1, 1, 3), [2, 3]);
  const f = (x: tf.Tensor2D) => ({ twice: tf.mul(x, 2) as tf.Tensor, product: tf.matMul(x, weights) as tf.Tensor });
  await publish(f as never, {
    name: 'both',
    version: '2.0',
    inputs: { x: { shape: [1, 2] } },
    network: networkOf(),
    key: secretKeyText(service.publisher.secret),
  });
  const model = await loadPublished('both@2.0', await client('both'));
  const got = model.predict(tf.tensor2d([[0.5, -1.5]])) as { twice: tf.Tensor; product: tf.Tensor };
  t.deepEqual(Array.from(await got.twice.data()), [1, -3]);
  const w = await weights.data();
  const product = await got.product.data();
  product.forEach((v, i) => {
    t.true(Math.abs(v - (0.5 * w[i]! - 1.5 * w[3 + i]!)) < 1e-3, String(v));
  });
  model.dispose();
});

test.serial('a publication, a loading and asks are given up, and others are as right as before', async (t) => {
  t.timeout(120_000);
  const reason = new Error('nobody waits for it');
  const reasonOf = (call: Promise<unknown>) =>
    call.then(
      () => 'done',
      (error) => error,
    );
  const weights = tf.tensor2d(sample(6, -1, 1, 3), [2, 3]);
  const f = (x: tf.Tensor2D) => tf.relu(tf.matMul(x, weights));
  const options = {
    name: 'stopped',
    version: '1',
    inputs: { x: { shape: [1, 2] } },
    network: networkOf(),
    key: secretKeyText(service.publisher.secret),
  };
  for (const phase of ['tracing', 'connecting', 'sharing', 'opening', 'sending', 'staging']) {
    const stop = new AbortController();
    const onProgress = (e: { phase: string }) => {
      if (e.phase === phase) stop.abort(reason);
    };
    t.is(await reasonOf(publish(f as never, { ...options, signal: stop.signal, onProgress })), reason, phase);
    t.is(getEventListeners(stop.signal, 'abort').length, 0);
  }
  const access = await client('stopped');
  await t.throwsAsync(loadPublished('stopped', access), { code: 'MODEL_UNKNOWN' });
  t.is((await publish(f as never, options)).name, 'stopped', 'the version is free');
  t.is(await reasonOf(loadPublished('stopped', { ...access, signal: AbortSignal.abort(reason) })), reason);
  let stop = new AbortController();
  const loading = loadPublished('stopped', { ...access, signal: stop.signal });
  setTimeout(() => stop.abort(reason), 1);
  await reasonOf(loading);
  let at = '';
  const onProgress = (e: { phase: string }) => {
    if (e.phase === at) stop.abort(reason);
  };
  await using model = await loadPublished('stopped', { ...access, onProgress, signal: stop.signal }).catch(() =>
    loadPublished('stopped', { ...access, onProgress }),
  );
  const x = tf.tensor2d([[0.5, -1.5]]);
  const w = await weights.data();
  const isRight = (got: ArrayLike<number>) =>
    Array.from(got).every((v, i) => Math.abs(v - Math.max(0, 0.5 * w[i]! - 1.5 * w[3 + i]!)) < 1e-3);
  for (const phase of ['sharing', 'running', 'done']) {
    [at, stop] = [phase, new AbortController()];
    const y = model.predict(x, { signal: stop.signal }) as tf.Tensor;
    t.is(await reasonOf(y.data()), reason, phase);
    at = '';
    t.true(isRight(await (model.predict(x) as tf.Tensor).data()));
    t.is(getEventListeners(stop.signal, 'abort').length, 0);
  }
  // What is being asked when the model is let go
  const late = model.predict(x) as tf.Tensor;
  const asking = late.data();
  await new Promise((resolve) => setTimeout(resolve));
  model.dispose();
  await t.throwsAsync(asking, { code: 'MODEL_DISPOSED' });
  await t.throwsAsync(late.data(), { code: 'MODEL_DISPOSED' });
});
