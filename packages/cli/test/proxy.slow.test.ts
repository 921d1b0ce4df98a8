/** The proxy as a process before three nodes, and the programs that people have in front of it, unchanged. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InferenceClient } from '@huggingface/inference';
import { OpenAIEmbeddings } from '@langchain/openai';
import { type BertModel, loadBert } from '@secformer/bert-loader';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import OpenAI from 'openai';
import { main } from '../src/index.js';
import { serveProxy } from '../src/proxy/serve.js';
import { nodes } from '../src/service.js';
import { Files, sst2 } from './commands.js';

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));
const vectors = fileURLToPath(
  new URL('../../../bert-loader/test/fixtures/models/sentence-mean-normalize', import.meta.url),
);
const files = new Files();
const TEXTS = ['w1 w2 w3', 'w7', 'w40 w41 w1 w2'];
let service: LocalService;
let proxy: ChildProcess;
let url: string;
let logged = '';
let embedder: BertModel;
/** vectors of TEXTS, and scores of texts, in plaintext */
let plainVectors: number[][];
let scoresOf: (texts: string[]) => number[][];

const quiet = { out: () => {}, err: () => {}, bar: undefined };

test.before(async (t) => {
  t.timeout(240_000);
  // Nothing is asked twice: what nodes prepare meanwhile would be for nobody
  service = await startLocalService({ flags: () => ['--pool-bytes', '0'] });
  const key = files.write('publisher.key', `${secretKeyText(service.publisher.secret)}\n`);
  const who = ['--network', service.networkFile, '--key', key];
  for (const [folder, name, ...flags] of [
    [sst2, 'sst2', '--seq', '16'],
    [vectors, 'vectors', '--seq', '8', '--batch', '2'],
  ] as const)
    t.is(await main(['publish', folder, '--name', name, '--version', '1', ...flags, ...who], nodes, quiet), 0);
  proxy = spawn(process.execPath, [bin, 'proxy', 'vectors@1', 'sst2', '--listen', '127.0.0.1:0', ...who], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  proxy.stderr!.on('data', (d) => {
    logged += d;
  });
  const [line] = (await once(createInterface(proxy.stdout!), 'line')) as [string];
  url = line.replace('listening on ', '');
  await tf.setBackend('cpu');
  embedder = await loadBert(vectors);
  const classifier = await loadBert(sst2);
  plainVectors = embedder.embed(embedder.tokenize(TEXTS, 8)).arraySync() as number[][];
  scoresOf = (texts) => tf.softmax(logits(classifier, texts)).arraySync() as number[][];
});
test.after.always(async () => {
  proxy?.kill('SIGKILL');
  service?.stop();
  files.remove();
});

const logits = (model: BertModel, texts: string[]) => model.logits(model.tokenize(texts, 16));

/** Largest difference of numbers. */
const apart = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]) =>
  Math.max(...a.flatMap((row, i) => row.map((x, k) => Math.abs(x - b[i]![k]!))));

test.serial('OpenAI’s client gets the vectors of the plaintext model', async (t) => {
  t.timeout(120_000);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
  const { data, usage } = await client.embeddings.create({ model: 'vectors', input: TEXTS });
  t.is(usage.total_tokens, 14);
  t.true(
    apart(
      data.map(({ embedding }) => embedding),
      plainVectors,
    ) < 1e-3,
  );
  await t.throwsAsync(client.embeddings.create({ model: 'sst2', input: 'a film' }), {
    instanceOf: OpenAI.BadRequestError,
  });
});

test.serial(
  'LangChain’s embeddings are those of the plaintext model, and a refusal is OpenAI’s own error',
  async (t) => {
    t.timeout(120_000);
    const configuration = { baseURL: `${url}/v1` };
    const of = (model: string) => new OpenAIEmbeddings({ model, apiKey: 'unused', configuration, maxRetries: 0 });
    t.true(apart(await of('vectors').embedDocuments(TEXTS), plainVectors) < 1e-3);
    t.true(apart([await of('vectors').embedQuery(TEXTS[1]!)], [plainVectors[1]!]) < 1e-3);
    await t.throwsAsync(of('sst2').embedQuery('a film'), { instanceOf: OpenAI.BadRequestError });
    await t.throwsAsync(of('unknown').embedQuery('a film'), { instanceOf: OpenAI.NotFoundError });
  },
);

