/** TensorFlow Serving's REST interface: /v1/models/NAME and /v1/models/NAME:predict. */
import type { FastifyInstance } from 'fastify';
import type { Plain } from './ask.js';
import { answerErrors, answers, type FormOptions, listOf, PLAIN } from './forms.js';
import { limits } from './limits.js';
import { askTensors, inputSpec } from './raw.js';
import { badRequest, notFound, Refusal } from './refusals.js';
import type { Relay, Waiting } from './relay.js';
import type { Served } from './served.js';
import { type Nested, nested, plainOf, shapeOf } from './tensors.js';

interface Predict {
  signature_name?: string;
  instances?: unknown[];
  inputs?: unknown;
}

const body = {
  type: 'object',
  properties: {
    signature_name: { type: 'string', description: "'serving_default', the only one" },
    instances: { type: 'array', description: 'rows: of each the values of the one input, or an object by names' },
    inputs: { description: 'columns: the values of the one input, or an object by names' },
  },
} as const;

const response = answers(
  '`predictions` for `instances`, `outputs` for `inputs`',
  { type: 'object', properties: { predictions: listOf({}), outputs: {} } },
  PLAIN,
);

interface Called {
  call: string;
}
interface Versioned {
  name: string;
  call: string;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export async function tfServing(
  app: FastifyInstance,
  { relay, ...form }: FormOptions & { relay: Relay },
): Promise<void> {
  answerErrors(app, form);
  const { models } = relay;
  const tags = ['TensorFlow Serving'];
  const predict = {
    schema: { tags, summary: 'What a model gives for tensors', body, response },
    bodyLimit: limits.tensorBytes,
  };
  const status = { schema: { tags, summary: 'Is a model there?' } };
  app.get<{ Params: { name: string } }>('/v1/models/:name', status, async ({ params: { name } }) => {
    models.named(name);
    return statusOf(models.all.filter((m) => m.name === name));
  });
  app.get<{ Params: { name: string; version: string } }>(
    '/v1/models/:name/versions/:version',
    status,
    async ({ params: { name, version } }) => statusOf([models.named(name, version)]),
  );
  app.post<{ Params: Called; Body: Predict }>('/v1/models/:call', predict, async ({ params, body: asked, waiting }) =>
    predicted(relay, models.named(predictOf(params.call)), asked, waiting),
  );
  app.post<{ Params: Versioned; Body: Predict }>(
    '/v1/models/:name/versions/:call',
    predict,
    async ({ params: { name, call }, body: asked, waiting }) =>
      predicted(relay, models.named(name, predictOf(call)), asked, waiting),
  );
}

/** What stands before ':predict'. @throws Refusal 404 for another verb */
function predictOf(call: string): string {
  const [, name] = /^(.*):predict$/.exec(call) ?? [];
  if (name === undefined) throw notFound('there is /v1/models/NAME:predict and no other call');
  return name;
}

function statusOf(served: readonly Served[]): object {
  return {
    model_version_status: served.map(({ version }) => ({
      version,
      state: 'AVAILABLE',
      status: { error_code: 'OK', error_message: '' },
    })),
  };
}

async function predicted(relay: Relay, served: Served, asked: Predict, waiting: Waiting): Promise<object> {
  const { instances, inputs, signature_name: signature = 'serving_default' } = asked;
  if (signature !== 'serving_default')
    throw badRequest("`signature_name` is another than 'serving_default', the only one that there is");
  if ((instances === undefined) === (inputs === undefined)) throw badRequest('expected either `instances` or `inputs`');
  const given = instances ? columnsOf(served, instances) : byName(served, inputs, 'inputs');
  const byRows = instances !== undefined || served.texts !== undefined;
  const plains = Object.entries(given).map(([name, data]): Plain => {
    const what = instances ? `instances, of the input ${name},` : `inputs, of ${name},`;
    return plainOf(inputSpec(served, name), shapeOf(data, what), data, what);
  });
  const outputs = await askTensors(relay, { served, inputs: plains, wanted: undefined, byRows }, waiting);
  if (!instances) {
    const named = Object.fromEntries(outputs.map((output) => [output.name, nested(output)]));
    return { outputs: outputs.length === 1 ? nested(outputs[0]!) : named };
  }
  const rows = outputs.map((output) => rowsOf(output, instances.length));
  const predictions = instances.map((_, i) =>
    rows.length === 1 ? rows[0]![i]! : Object.fromEntries(rows.map((of, k) => [outputs[k]!.name, of[i]!])),
  );
  return { predictions };
}

/** An output's rows. @throws Refusal 400 where it has none for each instance */
function rowsOf(output: Plain, count: number): readonly Nested[] {
  if (output.shape[0] !== count)
    throw new Refusal(400, 'bad_request', `the output ${output.name} has no row for each instance; send \`inputs\``);
  return nested(output) as readonly Nested[];
}

/** Values by the names of the inputs. @throws Refusal 400 where names are missing and needed, or unknown */
function byName(served: Served, value: unknown, what: string): Record<string, unknown> {
  const names = served.model.manifest.programs[0]!.inputs.map((i) => i.name);
  if (isObject(value)) {
    for (const name of Object.keys(value)) inputSpec(served, name);
    return value;
  }
  if (names.length === 1) return { [names[0]!]: value };
  throw badRequest(`${what} names no inputs, and ${served.title} has several: ${names.join(', ')}`);
}

/** Rows as columns. */
function columnsOf(served: Served, instances: readonly unknown[]): Record<string, unknown> {
  if (instances.length === 0) throw badRequest('`instances` is empty');
  const rows = instances.map((row, i) => byName(served, row, `instances.${i}`));
  const names = Object.keys(rows[0]!);
  const other = rows.findIndex((row) => Object.keys(row).length !== names.length || names.some((n) => !(n in row)));
  if (other >= 0) throw badRequest(`instances.${other} has other inputs than the first`);
  return Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]));
}
