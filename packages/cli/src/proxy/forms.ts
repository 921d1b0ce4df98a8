/** How an interface answers: its errors, and how requests and their errors are described. */
import type { FastifyInstance, FastifySchemaValidationError } from 'fastify';
import { type Refusal, refusalOf, retryAfter } from './refusals.js';

/** What an interface makes of a refusal. */
export interface Form {
  /** its status; that of the refusal, if absent */
  status?: (refusal: Refusal) => number;
  body: (refusal: Refusal) => object;
}

/** What a plugin of the server is given. */
export interface FormOptions {
  form: Form;
  report: (line: string) => void;
}

/** From here on, errors of this scope are answered in this form. */
export function answerErrors(app: FastifyInstance, { form, report }: FormOptions): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = refusalOf(error, report);
    request.refused = refusal.code;
    const after = retryAfter(refusal);
    if (after !== undefined) reply.header('Retry-After', after);
    if (refusal.status === 401) reply.header('WWW-Authenticate', 'Bearer');
    return reply.code(form.status?.(refusal) ?? refusal.status).send(form.body(refusal));
  });
}

/** What a route answers, for the description: `properties` are those of an error's body. */
export function answers(description: string, schema: object, properties: object): object {
  const refused = { description: 'refused', type: 'object', properties };
  return { 200: { description, ...schema }, '4xx': refused, '5xx': { ...refused, description: 'failed' } };
}

/** A list of. */
export const listOf = (items: object) => ({ type: 'array', items });

export const NUMBER = { type: 'number' } as const;
export const STRING = { type: 'string' } as const;

/** The body of the plain form. */
export const PLAIN = { error: STRING } as const;

/** The form of the Open Inference Protocol and of TensorFlow Serving. */
export const plainForm: Form = { body: ({ message }) => ({ error: message }) };

/** What a schema has found, in words and without values: of alternatives, what the schema says that is expected. */
export function schemaError(errors: FastifySchemaValidationError[], where: string): Error {
  type Found = FastifySchemaValidationError & { parentSchema?: { description?: string } };
  const found = (errors.find(({ keyword }) => keyword === 'anyOf') ?? errors[0]!) as Found;
  const path = found.instancePath.slice(1).replaceAll('/', '.');
  const name = path === '' ? `the ${where}` : `\`${path}\``;
  const expected = found.parentSchema?.description;
  if (found.keyword === 'anyOf' && expected) return new Error(`${name} is something else than ${expected}`);
  return new Error(`${name} ${found.message ?? 'is not as expected'}`);
}

/** Several of a text, which a request may have. */
export const TEXTS = {
  description: 'a text or a list of texts; token ids are not taken, for the tokenizer is the published model’s',
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
} as const;
