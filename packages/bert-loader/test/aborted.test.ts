/** What is given up by a signal: a download, a checkpoint that is being read, texts that are asked about. */
import { getEventListeners } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { readFolder } from '../src/files/browser.js';
import { type AskedModel, bertFromFiles, loadBert, type ReadFile, TextModel } from '../src/index.js';
import { reader } from './fixture.js';

test.before(async () => {
  await tf.setBackend('cpu');
});

const REASON = new Error('nobody waits for it');
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error) => error,
  );
const name = 'bert-sequence';

test.serial('a checkpoint is given up before, at each of its files and at its download', async (t) => {
  const read = reader(name);
  const before = tf.memory().numTensors;
  t.is(await reasonOf(loadBert('nowhere', { signal: AbortSignal.abort(REASON) })), REASON);
  await t.throwsAsync(loadBert('nowhere', { signal: 'soon' as never }), { instanceOf: TypeError });
  for (const at of ['config.json', 'tokenizer.json', 'model.safetensors']) {
    const stop = new AbortController();
    const stopping: ReadFile = (file) => {
      if (file === at) stop.abort(REASON);
      return read(file);
    };
    t.is(await reasonOf(bertFromFiles(stopping, 'm', { signal: stop.signal })), REASON, at);
    t.is(getEventListeners(stop.signal, 'abort').length, 0);
  }
  t.is(tf.memory().numTensors, before);
  let left: Promise<unknown> | undefined;
  const stop = new AbortController();
  const server = createServer(async (request, response: ServerResponse) => {
    const file = request.url!.slice(1);
    const bytes = await read(file);
    if (file === 'model.safetensors') {
      left = new Promise((resolve) => response.once('close', resolve));
      response.writeHead(200).write(bytes!.subarray(0, 100));
      setTimeout(() => stop.abort(REASON), 20);
    } else if (bytes) response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { signal } = stop;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.is(await reasonOf(bertFromFiles(readFolder(url, signal), url, { signal })), REASON);
  await left;
  t.pass('the server is told');
  t.is(await reasonOf(readFolder(url, signal)('config.json')), REASON);
  t.is(tf.memory().numTensors, before);
});

/** A model that answers when it is told to, and heeds no signal by itself. */
function asked() {
  const read = reader(name);
  const seen = { signals: [] as (AbortSignal | undefined)[], disposed: 0, asked: () => {} };
  const spec = (dtype: string, ...names: string[]) => names.map((n) => ({ name: n, dtype, shape: [1, 8] }));
  const model: AskedModel = {
    manifest: {
      name: 'm',
      version: '1',
      programs: [
        {
          inputs: spec('int32', 'ids', 'mask', 'segments'),
          outputs: [{ name: 'logits', dtype: 'float32', shape: [1, 3] }],
        },
      ],
      assets: ['config.json', 'tokenizer.json'].map((file) => ({ name: file })),
    },
    asset: async (file, options) => {
      seen.signals.push(options?.signal);
      return (await read(file))!;
    },
    execute: (_, __, options) => {
      seen.signals.push(options?.signal);
      const answer = tf.tensor2d([[1, 2, 3]]);
      const data = answer.data.bind(answer);
      answer.data = (async () => {
        seen.asked();
        await new Promise((resolve) => setTimeout(resolve));
        return data();
      }) as never;
      return answer;
    },
    dispose: () => void seen.disposed++,
  };
  return { model, seen };
}

test.serial('texts are given up before and while they are asked about, and the next ones are answered', async (t) => {
  const { model, seen } = asked();
  const { signal } = new AbortController();
  t.is(await reasonOf(TextModel.of(model, { signal: AbortSignal.abort(REASON) })), REASON);
  t.deepEqual(seen.signals, []);
  const texts = await TextModel.of(model, { signal });
  t.true(seen.signals.length > 0 && seen.signals.every((s) => s === signal));
  const before = tf.memory().numTensors;
  const runs = seen.signals.length;
  t.is(await reasonOf(texts.ask(['a'], { signal: AbortSignal.abort(REASON) })), REASON);
  t.is(seen.signals.length, runs);
  let stop = new AbortController();
  t.is(await reasonOf(texts.ask(['a', 'b'], { signal: stop.signal, onInputs: () => stop.abort(REASON) })), REASON);
  t.is(seen.signals.length, runs, 'nothing is asked');
  stop = new AbortController();
  seen.asked = () => stop.abort(REASON);
  t.is(await reasonOf(texts.ask(['a', 'b'], { signal: stop.signal })), REASON);
  t.is(seen.signals.length, runs + 1, 'the second text is not asked about');
  t.is(seen.signals.at(-1), stop.signal);
  seen.asked = () => {};
  let rows = 0;
  for (let i = 0; i < 100; i++) {
    const answers = await texts.ask(['a'], { signal, onInputs: (inputs) => (rows += inputs.rows) });
    t.deepEqual([...answers[0]!.values], [1, 2, 3]);
  }
  t.is(rows, 100);
  t.is(getEventListeners(signal, 'abort').length + getEventListeners(stop.signal, 'abort').length, 0);
  t.is(tf.memory().numTensors, before);
});

test.serial('a model of texts lets its model go, at the end of a block too', async (t) => {
  const { model, seen } = asked();
  const count = async () => {
    using texts = await TextModel.of(model);
    await using others = await TextModel.of(model);
    return texts.lengths.length + others.lengths.length;
  };
  t.is(await count(), 2);
  t.is(seen.disposed, 2);
  (await TextModel.of(model)).dispose();
  t.is(seen.disposed, 3);
});
