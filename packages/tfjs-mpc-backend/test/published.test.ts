/** A published model, asked: outputs like any other tensors, one answer for all of them. */

import type { Watched } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import test, { type ExecutionContext } from 'ava';
import { configure, lastRun, NodeError } from '../src/index.js';
import { Askers, type AskingLink } from '../src/runtime/askers.js';
import type { AskCall } from '../src/runtime/messages.js';
import { loadedOver, referenceOf } from '../src/service/load-published.js';
import { shapedModel } from '../src/service/models.js';
import { trace } from '../src/service/trace.js';
import { sample } from './harness.js';
import { StubNodes, stopNodes } from './stub-nodes.js';

test.serial.before(() => configure({}));
test.after.always(stopNodes);

const weights = () => tf.tensor2d(sample(12, -1, 1, 3), [4, 3]);
const classifier = (x: tf.Tensor) => {
  const logits = tf.matMul(x, weights());
  return { logits, label: tf.argMax(logits, 1) as tf.Tensor };
};
const x = () => tf.tensor2d(sample(8, -1, 1), [2, 4]);

/** Values of both outputs, computed here. */
async function expected(): Promise<{ logits: number[]; label: number[] }> {
  await tf.setBackend('cpu');
  const { logits, label } = tf.tidy(() => classifier(x()));
  const out = { logits: Array.from(logits.dataSync()), label: Array.from(label.dataSync()) };
  tf.dispose([logits, label]);
  await tf.setBackend('secformer');
  return out;
}

function nodes(): StubNodes {
  const traced = [2, 5].map((rows) => {
    const { f, inputs } = shapedModel(classifier, { x: { shape: [rows, 4] } }, undefined);
    return trace(f, inputs);
  });
  return new StubNodes({ name: 'small', version: '1', traced });
}

const close = (t: ExecutionContext, got: ArrayLike<number>, want: number[]) => {
  t.is(got.length, want.length);
  want.forEach((v, i) => {
    t.true(Math.abs(v - got[i]!) < 1e-3, `${got[i]} for ${v}`);
  });
};

test.serial('outputs are read like any others, and asked for once', async (t) => {
  t.timeout(60_000);
  const want = await expected();
  const stub = nodes();
  const events: string[] = [];
  const model = await loadedOver(
    'small@1',
    async () => stub,
    (e) => events.push(e.phase),
  );
  t.deepEqual(
    model.inputs.map((i) => i.name),
    ['x'],
  );
  const before = tf.memory().numTensors;
  const given = x();
  const { logits, label } = model.predict(given) as tf.NamedTensorMap;
  t.is(stub.asked, 0, 'nothing is asked before something is read');
  given.dispose();
  // What follows is computed here, before the answer and after it
  const { soft, best } = tf.tidy(() => {
    const soft = tf.softmax(tf.mul(logits!, 2));
    return { soft, best: tf.argMax(soft, 1) };
  });
  t.is(soft.dtype, 'float32');
  t.deepEqual(soft.shape, [2, 3]);
  const [top, labels] = await Promise.all([best.data(), label!.data()]);
  t.deepEqual(Array.from(top), want.label);
  t.deepEqual(Array.from(labels), want.label);
  t.true(labels instanceof Int32Array);
  close(t, await logits!.data(), want.logits);
  const rows = tf.tidy(() => tf.sum(soft, 1));
  close(t, rows.dataSync(), [1, 1]);
  t.is(stub.asked, 1);
  t.true(lastRun()!.rounds > 0);
  t.deepEqual([...new Set(events)], ['connecting', 'running']);
  tf.dispose([logits!, label!, soft, best, rows]);
  t.is(tf.memory().numTensors, before);
  t.is(new TextDecoder().decode(await model.asset('vocab.txt')), 'vocab.txt');
  model.dispose();
  await new Promise((resolve) => setTimeout(resolve));
  t.truthy(stub.dead);
});

test.serial('execute gives outputs by name, and another batch takes another program', async (t) => {
  t.timeout(60_000);
  const want = await expected();
  const model = await loadedOver('small', async () => nodes());
  const [label, logits] = model.execute({ x: x() }, ['label', 'logits']) as tf.Tensor[];
  t.deepEqual(Array.from(await label!.data()), want.label);
  close(t, await logits!.data(), want.logits);
  t.deepEqual((model.execute([tf.zeros([5, 4])], 'label') as tf.Tensor).shape, [5]);
  t.throws(() => model.execute(x(), 'scores'), { code: 'SHAPES_NOT_PUBLISHED', message: /it has logits, label/ });
  const other = t.throws(() => model.predict(tf.zeros([3, 4])), { code: 'SHAPES_NOT_PUBLISHED' });
  t.regex(other!.message, /float32 \[3,4\]; it takes x: float32 \[2,4\], or x: float32 \[5,4\]/);
  t.throws(() => model.predict(tf.zeros([2, 4], 'int32')), { code: 'SHAPES_NOT_PUBLISHED' });
  t.throws(() => model.predict({ y: x() }), { code: 'SHAPES_NOT_PUBLISHED' });
  for (const [no, what] of [
    [{ x: undefined }, /takes tensors for x; 'x' is of type undefined/],
    [[[1]], /takes tensors for x; input 0 is of type object/],
    [undefined, /what was given is of type undefined/],
  ] as [never, RegExp][])
    t.throws(() => model.predict(no), { code: 'SHAPES_NOT_PUBLISHED', message: what });
  t.throws(() => (model.predict(x()) as tf.NamedTensorMap).logits!.dataSync(), { code: 'NO_SYNC_READ' });
  model.dispose();
  await t.throwsAsync((model.predict(x()) as tf.NamedTensorMap).logits!.data(), { code: 'MODEL_DISPOSED' });
});

