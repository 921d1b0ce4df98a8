/** Asks of a published model that are given up, by whoever has predicted or by whoever reads; and models let go. */
import { getEventListeners } from 'node:events';
import { Session } from '@secformer/party-node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { configure, read } from '../src/index.js';
import { Askers, type AskingLink } from '../src/runtime/askers.js';
import type { AskCall } from '../src/runtime/messages.js';
import { loadedOver } from '../src/service/load-published.js';
import { shapedModel } from '../src/service/models.js';
import type { Asking, RunProgress } from '../src/service/nodes.js';
import { trace } from '../src/service/trace.js';
import { sample } from './harness.js';
import { StubNodes, stopNodes } from './stub-nodes.js';

test.serial.before(() => configure({}));
test.after.always(stopNodes);

const REASON = new Error('nobody waits for it');
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error) => error,
  );
const x = () => tf.tensor2d(sample(8, -1, 1), [2, 4]);
const weights = sample(12, -1, 1, 3);

/** A model whose asks hear of their progress. */
async function loaded(onProgress: (e: RunProgress) => void = () => {}) {
  const { f, inputs } = shapedModel(
    (x: tf.Tensor) => ({ logits: tf.matMul(x, tf.tensor2d(weights, [4, 3])) }),
    { x: { shape: [2, 4] } },
    undefined,
  );
  const stub = new StubNodes({ name: 'small', version: '1', traced: [trace(f, inputs)] });
  return { stub, model: await loadedOver('small', async () => stub, onProgress) };
}
const right = (got: ArrayLike<number>) => {
  const given = sample(8, -1, 1);
  return Array.from(got).every((v, o) => {
    const [row, column] = [Math.floor(o / 3), o % 3];
    const want = [0, 1, 2, 3].reduce((sum, k) => sum + given[row * 4 + k]! * weights[k * 3 + column]!, 0);
    return Math.abs(v - want) < 1e-3;
  });
};

test.serial('a signal of predict gives up its ask, before and under way, and another one is right', async (t) => {
  t.timeout(60_000);
  let stop = new AbortController();
  const { stub, model } = await loaded(({ phase }) => phase === 'running' && stop.abort(REASON));
  for (const call of [
    () => model.predict(x(), { signal: AbortSignal.abort(REASON) }),
    () => model.execute(x(), 'logits', { signal: AbortSignal.abort(REASON) }),
  ])
    t.is(t.throws(call), REASON);
  const before = model.predict(x(), { signal: stop.signal }) as tf.Tensor;
  stop.abort(REASON);
  t.is(await reasonOf(before.data()), REASON);
  t.is(stub.asked, 0);
  stop = new AbortController();
  const logits = model.execute(x(), 'logits', { signal: stop.signal }) as tf.Tensor;
  t.is(await reasonOf(logits.data()), REASON);
  t.is(await reasonOf(logits.data()), REASON, 'from then on');
  t.is(stub.asked, 1);
  t.is(getEventListeners(stop.signal, 'abort').length, 0);
  t.true(right(await (model.predict(x()) as tf.Tensor).data()));
  // After its answer a signal means nothing
  stop = new AbortController();
  const after = new AbortController();
  const answered = model.predict(x(), { signal: after.signal }) as tf.Tensor;
  t.true(right(await answered.data()));
  after.abort(REASON);
  t.true(right(await answered.data()));
  t.is(getEventListeners(after.signal, 'abort').length, 0);
  model.dispose();
});

test.serial('of several who read one answer the last to give up ends the ask', async (t) => {
  t.timeout(60_000);
  const { stub, model } = await loaded();
  const [a, b] = [new AbortController(), new AbortController()];
  const logits = model.predict(x()) as tf.Tensor;
  const soft = tf.softmax(logits);
  const [one, other] = [read(logits, { signal: a.signal }), read(soft, { signal: b.signal })];
  a.abort(REASON);
  t.is(await reasonOf(one), REASON);
  t.is((await other).length, 6);
  t.is(stub.asked, 1);
  const again = model.predict(x()) as tf.Tensor;
  const c = new AbortController();
  const alone = read(again, { signal: c.signal });
  c.abort(REASON);
  t.is(await reasonOf(alone), REASON);
  t.true(right(await again.data()), 'a reader who comes later asks again');
  model.dispose();
});

test.serial('a model is let go at the end of a block, and files may be given up', async (t) => {
  const { stub, model } = await loaded();
  const run = async () => {
    await using mine = model;
    t.is(await reasonOf(mine.asset('a', { signal: AbortSignal.abort(REASON) })), REASON);
    return mine.predict(x()) as tf.Tensor;
  };
  const late = await run();
  await new Promise((resolve) => setTimeout(resolve));
  t.truthy(stub.dead);
  await t.throwsAsync(late.data(), { code: 'MODEL_DISPOSED' });
  await t.throwsAsync(model.asset('a'), { code: 'MODEL_DISPOSED' });
  t.is(typeof Session.prototype[Symbol.dispose], 'function');
});

test('a connection that several models share ends with what is asked over it', async (t) => {
  let answer: (value: unknown) => void = () => {};
  let closed = 0;
  const askers = new Askers(async () => {
    const link: Pick<Asking, 'dead' | 'close'> & Record<string, unknown> = {
      dead: undefined,
      manifest: async (name: string) => ({ name, version: '1' }),
      ask: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      close: () => void closed++,
    };
    return link as unknown as AskingLink;
  });
  const access = { network: {}, key: 'k' };
  const hearing = { onProgress: () => {}, signal: undefined };
  const model = { name: 'm', version: '1' };
  const ask: AskCall = { what: 'ask', model, program: 0, values: [], indices: [] };
  const asking = askers.perform(access, ask, hearing);
  await new Promise((resolve) => setTimeout(resolve));
  await askers.perform(access, { what: 'close' }, hearing);
  await new Promise((resolve) => setTimeout(resolve));
  t.is(closed, 0);
  answer('an answer');
  t.is(await asking, 'an answer');
  await new Promise((resolve) => setTimeout(resolve));
  t.is(closed, 1);
});
