/** What may be published, and how it is handed to the nodes. */
import { freshKeyPair, publicKeyText, secretKeyText } from '@secformer/party-node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure, publish } from '../src/index.js';
import { type InputShapes, type Publishable, shapedModel } from '../src/service/models.js';
import type { PublishingSession, PublishProgress } from '../src/service/nodes.js';
import { published } from '../src/service/publish.js';
import { trace } from '../src/service/trace.js';
import { sample } from './harness.js';
import { furthest, type Given, inPlain } from './service-harness.js';

test.serial.before(() => configure({}));

const key = secretKeyText(freshKeyPair().secret);
const node = () => ({ url: 'ws://127.0.0.1:1', key: publicKeyText(freshKeyPair().public) });
const network = { party0: node(), party1: node(), dealer: node() };

const w = (rows: number, columns: number, seed: number) =>
  tf.tensor2d(sample(rows * columns, -1, 1, seed), [rows, columns]);
const floats = (shape: number[]): Given => ({
  shape,
  dtype: 'float32',
  values: sample(
    shape.reduce((a, b) => a * b, 1),
    -1,
    1,
  ),
});

/** How far a model is, traced, from what it gives on 'cpu'. */
async function off(make: () => Publishable, shapes: InputShapes | undefined, inputs: Given[]): Promise<number> {
  await tf.setBackend('cpu');
  const plain = shapedModel(make(), shapes, undefined);
  const outputs = Object.values(
    plain.f(...inputs.map(({ values, shape, dtype }) => tf.tensor(values as Float32Array, shape, dtype))),
  );
  const want = outputs.map((t) => ({ values: t.dataSync().slice(), shape: t.shape, dtype: t.dtype }));
  await tf.setBackend('secformer');
  const { f, inputs: specs } = shapedModel(make(), shapes, undefined);
  const traced = trace(f, specs);
  try {
    return furthest(inPlain(traced, inputs), want);
  } finally {
    traced.release();
  }
}

test.serial('a LayersModel', async (t) => {
  const make = () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 5, activation: 'relu', inputShape: [4] }),
        tf.layers.layerNormalization(),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    model.setWeights(model.getWeights().map((v, i) => tf.tensor(sample(v.size, 0.1, 1, i + 3), v.shape)));
    return model as unknown as Publishable;
  };
  t.true((await off(make, [{ shape: [2, 4] }], [floats([2, 4])])) < 1e-4);
  const open = t.throws(() => shapedModel(make(), undefined, undefined), { code: 'BAD_CONFIGURATION' });
  t.regex(open!.message, /sizes that the model leaves open/);
  t.throws(() => shapedModel(make(), [{ shape: [2, 5] }], undefined), {
    code: 'BAD_CONFIGURATION',
    message: /\[2,5\]/,
  });
  t.throws(() => shapedModel(make(), { no: { shape: [2, 4] } }, undefined), { message: /has no input no/ });
});

test.serial('what has the form of a GraphModel, of several inputs and outputs', async (t) => {
  const make = () => ({
    inputs: [
      { name: 'x', shape: [2, 4], dtype: 'float32' },
      { name: 'mask', shape: [-1, 3], dtype: 'int32' },
    ],
    outputs: [{ name: 'Identity' }, { name: 'Identity_1' }],
    execute({ x, mask }: Record<string, tf.Tensor>, names: string[]) {
      const y = tf.mul(tf.matMul(x!, w(4, 3, 2)), tf.cast(mask!, 'float32'));
      return names.map((name) => (name === 'Identity' ? y : tf.sum(y, 1)));
    },
  });
  const mask: Given = { shape: [2, 3], dtype: 'int32', values: [1, 0, 1, 1, 1, 0] };
  t.true((await off(make, { mask: { shape: [2, 3] } }, [floats([2, 4]), mask])) < 1e-4);
  const one = shapedModel(make(), { mask: { shape: [2, 3] } }, { total: 'Identity_1' });
  t.deepEqual(
    one.inputs.map((i) => `${i.name} ${i.dtype} ${i.shape}`),
    ['x float32 2,4', 'mask int32 2,3'],
  );
  const traced = trace(one.f, one.inputs);
  t.deepEqual(traced.program.outputs, [{ name: 'total', shape: [2], dtype: 'float32' }]);
  traced.release();
});