test.serial('an answer may be the question of another one', async (t) => {
  t.timeout(60_000);
  const model = await loadedOver('small', async () => nodes());
  const { logits } = model.predict(x()) as tf.NamedTensorMap;
  const again = model.execute(
    tf.pad(logits! as tf.Tensor2D, [
      [0, 0],
      [0, 1],
    ]),
    'logits',
  ) as tf.Tensor;
  await tf.setBackend('cpu');
  const want = tf.tidy(
    () =>
      classifier(
        tf.pad(classifier(x()).logits as tf.Tensor2D, [
          [0, 0],
          [0, 1],
        ]),
      ).logits,
  );
  const values = Array.from(want.dataSync());
  await tf.setBackend('secformer');
  close(t, await again.data(), values);
  model.dispose();
});

test.serial('a request that failed may be repeated, over another connection where the first is gone', async (t) => {
  t.timeout(60_000);
  const stubs = [nodes(), nodes()];
  let opened = 0;
  const model = await loadedOver('small', async () => stubs[opened++]!);
  const logits = model.execute(x(), 'logits') as tf.Tensor;
  stubs[0]!.failing = new Error('busy');
  await t.throwsAsync(logits.data(), { message: 'busy' });
  stubs[0]!.dead = new NodeError('party 0', 'LINK_CLOSED', 'gone');
  close(t, await logits.data(), (await expected()).logits);
  t.is(opened, 2);
  t.is(stubs[1]!.asked, 1);
  model.dispose();
});

test.serial('values beyond the range of a protocol are refused as those of a read are', async (t) => {
  t.timeout(60_000);
  const stub = nodes();
  stub.left = [{ op: 'matMul', shape: [2, 3], node: 1 } as unknown as Watched];
  const model = await loadedOver('small', async () => stub);
  const logits = model.execute(x(), 'logits') as tf.Tensor;
  await t.throwsAsync(logits.data(), { code: 'RANGE_LEFT' });
  configure({ onRange: 'ignore' });
  await t.notThrowsAsync(logits.data());
  configure({});
  model.dispose();
});

test('connections of askers are kept by their grant, and opened again where they are lost', async (t) => {
  const opened: { dead: NodeError | undefined; asked: unknown[]; closed: boolean }[] = [];
  const askers = new Askers(async () => {
    const state = { dead: undefined as NodeError | undefined, asked: [] as unknown[], closed: false };
    opened.push(state);
    const link = {
      get dead() {
        return state.dead;
      },
      manifest: async (name: string, version = '7') => ({ name, version }),
      asset: async () => new Uint8Array(1),
      ask: async (...what: unknown[]) => {
        state.asked.push(what.slice(0, 2));
        return 'answer';
      },
      close: () => {
        state.closed = true;
      },
    };
    return link as unknown as AskingLink;
  });
  const access = { network: {}, grant: 'g', key: 'k' };
  const none = { onProgress: () => {}, signal: undefined };
  const model = { name: 'm', version: '7' };
  const ask: AskCall = { what: 'ask', model, program: 0, values: [], indices: [] };
  const [first] = await Promise.all([
    askers.perform(access, { what: 'manifest', name: 'm' }, none),
    askers.perform(access, { what: 'asset', model, name: 'a' }, none),
  ]);
  t.deepEqual(first, model);
  t.is(await askers.perform(access, ask, none), 'answer');
  t.is(opened.length, 1);
  opened[0]!.dead = new NodeError('party 0', 'LINK_CLOSED', 'gone');
  const events: string[] = [];
  await askers.perform(access, ask, { ...none, onProgress: (e) => events.push(e.phase) });
  t.deepEqual(events, ['connecting']);
  t.deepEqual(opened[1]!.asked, [[model, 0]]);
  await askers.perform({ ...access, grant: 'other' }, ask, none);
  t.is(opened.length, 3);
  await askers.perform(access, { what: 'close' }, none);
  t.deepEqual(
    opened.map((o) => o.closed),
    [false, true, false],
  );
});

test('a reference is a name, and perhaps a version', (t) => {
  t.deepEqual(referenceOf('sst2@1.0'), { name: 'sst2', version: '1.0' });
  t.deepEqual(referenceOf('sst2'), { name: 'sst2', version: undefined });
  for (const ref of ['', 'A', 'a@', 'a@b@c', '../x', 'a/b'])
    t.throws(() => referenceOf(ref), { code: 'BAD_CONFIGURATION' });
});
