/** What may be published, and how it is handed to the nodes. */
import type { Session } from '@secformer/party-node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure, publish } from '../src/index.js';
import { Connection } from '../src/runtime/connection.js';
import type { PublishJob } from '../src/runtime/messages.js';
import { type InputShapes, type Publishable, shapedModel } from '../src/service/models.js';
import { trace } from '../src/service/trace.js';
import { sample } from './harness.js';
import { furthest, type Given, inPlain } from './service-harness.js';

test.serial.before(() => configure({}));

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
  const good = { name: 'm', version: '1', inputs: [{ shape: [2, 4] }], key: new Uint8Array(32) };
  for (const wrong of [
    { name: '../m' },
    { name: 'M' },
    { version: '' },
    { version: '1/2' },
    { key: new Uint8Array(31) },
    { inputs: [] },
  ])
    await t.throwsAsync(publish(f, { ...good, ...wrong }), { code: 'BAD_CONFIGURATION' });
  await t.throwsAsync(publish(3 as never, good), { code: 'BAD_CONFIGURATION' });
  await tf.setBackend('cpu');
  await t.throwsAsync(publish(f, good), { code: 'WRONG_BACKEND' });
  await tf.setBackend('secformer');
});

test('a session publishes when it has all tensors, and says which it has not', async (t) => {
  const had = new Set([1]);
  const jobs: PublishJob[] = [];
  const session = {
    has: (tensor: number) => had.has(tensor),
    free: () => {},
    close: () => {},
    publish: async (job: PublishJob, onProgress: (e: { phase: string; done: number; of: number }) => void) => {
      onProgress({ phase: 'storing', done: 1, of: 1 });
      jobs.push(job);
      return { generation: 'ab' };
    },
  };
  const connection = new Connection(session as unknown as Session, 1);
  const job: PublishJob = { name: 'm', version: '1', programs: [], assets: [], key: new Uint8Array(32) };
  const request = {
    id: 1,
    kind: 'publish',
    job,
    tensors: [1, 2],
    configuration: { suite: 'exact', fold: true, syncTimeoutMs: 1 },
  } as const;
  const none = () => 0;
  t.deepEqual(await connection.perform({ ...request, tensors: [1, 2] }, none), [2]);
  had.add(2);
  const events: string[] = [];
  const answer = await connection.perform({ ...request, tensors: [1, 2] }, none, (e) => events.push(e.phase));
  t.deepEqual((answer as { published: unknown }).published, { generation: 'ab' });
  t.deepEqual(jobs, [job]);
  t.deepEqual(events, ['storing']);
  const other = new Connection({ ...session, publish: undefined } as unknown as Session, 2);
  await t.throwsAsync(other.perform({ ...request, tensors: [1, 2] }, none), { code: 'BAD_CONFIGURATION' });
});
