/** The proxy's interfaces before models that are made up: what each takes, gives and refuses. */
import { setTimeout as after } from 'node:timers/promises';
import { NodeError } from '@secformer/party-node';
import test from 'ava';
import type { FastifyInstance } from 'fastify';
import OpenAI from 'openai';
import { limits } from '../src/proxy/limits.js';
import { CLASSIFIER, EMBEDDER, MadeUp, NUMBERS, RANKER } from './proxy-models.js';

const HOST = { host: '127.0.0.1:8470' };
const LONG = 'a film that goes on and on and on and on and on and on and on';

async function post(app: FastifyInstance, url: string, payload: object, headers: Record<string, string> = {}) {
  const reply = await app.inject({ method: 'POST', url, payload, headers: { ...HOST, ...headers } });
  return { status: reply.statusCode, json: reply.json(), headers: reply.headers };
}
async function get(app: FastifyInstance, url: string, headers: Record<string, string> = {}) {
  const reply = await app.inject({ url, headers: { ...HOST, ...headers } });
  return { status: reply.statusCode, text: reply.body, json: () => reply.json() };
}

test('/embed: vectors of a text or of many, in their order, at unit length', async (t) => {
  const made = new MadeUp(EMBEDDER);
  const { app } = await made.server();
  const one = await post(app, '/embed', { inputs: 'a film', normalize: false });
  t.is(one.status, 200);
  t.is(one.json[0][0], 4);
  const many = await post(app, '/embed', { inputs: ['a film', 'a very good and warm film', 'a'], normalize: false });
  t.deepEqual(
    many.json.map((v: number[]) => v[0]),
    [4, 8, 3],
  );
  t.deepEqual(made.asked, [
    [1, 8],
    [4, 16],
  ]);
  const unit = await post(app, '/embed', { inputs: 'a film', truncate: null });
  t.true(Math.abs(Math.hypot(...unit.json[0]) - 1) < 1e-6);
  t.is((await post(app, '/embed', { inputs: 'a film', dimensions: 2 })).json[0].length, 2);
  t.deepEqual((await post(app, '/', { inputs: 'a film' })).json, unit.json);
  const long = await post(app, '/embed', { inputs: [LONG] });
  t.is(long.status, 413);
  t.is(long.json.error_type, 'Validation');
  t.regex(long.json.error, /must have at most 16 tokens. Given: \d+/);
  const cut = await post(app, '/embed', { inputs: [LONG], truncate: true, normalize: false });
  t.is(cut.json[0][0], 16);
});

