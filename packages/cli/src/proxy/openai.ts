/** The route that clients of OpenAI call for vectors: /v1/embeddings, and /v1/models, which lists what is served. */
import type { FastifyInstance } from 'fastify';
import { answerErrors, answers, type Form, type FormOptions, listOf, NUMBER, STRING, TEXTS } from './forms.js';
import { limits } from './limits.js';
import type { Refusal } from './refusals.js';
import type { Relay } from './relay.js';
import { VECTOR } from './served.js';
import { askTexts, TooLong } from './texts.js';
import { checkDimensions, checkTexts, unit } from './vectors.js';

/** Its types of errors, by status; others are the server's. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
};

/** Its clients know a bad request by 400 alone. */
const BAD: readonly number[] = [413, 422, 424];

function statusOf({ status }: Refusal): number {
  return BAD.includes(status) ? 400 : status;
}

/** The codes that its clients know; else the refusal's own. */
function codeOf(refusal: Refusal): string {
  if (refusal instanceof TooLong) return 'context_length_exceeded';
  if (refusal.code === 'QUOTA_SPENT') return 'insufficient_quota';
  if (refusal.status === 429) return 'rate_limit_exceeded';
  return refusal.status === 404 ? 'model_not_found' : refusal.code;
}

function messageOf(refusal: Refusal): string {
  if (!(refusal instanceof TooLong)) return refusal.message;
  return `This model's maximum context length is ${refusal.most} tokens, and a text has ${refusal.given}; shorten it.`;
}

export const openaiForm: Form = {
  status: statusOf,
  body: (refusal) => ({
    error: {
      message: messageOf(refusal),
      type: TYPES[statusOf(refusal)] ?? 'server_error',
      param: null,
      code: codeOf(refusal),
    },
  }),
};

interface Embeddings {
  input: string | string[];
  model: string;
  encoding_format?: 'float' | 'base64' | null;
  dimensions?: number | null;
}

const body = {
  type: 'object',
  required: ['input', 'model'],
  properties: {
    input: TEXTS,
    model: { type: 'string', description: "'NAME' or 'NAME@VERSION' of a model that is served" },
    encoding_format: {
      ...{ type: 'string', nullable: true, enum: ['float', 'base64', null] },
      description: 'numbers, or base64 of float32, little endian',
    },
    dimensions: { type: 'integer', minimum: 1, nullable: true, description: 'as many numbers, the first ones' },
    user: { description: 'not looked at' },
  },
} as const;

const ERROR = { error: { type: 'object', properties: { message: STRING, type: STRING, param: {}, code: STRING } } };
const response = answers(
  'vectors in the order of the texts',
  {
    type: 'object',
    properties: {
      object: STRING,
      model: STRING,
      data: listOf({
        type: 'object',
        properties: { object: STRING, index: { type: 'integer' }, embedding: { anyOf: [listOf(NUMBER), STRING] } },
      }),
      usage: { type: 'object', properties: { prompt_tokens: { type: 'integer' }, total_tokens: { type: 'integer' } } },
    },
  },
  ERROR,
);

export async function openai(app: FastifyInstance, { relay, ...form }: FormOptions & { relay: Relay }): Promise<void> {
  answerErrors(app, form);
  const tags = ['OpenAI'];
  const schema = { tags, summary: 'Vectors of texts, at unit length', body, response };
  const options = { schema, bodyLimit: limits.textBytes };
  app.post<{ Body: Embeddings }>('/v1/embeddings', options, async ({ body: asked, waiting }) => {
    const { input, model: ref, encoding_format: format, dimensions } = asked;
    const served = relay.models.referred(ref);
    const model = relay.models.able(served, 'embed');
    const texts = checkTexts([input].flat(), 'input');
    const size = checkDimensions(model, dimensions);
    const { rows, tokens } = await askTexts(relay, { model, output: VECTOR, texts, truncate: false }, waiting);
    const data = rows.map((row, index) => {
      const vector = unit(row.subarray(0, size));
      return { object: 'embedding', index, embedding: format === 'base64' ? base64(vector) : Array.from(vector) };
    });
    return { object: 'list', data, model: ref, usage: { prompt_tokens: tokens, total_tokens: tokens } };
  });
  app.get('/v1/models', { schema: { tags, summary: 'What is served' } }, async () => ({
    object: 'list',
    data: relay.models.all.map(({ title, model }) => ({
      id: title,
      object: 'model',
      created: Math.floor((model.manifest.published ?? 0) / 1000),
      owned_by: model.manifest.publisher ?? '',
    })),
  }));
}

/** float32, little endian, whatever the machine is. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, x] of vector.entries()) bytes.writeFloatLE(x, 4 * i);
  return bytes.toString('base64');
}