test.serial('what has the form of a BertModel takes ids, mask and segments', async (t) => {
  const ints = (values: number[]): Given => ({ shape: [1, 3], dtype: 'int32', values });
  type Ids = { inputIds: tf.Tensor; attentionMask: tf.Tensor; tokenTypeIds: tf.Tensor };
  const make = (head = 'sequence-classification') => {
    const hiddenStates = ({ inputIds, attentionMask, tokenTypeIds }: Ids) =>
      tf.mul(
        tf.add(tf.gather(w(8, 4, 2), inputIds), tf.gather(w(2, 4, 3), tokenTypeIds)),
        tf.expandDims(tf.cast(attentionMask, 'float32'), 2),
      );
    const logits = (given: Ids) => tf.matMul(tf.sum(hiddenStates(given), 1), w(4, 2, 4));
    return { head, hiddenStates, logits, pooled: logits, embed: logits };
  };
  const given = [ints([7, 0, 2]), ints([1, 1, 0]), ints([0, 1, 0])];
  t.true((await off(() => make(), { ids: { shape: [1, 3] } }, given)) < 1e-4);
  const { inputs, f } = shapedModel(make('none'), { ids: { shape: [1, 3] } }, undefined);
  t.deepEqual(
    inputs.map(({ name }) => name),
    ['ids', 'mask', 'segments'],
  );
  const traced = trace(f, inputs);
  t.deepEqual(
    traced.program.outputs.map(({ name }) => name),
    ['hiddenStates'],
  );
  t.is(traced.program.slots.filter((s) => 'indices' in s).length, 2);
  traced.release();
  t.throws(() => shapedModel(make(), { ids: { shape: [1, 3] } }, { x: 'answers' }), { message: /no 'answers'/ });
});

test.serial('names, versions and keys are looked at first', async (t) => {
  const f = (x: tf.Tensor) => tf.matMul(x, w(4, 3, 2));
  const good = { name: 'm', version: '1', inputs: [{ shape: [2, 4] }], key, network };
  for (const wrong of [
    { name: '../m' },
    { name: 'M' },
    { version: '' },
    { version: '1/2' },
    { key: 'ed25519-secret:short' },
    { key: undefined as never },
    { network: {} },
    { inputs: [] },
    { weights: 'shared' as never },
  ])
    await t.throwsAsync(publish(f, { ...good, ...wrong }), { code: 'BAD_CONFIGURATION' });
  const own = (x: tf.Tensor) => tf.relu(tf.mul(x, 2));
  await t.throwsAsync(publish(own, good), { code: 'BAD_CONFIGURATION', message: /clients would compute all of it/ });
  await t.throwsAsync(publish(3 as never, good), { code: 'BAD_CONFIGURATION' });
  await tf.setBackend('cpu');
  await t.throwsAsync(publish(f, good), { code: 'WRONG_BACKEND' });
  await tf.setBackend('secformer');
});

test.serial('tensors are written before a model is published; the session is closed whatever happens', async (t) => {
  const happened: string[] = [];
  const session = (fail?: Error): PublishingSession => ({
    async write(_, values, shape) {
      happened.push(`write ${values.length} [${shape}]`);
    },
    formsToPublish: () => new Map(),
    async writePublic(_, values, shape) {
      happened.push(`write ${values.length} [${shape}] to be known`);
    },
    async publish({ name, programs, assets }, { onProgress } = {}) {
      onProgress?.({ phase: 'staging', done: 0, of: 1 });
      if (fail) throw fail;
      happened.push(`publish ${name} ${programs.length} ${assets.map((a) => a.name)}`);
      return { name, version: '1', generation: 'ab', programs: [] };
    },
    close: () => void happened.push('close'),
  });
  const weights = w(4, 3, 2);
  const phases: string[] = [];
  const options = {
    name: 'm',
    version: '1',
    key,
    inputs: [{ x: { shape: [2, 4] } }, { x: { shape: [3, 4] } }],
    assets: { 'labels.json': new Uint8Array(2) },
    onProgress: (e: PublishProgress) => phases.push(e.phase),
  };
  const f = (x: tf.Tensor) => tf.matMul(x, weights);
  t.is((await published(f, options, async () => session())).generation, 'ab');
  t.deepEqual(happened.splice(0), ['write 12 [4,3]', 'publish m 2 labels.json', 'close']);
  t.deepEqual(phases, ['tracing', 'tracing', 'connecting', 'sharing', 'staging']);
  await published(f, { ...options, weights: 'public' }, async () => session());
  t.deepEqual(happened.splice(0), ['write 12 [4,3] to be known', 'publish m 2 labels.json', 'close']);
  await t.throwsAsync(
    published(f, options, async () => session(new Error('no room'))),
    { message: 'no room' },
  );
  t.is(happened.at(-1), 'close');
});
