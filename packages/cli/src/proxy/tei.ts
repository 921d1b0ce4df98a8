/** The routes of Hugging Face's text-embeddings-inference: /embed, /predict, /rerank, /info, /health. */

import { answerOf } from '@secformer/bert-loader';
import type { FastifyInstance } from 'fastify';
import { answerErrors, answers, type Form, type FormOptions, listOf, NUMBER, STRING, TEXTS } from './forms.js';
import { limits } from './limits.js';
import { Refusal } from './refusals.js';
import type { Relay, Waiting } from './relay.js';
import { release } from './release.js';
import { does, SCORES, type Task, type TextModel, tasksOf, VECTOR } from './served.js';
import { askTexts, type Text } from './texts.js';
import { checkDimensions, checkTexts, cosine, unit } from './vectors.js';

const TAGS = ['text-embeddings-inference'];

interface Class {
  label: string;
  score: number;
}

/** Its types of errors, by status. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'Validation',
  413: 'Validation',
  415: 'Validation',
  422: 'Tokenizer',
  429: 'Overloaded',
  503: 'Unhealthy',
};

export const teiForm: Form = {
  body: ({ status, code, message }: Refusal) => ({
    error: message,
    error_type: code === 'empty' ? 'Empty' : (TYPES[status] ?? 'Backend'),
  }),
};

interface Options {
  truncate?: boolean | null;
  truncation_direction?: string;
}

const OPTIONS = {
  truncate: { type: 'boolean', nullable: true, description: 'cuts what is too long; else it is refused' },
  truncation_direction: { type: 'string', description: "'Right'; a model's own tokenizer says on which side it cuts" },
} as const;

const PAIRS = {
  description: 'a text, a pair of texts, or a list of lists of one text or a pair each',
  anyOf: [
    { type: 'string' },
    { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 },
    { type: 'array', items: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 } },
  ],
} as const;

/** @throws Refusal for a direction that is another than the tokenizer's */
function truncates({ truncate, truncation_direction: side }: Options): boolean {
  if (side !== undefined && side.toLowerCase() !== 'right')
    throw new Refusal(422, 'tokenizer', "`truncation_direction` is not 'Right', which alone is understood");
  return truncate === true;
}

const ERROR = { error: STRING, error_type: STRING };

/** @param gives what the answer is */
const schema = (summary: string, gives: object, required: string[], properties: object) => ({
  schema: {
    tags: TAGS,
    summary,
    body: { type: 'object', required, properties },
    response: answers('in the order of the inputs, or the best first', gives, ERROR),
  },
  bodyLimit: limits.textBytes,
});

interface Embed extends Options {
  inputs: string | string[];
  normalize?: boolean;
  dimensions?: number | null;
  prompt_name?: string | null;
}

const EMBED = schema('Vectors of texts', listOf(listOf(NUMBER)), ['inputs'], {
  inputs: TEXTS,
  ...OPTIONS,
  normalize: { type: 'boolean', description: 'to unit length; true, if absent' },
  dimensions: { type: 'integer', minimum: 1, nullable: true, description: 'as many numbers, the first ones' },
  prompt_name: { type: 'string', nullable: true, description: 'not taken: write a prompt before the text' },
});

async function embed(relay: Relay, body: Embed, waiting: Waiting): Promise<number[][]> {
  const { inputs, normalize = true, dimensions, prompt_name: prompt } = body;
  if (prompt !== undefined && prompt !== null)
    throw new Refusal(422, 'tokenizer', '`prompt_name` is not taken: write the prompt before the text');
  const model = relay.models.first('embed');
  const texts = checkTexts([inputs].flat(), 'inputs');
  const size = checkDimensions(model, dimensions);
  const { rows } = await askTexts(relay, { model, output: VECTOR, texts, truncate: truncates(body) }, waiting);
  const short = rows.map((row) => row.subarray(0, size));
  return short.map((row) => Array.from(normalize ? unit(row) : row));
}

interface Predict extends Options {
  inputs: string | string[] | string[][];
  raw_scores?: boolean;
}

const CLASS = { type: 'object', properties: { label: STRING, score: NUMBER } };
const CLASSES = { anyOf: [listOf(CLASS), listOf(listOf(CLASS))] };
const PREDICT = schema('Classes of texts', CLASSES, ['inputs'], {
  inputs: PAIRS,
  ...OPTIONS,
  raw_scores: { type: 'boolean', description: 'scores before softmax or sigmoid' },
});

async function predict(relay: Relay, body: Predict, waiting: Waiting): Promise<Class[] | Class[][]> {
  const { inputs, raw_scores: raw = false } = body;
  const model = relay.models.first('predict');
  const many = Array.isArray(inputs) && inputs.every(Array.isArray);
  const texts = checkTexts(many ? inputs.map(textOf) : [textOf(inputs as string | string[])], 'inputs');
  const { rows } = await askTexts(relay, { model, output: SCORES, texts, truncate: truncates(body) }, waiting);
  const answers = rows.map((row) => classes(model, row, raw));
  return many ? answers : answers[0]!;
}

interface Rerank extends Options {
  query: string;
  texts: string[];
  raw_scores?: boolean;
  return_text?: boolean;
}