test.serial('Hugging Face’s client gets vectors and classes', async (t) => {
  t.timeout(120_000);
  const found = await new InferenceClient()
    .endpoint(`${url}/embed`)
    .featureExtraction({ inputs: TEXTS as never, truncate: true });
  t.true(apart(found as number[][], plainVectors) < 1e-3);
  const text = 'A delight.';
  // Of one text text-embeddings-inference answers a list of classes, where this client expects a list of such lists
  const classes = await new InferenceClient()
    .endpoint(`${url}/predict`)
    .textClassification({ inputs: [[text]] as never });
  const [, positive] = scoresOf([text])[0]!;
  t.true(Math.abs(classes[0]!.score - positive!) < 1e-3);
});

test.serial('tensors, by the Open Inference Protocol and by TensorFlow Serving', async (t) => {
  t.timeout(120_000);
  const headers = { 'content-type': 'application/json' };
  const post = async (path: string, body: object) =>
    (await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers })).json();
  const [text] = TEXTS;
  const { inputIds, attentionMask, tokenTypeIds } = embedder.tokenize([text!, text!], 8);
  const given = { ids: inputIds, mask: attentionMask, segments: tokenTypeIds };
  const inputs = Object.entries(given).map(([name, tensor]) => {
    const { shape } = tensor as tf.Tensor;
    return { name, shape, datatype: 'INT32', data: [...(tensor as tf.Tensor).dataSync()] };
  });
  const { outputs } = (await post('/v2/models/vectors/versions/1/infer', { inputs })) as {
    outputs: { name: string; shape: number[]; data: number[] }[];
  };
  t.like(outputs[0], { name: 'embed', shape: [2, 16] });
  t.true(apart([outputs[0]!.data], [[...plainVectors[0]!, ...plainVectors[0]!]]) < 1e-3);
  const instance = Object.fromEntries(inputs.map(({ name, data }) => [name, data.slice(0, 8)]));
  const served = await post('/v1/models/vectors:predict', { instances: [instance] });
  t.true(apart((served as { predictions: number[][] }).predictions, plainVectors) < 1e-3);
});

test.serial('a spent quota is 429 with the time after which to come again', async (t) => {
  t.timeout(120_000);
  const { key, grant } = await service.grant({ model: 'vectors', quota: { runs: 1, seconds: 3600 } });
  const lines: string[] = [];
  let stop = () => {};
  const until = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let listening = (_: string) => {};
  const bound = new Promise<string>((resolve) => {
    listening = resolve;
  });
  const flags = {
    network: service.networkFile,
    key: files.write('client.key', `${secretKeyText(key)}\n`),
    grant: [files.write('client.grant', `${grant}\n`)],
    listen: { host: '127.0.0.1', port: 0 },
  };
  const terminal = { ...quiet, out: (line: string) => listening(line), err: (line: string) => void lines.push(line) };
  const served = serveProxy(['vectors'], flags, nodes, terminal, () => until);
  const baseURL = `${(await Promise.race([bound, served.then(() => '')])).replace('listening on ', '')}/v1`;
  const client = new OpenAI({ baseURL, apiKey: 'unused', maxRetries: 0 });
  const create = (input: string | string[]) => client.embeddings.create({ model: 'vectors@1', input });
  t.is((await create('w1')).data.length, 1);
  for (const input of ['w1', TEXTS]) {
    const error = await t.throwsAsync(create(input), { instanceOf: OpenAI.RateLimitError, code: 'insufficient_quota' });
    t.true(Number(error?.headers?.get('retry-after')) > 3000);
  }
  stop();
  await served;
  t.deepEqual(lines, [
    'secformer: vectors@1 answers /embed, /v1/embeddings, /rerank, ' +
      '/v2/models/vectors/infer, /v1/models/vectors:predict',
  ]);
});

test.serial('nodes that are gone are 503, and the proxy outlives them; SIGTERM ends it with 0', async (t) => {
  t.timeout(120_000);
  const ready = async () => (await fetch(`${url}/v2/health/ready`)).status;
  t.is(await ready(), 200);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0, timeout: 60_000 });
  const create = () => client.embeddings.create({ model: 'vectors', input: 'w1' });
  await service.kill('party1');
  const error = await t.throwsAsync(create(), { instanceOf: OpenAI.InternalServerError });
  t.is(error?.status, 503, String(error));
  t.truthy(error?.headers?.get('retry-after'));
  await service.restart('party1');
  let again: unknown;
  for (let tries = 0; tries < 20 && !again; tries++) {
    again = await create().catch(() => undefined);
    if (!again) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  t.truthy(again);
  const underWay = create();
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.kill('SIGTERM');
  t.is((await underWay).data.length, 1);
  if (proxy.exitCode === null) await once(proxy, 'exit');
  t.is(proxy.exitCode, 0, logged);
  t.false(/w1|delight/i.test(logged));
});