test('/embed refuses what it cannot take, and says what it expects', async (t) => {
  const made = new MadeUp(EMBEDDER);
  const { app } = await made.server();
  for (const [payload, status, type, why] of [
    [{}, 400, 'Validation', /must have required property 'inputs'/],
    [{ inputs: [1, 2] }, 400, 'Validation', /`inputs` is something else than a text or a list of texts; token ids/],
    [{ inputs: [] }, 400, 'Empty', /cannot be empty/],
    [{ inputs: ['a', ''] }, 400, 'Empty', /text 1 is/],
    [{ inputs: 'a', normalize: 'yes' }, 400, 'Validation', /`normalize` must be boolean/],
    [{ inputs: 'a', dimensions: 4 }, 400, 'Validation', /the model's vectors have 3/],
    [{ inputs: 'a', truncation_direction: 'Left' }, 422, 'Tokenizer', /alone is understood/],
    [{ inputs: 'a', prompt_name: 'query' }, 422, 'Tokenizer', /write the prompt/],
    [{ inputs: new Array(limits.texts + 1).fill('a') }, 413, 'Validation', /batch size 513 > maximum allowed/],
    [{ inputs: 'a'.repeat(limits.textCharacters + 1) }, 413, 'Validation', /characters, at most/],
    [{ inputs: 'a'.repeat(limits.textBytes) }, 413, 'Validation', /too large/],
  ] as const) {
    const { status: got, json } = await post(app, '/embed', payload);
    t.is(got, status, json.error);
    t.is(json.error_type, type);
    t.regex(json.error, why);
  }
  const other = await post(app, '/predict', { inputs: 'a' });
  t.is(other.status, 424);
  t.regex(other.json.error, /vectors@1 gives embed \[1,3\]; predictions come of a classifier/);
  const broken = await app.inject({
    ...{ method: 'POST', url: '/embed', payload: '{"inputs": "a secret' },
    headers: { ...HOST, 'content-type': 'application/json' },
  });
  t.is(broken.statusCode, 400);
  t.false(broken.body.includes('secret'));
  t.deepEqual(made.asked, []);
});

test('/predict: classes of a text, of a pair, and of many', async (t) => {
  const made = new MadeUp(CLASSIFIER);
  const { app } = await made.server();
  const one = await post(app, '/predict', { inputs: 'a film' });
  t.deepEqual(
    one.json.map(({ label, score }: { label: string; score: number }) => [label, score.toFixed(4)]),
    [
      ['negative', '0.7311'],
      ['positive', '0.2689'],
    ],
  );
  const many = await post(app, '/predict', { inputs: [['a film'], ['a', 'b']], raw_scores: true });
  t.deepEqual(many.json, [
    [
      { label: 'negative', score: 4 },
      { label: 'positive', score: 3 },
    ],
    [
      { label: 'negative', score: 5 },
      { label: 'positive', score: 3 },
    ],
  ]);
  t.deepEqual(made.asked.at(-1), [2, 16]);
  t.is((await post(app, '/predict', { inputs: ['a', 'b'] })).json.length, 2);
  const rank = await post(app, '/rerank', { query: 'a', texts: ['b'] });
  t.is(rank.status, 424);
  t.is(rank.json.error_type, 'Backend');
  t.regex(rank.json.error, /classifier of pairs with one label/);
  const info = (await get(app, '/info')).json();
  t.like(info, { model_id: 'sst2@1', max_input_length: 16, auto_truncate: false });
  t.deepEqual(info.model_type.classifier.id2label, { 0: 'negative', 1: 'positive' });
});

test('/rerank: by a classifier of pairs, or by the cosine', async (t) => {
  const { app } = await new MadeUp(RANKER).server();
  const { json } = await post(app, '/rerank', { query: 'a', texts: ['b', 'b c d', 'b c'], return_text: true });
  t.deepEqual(
    json.map((r: { index: number; text: string }) => [r.index, r.text]),
    [
      [1, 'b c d'],
      [2, 'b c'],
      [0, 'b'],
    ],
  );
  t.true(Math.abs(json[0].score - 1 / (1 + Math.exp(-0.7))) < 1e-6);
  const { app: vectors } = await new MadeUp(EMBEDDER).server();
  const cosines = await post(vectors, '/rerank', { query: 'a film', texts: ['very good', 'a film'] });
  t.is(cosines.json[0].index, 1);
  t.true(Math.abs(cosines.json[0].score - 1) < 1e-6);
  t.is((await post(app, '/', { query: 'a', texts: ['b'] })).json.length, 1);
  t.is((await post(vectors, '/rerank', { query: 'a', texts: [] })).json.error_type, 'Empty');
});

test.serial('OpenAI’s client: vectors as numbers and as base64, usage, and its own classes of errors', async (t) => {
  const made = new MadeUp(EMBEDDER, CLASSIFIER);
  const token = 'x'.repeat(44);
  const { app } = await made.server({ token, answerMs: 200 });
  t.teardown(() => app.close());
  const baseURL = `${await app.listen({ host: '127.0.0.1', port: 0 })}/v1`;
  const client = new OpenAI({ baseURL, apiKey: token, maxRetries: 0 });
  const asked = { model: 'vectors', input: ['a film', 'a very good film'] };
  const { data, usage, model } = await client.embeddings.create(asked);
  t.deepEqual([data.length, usage, model], [2, { prompt_tokens: 10, total_tokens: 10 }, 'vectors']);
  const floats = await client.embeddings.create({ ...asked, encoding_format: 'float', dimensions: 2 });
  const whole = await client.embeddings.create({ ...asked, encoding_format: 'float' });
  t.deepEqual([...data[0]!.embedding], whole.data[0]!.embedding);
  t.is(floats.data[1]!.embedding.length, 2);
  t.deepEqual(
    (await client.models.list()).data.map(({ id }) => id),
    ['vectors@1', 'sst2@1'],
  );
  const create = (more: object) => client.embeddings.create({ ...asked, ...more });
  await t.throwsAsync(create({ model: 'other' }), { instanceOf: OpenAI.NotFoundError, code: 'model_not_found' });
  await t.throwsAsync(create({ model: 'sst2@1' }), { instanceOf: OpenAI.BadRequestError, message: /sst2@1 gives/ });
  await t.throwsAsync(create({ input: [1, 2] }), { instanceOf: OpenAI.BadRequestError, message: /token ids/ });
  await t.throwsAsync(create({ input: LONG }), {
    ...{ instanceOf: OpenAI.BadRequestError, code: 'context_length_exceeded', message: /maximum context length is 16/ },
  });
  const stranger = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
  await t.throwsAsync(stranger.embeddings.create(asked), { instanceOf: OpenAI.AuthenticationError });
  for (const [code, kind, own] of [
    ['BUSY', OpenAI.RateLimitError, 'rate_limit_exceeded'],
    ['QUOTA_SPENT', OpenAI.RateLimitError, 'insufficient_quota'],
    ['GRANT_REFUSED', OpenAI.PermissionDeniedError, 'GRANT_REFUSED'],
    ['UNREACHABLE', OpenAI.InternalServerError, 'UNREACHABLE'],
    ['INPUT_REFUSED', OpenAI.BadRequestError, 'INPUT_REFUSED'],
  ] as const) {
    made.failure = new NodeError('party 0', code, 'said no', { retryAfterMs: 1500 });
    for (const input of ['a film', ['a film', LONG.slice(0, 20), 'a', 'b', 'c', 'd']]) {
      const error = await t.throwsAsync(create({ input }), { instanceOf: kind as typeof OpenAI.APIError, code: own });
      const later = error?.headers?.get('retry-after');
      t.is(later, code === 'GRANT_REFUSED' || code === 'INPUT_REFUSED' ? null : '2');
    }
  }
  made.failure = undefined;
  made.until = new Promise(() => {});
  const error = await t.throwsAsync(create({}), { instanceOf: OpenAI.InternalServerError, code: 'timeout' });
  t.is(error?.status, 504);
});

test('the Open Inference Protocol: tensors of the published shapes', async (t) => {
  const made = new MadeUp(NUMBERS);
  const { app } = await made.server();
  const url = '/v2/models/numbers/infer';
  const x = (shape: number[], data: unknown, datatype = 'FP32') => ({ inputs: [{ name: 'x', shape, datatype, data }] });
  const { json } = await post(app, '/v2/models/numbers/versions/1/infer', { id: '7', ...x([1, 3], [1, 2, 3.5]) });
  t.deepEqual(json, {
    ...{ model_name: 'numbers', model_version: '1', id: '7' },
    outputs: [
      { name: 'sum', shape: [1, 1], datatype: 'FP32', data: [6.5] },
      { name: 'twice', shape: [1, 3], datatype: 'FP32', data: [2, 4, 7] },
    ],
  });
  const one = await post(app, url, { ...x([1, 3], [[1, 2, 3]]), outputs: [{ name: 'twice' }] });
  t.deepEqual(one.json.outputs, [{ name: 'twice', shape: [1, 3], datatype: 'FP32', data: [2, 4, 6] }]);
  for (const [payload, why] of [
    [x([2, 3], [1, 2, 3, 4, 5, 6]), /was not published for x: float32 \[2,3\]; it takes .*\[1,3\], or .*\[4,3\]/],
    [x([1, 3], [1, 2]), /has 2 values; the shape \[1,3\] has 3/],
    [x([1, 3], ['a', 'b', 'c']), /inputs\.0\.data holds a string/],
    [x([1, 3], [1, 2, 1e39]), /value 2 of inputs\.0\.data is no float32/],
    [x([1, 3], [1, 2, 3], 'INT32'), /which is FP32/],
    [{ inputs: [{ name: 'y', shape: [1], datatype: 'FP32', data: [1] }] }, /no input of that name; it takes x/],
    [{ inputs: [] }, /the input x is missing/],
    [{ ...x([1, 3], [1, 2, 3]), outputs: [{ name: 'none' }] }, /it gives sum, twice/],
    [{ inputs: [{ ...x([1, 3], []).inputs[0], parameters: { binary_data_size: 12 } }] }, /JSON here/],
  ] as const) {
    const { status, json } = await post(app, url, payload);
    t.is(status, 400, json.error);
    t.regex(json.error, why);
  }
  t.is((await post(app, '/v2/models/other/infer', x([1, 3], [1, 2, 3]))).status, 404);
  t.deepEqual((await get(app, '/v2/models/numbers')).json(), {
    ...{ name: 'numbers', versions: ['1'], platform: 'secformer' },
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
    outputs: [
      { name: 'sum', datatype: 'FP32', shape: [-1, 1] },
      { name: 'twice', datatype: 'FP32', shape: [-1, 3] },
    ],
  });
  t.deepEqual((await get(app, '/v2/models/numbers/ready')).json(), { name: 'numbers', ready: true });
  t.is((await get(app, '/v2')).json().name, 'secformer');
  const texts = new MadeUp(CLASSIFIER);
  const rows = [1, 2, 3].flatMap(() => [2, 5, 3, 0, 0, 0, 0, 0]);
  const of = (name: string, data: number[]) => ({ name, shape: [3, 8], datatype: 'INT64', data });
  const mask = rows.map((id) => (id > 0 ? 1 : 0));
  const inputs = [
    of('ids', rows),
    of('mask', mask),
    of(
      'segments',
      rows.map(() => 0),
    ),
  ];
  const many = await post((await texts.server()).app, '/v2/models/sst2/infer', { inputs });
  t.deepEqual(many.json.outputs[0], { name: 'logits', shape: [3, 2], datatype: 'FP32', data: [3, 3, 3, 3, 3, 3] });
  t.is(texts.asked.length, 3);
});

test('TensorFlow Serving: instances by rows, inputs by columns', async (t) => {
  const made = new MadeUp(NUMBERS);
  const { app } = await made.server();
  const url = '/v1/models/numbers:predict';
  const instances = Array.from({ length: 5 }, (_, i) => [i, i, i]);
  const { json } = await post(app, url, { instances });
  t.deepEqual(json.predictions[4], { sum: [12], twice: [8, 8, 8] });
  t.deepEqual(made.asked, [
    [4, 3],
    [1, 3],
  ]);
  const named = await post(app, '/v1/models/numbers/versions/1:predict', { instances: [{ x: [1, 2, 3] }] });
  t.deepEqual(named.json, { predictions: [{ sum: [6], twice: [2, 4, 6] }] });
  const columns = await post(app, url, { inputs: { x: [[1, 2, 3]] } });
  t.deepEqual(columns.json, { outputs: { sum: [[6]], twice: [[2, 4, 6]] } });
  for (const [payload, why] of [
    [{}, /either `instances` or `inputs`/],
    [{ instances: [] }, /`instances` is empty/],
    [{ instances: [[1, 2], [1]] }, /ragged/],
    [{ instances: [{ y: [1] }] }, /no input of that name/],
    [{ instances: new Array(3000).fill([1, 2, 3]) }, /3000 rows, at most 512/],
    [
      {
        inputs: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      },
      /was not published for/,
    ],
    [{ signature_name: 'other', inputs: [[1, 2, 3]] }, /serving_default/],
  ] as const) {
    const { status, json } = await post(app, url, payload);
    t.is(status, json.error.includes('rows') ? 413 : 400, json.error);
    t.regex(json.error, why);
  }
  t.is((await post(app, '/v1/models/numbers:classify', {})).status, 404);
  const { model_version_status: status } = (await get(app, '/v1/models/numbers')).json();
  t.like(status[0], { version: '1', state: 'AVAILABLE' });
  t.is((await get(app, '/v1/models/numbers/versions/2')).status, 404);
});

test('web pages cannot use it, nor whoever lacks the token', async (t) => {
  const { app } = await new MadeUp(EMBEDDER).server();
  const ask = (headers: Record<string, string>) => post(app, '/embed', { inputs: 'a' }, headers);
  t.is((await ask({ host: 'localhost:8470' })).status, 200);
  t.is((await ask({ host: '[::1]:8470' })).status, 200);
  t.is((await ask({ host: 'evil.example:8470' })).status, 421);
  t.is((await ask({ host: '127.0.0.1.evil.example' })).status, 421);
  t.is((await ask({ origin: 'http://evil.example' })).status, 403);
  t.is((await ask({ origin: 'null' })).status, 403);
  t.is((await ask({ origin: 'http://127.0.0.1:8470' })).status, 200);
  t.is((await ask({ 'sec-fetch-site': 'cross-site' })).status, 403);
  const { headers } = await ask({});
  t.is(headers['access-control-allow-origin'], undefined);
  const simple = await app.inject({
    ...{ method: 'POST', url: '/embed', payload: '{"inputs":"a"}' },
    headers: { ...HOST, 'content-type': 'text/plain' },
  });
  t.is(simple.statusCode, 415);
  const { app: open } = await new MadeUp(EMBEDDER).server({ local: false, token: 'a-token' });
  const far = (authorization: string, url = '/info') => get(open, url, { host: 'a.example', authorization });
  t.is((await far('')).status, 401);
  t.is((await far('Bearer a-toke')).status, 401);
  t.is((await far('Bearer a-token')).status, 200);
  t.is((await far('', '/metrics')).status, 401);
  t.is((await far('', '/nothing')).status, 401);
});

test('requests beyond what is taken at a time are told when to come again', async (t) => {
  const made = new MadeUp(EMBEDDER);
  const { app } = await made.server();
  let free = () => {};
  made.until = new Promise((resolve) => {
    free = resolve;
  });
  const all = Array.from({ length: limits.requests }, () => post(app, '/embed', { inputs: 'a' }));
  while (made.asked.length < limits.asks) await after(1);
  const { status, json, headers } = await post(app, '/embed', {});
  t.deepEqual([status, json.error_type, headers['retry-after']], [429, 'Overloaded', '1']);
  t.is((await get(app, '/v2/health/live')).status, 200);
  free();
  t.true((await Promise.all(all)).every((reply) => reply.status === 200));
  t.is((await post(app, '/embed', { inputs: 'a' })).status, 200);
});

test('health is the nodes’, and counts hold nothing of what was asked', async (t) => {
  const made = new MadeUp(EMBEDDER);
  const { app } = await made.server();
  t.is((await get(app, '/health')).status, 200);
  await post(app, '/embed', { inputs: ['a warm film', 'a film'] });
  await post(app, '/embed', { inputs: LONG });
  const { text } = await get(app, '/metrics');
  t.regex(text, /secformer_proxy_texts_total\{model="vectors@1"\} 2/);
  t.regex(text, /secformer_proxy_tokens_total\{model="vectors@1"\} 9/);
  t.regex(text, /secformer_proxy_asks_total\{model="vectors@1",outcome="OK"\} 1/);
  t.regex(text, /secformer_proxy_requests_total\{route="\/embed",status="413"\} 1/);
  t.regex(text, /secformer_proxy_errors_total\{code="too_long"\} 1/);
  t.false(text.includes('film'));
  const down = new MadeUp(EMBEDDER);
  down.failure = undefined;
  const { app: unwell } = await down.server();
  down.failure = new NodeError('dealer', 'UNREACHABLE', 'is not there');
  const health = await get(unwell, '/health');
  t.is(health.status, 503);
  t.is(health.json().error_type, 'Unhealthy');
  t.deepEqual((await get(unwell, '/v2/health/ready')).json(), { ready: false });
  t.deepEqual((await get(unwell, '/v2/health/live')).json(), { live: true });
});

test('an error that nobody expected is reported without what was asked', async (t) => {
  const made = new MadeUp(EMBEDDER);
  const lines: string[] = [];
  const { app } = await made.server({ report: (line) => void lines.push(line) });
  made.failure = new TypeError('a secret text was in it');
  const { status, json } = await post(app, '/embed', { inputs: 'a' });
  t.is(status, 500);
  t.false((json.error + lines.join()).includes('secret'));
  t.regex(lines.join(), /a request failed: TypeError\n\s+at /);
  t.is((await get(app, '/nothing')).status, 404);
});

test('a client that goes away ends what it has asked, and its places are free at once', async (t) => {
  const made = new MadeUp({ ...EMBEDDER, shapes: [[1, 8]] });
  const { app, relay } = await made.server();
  t.teardown(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  made.until = new Promise(() => {});
  const leaves = new AbortController();
  const body = JSON.stringify({ inputs: new Array(20).fill('a') });
  const headers = { 'content-type': 'application/json' };
  const asked = fetch(`${url}/embed`, { method: 'POST', body, headers, signal: leaves.signal });
  while (made.asked.length < limits.asks) await after(2);
  leaves.abort();
  await t.throwsAsync(asked, { any: true });
  while (!(await relay.metrics.text()).includes('code="gone"')) await after(2);
  made.until = Promise.resolve();
  t.is((await post(app, '/embed', { inputs: 'b' })).status, 200);
  t.is(made.asked.length, limits.asks + 1);
});

test('the description lists every route', async (t) => {
  const { app } = await new MadeUp(EMBEDDER).server();
  const { paths, openapi } = (await get(app, '/openapi.json')).json();
  t.regex(openapi, /^3\./);
  for (const path of [
    ...['/embed', '/predict', '/rerank', '/info', '/health', '/metrics', '/v1/embeddings', '/v1/models', '/v2'],
    ...['/v2/health/live', '/v2/health/ready', '/v2/models/{name}', '/v2/models/{name}/ready'],
    ...['/v2/models/{name}/infer', '/v2/models/{name}/versions/{version}/infer'],
    ...['/v1/models/{name}', '/v1/models/{name}:predict', '/v1/models/{name}/versions/{version}:predict'],
  ])
    t.true(path in paths, path);
});