const RANK = { type: 'object', properties: { index: { type: 'integer' }, score: NUMBER, text: STRING } };
const RERANK = schema('Texts by how well they fit a query', listOf(RANK), ['query', 'texts'], {
  query: { type: 'string' },
  texts: { type: 'array', items: { type: 'string' } },
  ...OPTIONS,
  raw_scores: { type: 'boolean', description: 'scores before the sigmoid' },
  return_text: { type: 'boolean' },
});

async function rerank(relay: Relay, body: Rerank, waiting: Waiting): Promise<object[]> {
  const { query, texts, raw_scores: raw = false, return_text: withText = false } = body;
  checkTexts([query], 'query');
  checkTexts(texts, 'texts');
  const model = relay.models.first('rerank');
  const found = await rankScores(relay, { model, query, texts, truncate: truncates(body), raw }, waiting);
  const list = found.map((score, index) => ({ index, score, ...(withText && { text: texts[index] }) }));
  return list.sort((a, b) => b.score - a.score);
}

export async function tei(app: FastifyInstance, { relay, ...form }: FormOptions & { relay: Relay }): Promise<void> {
  answerErrors(app, form);
  const root = rootTask(relay);
  const paths = (task: Task) => (task === root ? [`/${task}`, '/'] : [`/${task}`]);
  for (const path of paths('embed'))
    app.post<{ Body: Embed }>(path, EMBED, ({ body, waiting }) => embed(relay, body, waiting));
  for (const path of paths('predict'))
    app.post<{ Body: Predict }>(path, PREDICT, ({ body, waiting }) => predict(relay, body, waiting));
  for (const path of paths('rerank'))
    app.post<{ Body: Rerank }>(path, RERANK, ({ body, waiting }) => rerank(relay, body, waiting));
  app.get('/info', { schema: { tags: TAGS, summary: 'What is served' } }, async () => info(relay));
  app.get('/health', { schema: { tags: TAGS, summary: 'Do the nodes answer?' } }, async (_, reply) => {
    if (await relay.ready()) return reply.code(200).send();
    throw new Refusal(503, 'unhealthy', 'the nodes of the model do not answer', limits.healthMs);
  });
}

/** What `POST /` does: what the first model that takes texts is for. */
function rootTask({ models }: Relay): Task | undefined {
  const tasks = models.all.map(tasksOf).find(({ length }) => length > 0) ?? [];
  return (['embed', 'rerank', 'predict'] as const).find((task) => tasks.includes(task));
}

/** A text, or a pair, of a list of one or two. */
function textOf(input: string | string[]): Text {
  if (typeof input === 'string') return input;
  return input.length === 2 ? [input[0]!, input[1]!] : input[0]!;
}

/** A text's classes, the likeliest first. */
function classes({ labels, texts }: TextModel, row: Float32Array, raw: boolean): Class[] {
  const plain = () => Array.from(row, (score, i) => ({ label: labels![i]!, score: raw ? score : sigmoid(score) }));
  const answer = raw ? undefined : answerOf(SCORES, [row.length], row, texts.reading);
  const list =
    answer && 'scores' in answer
      ? answer.scores.map(({ label, probability }) => ({ label, score: probability }))
      : plain();
  return list.sort((a, b) => b.score - a.score);
}

interface Ranking {
  model: TextModel;
  query: string;
  texts: string[];
  truncate: boolean;
  raw: boolean;
}

/** By a classifier of pairs, or by the cosine of vectors. */
async function rankScores(relay: Relay, { model, query, texts, truncate, raw }: Ranking, waiting: Waiting) {
  if (model.labels?.length === 1) {
    const pairs = texts.map((text): Text => [query, text]);
    const { rows } = await askTexts(relay, { model, output: SCORES, texts: pairs, truncate }, waiting);
    return rows.map(([score]) => (raw ? score! : sigmoid(score!)));
  }
  const { rows } = await askTexts(relay, { model, output: VECTOR, texts: [query, ...texts], truncate }, waiting);
  return rows.slice(1).map((row) => cosine(rows[0]!, row));
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Of the first model that answers texts. */
function info({ models }: Relay): object {
  const model = models.all.find((m) => tasksOf(m).length > 0) ?? models.all[0]!;
  const { labels, texts, title } = model;
  const names = { id2label: Object.fromEntries((labels ?? []).map((label, i) => [i, label])) };
  const ids = { label2id: Object.fromEntries((labels ?? []).map((label, i) => [label, i])) };
  const type = does(model, 'embed')
    ? { embedding: { pooling: 'published' } }
    : labels
      ? { [labels.length === 1 ? 'reranker' : 'classifier']: { ...names, ...ids } }
      : {};
  return {
    model_id: title,
    model_sha: model.model.manifest.generation ?? null,
    model_dtype: 'shares',
    model_type: type,
    max_concurrent_requests: limits.requests,
    max_input_length: texts?.most ?? 0,
    max_batch_tokens: Math.max(0, ...(texts?.shapes ?? []).map(([rows, length]) => rows * length)),
    max_batch_requests: Math.max(0, ...(texts?.shapes ?? []).map(([rows]) => rows)),
    max_client_batch_size: limits.texts,
    auto_truncate: false,
    tokenization_workers: 1,
    version: release,
  };
}
