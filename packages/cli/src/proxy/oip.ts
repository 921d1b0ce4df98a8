/** The Open Inference Protocol over REST: /v2, its health, and /v2/models/NAME/infer with tensors in JSON. */
import type { TensorSpec } from '@secformer/tfjs-mpc-backend';
import type { FastifyInstance } from 'fastify';
import type { Plain } from './ask.js';
import { answerErrors, answers, type FormOptions, listOf, NUMBER, PLAIN, STRING } from './forms.js';
import { limits } from './limits.js';
import { askTensors, inputSpec } from './raw.js';
import { badRequest, Refusal } from './refusals.js';
import type { Relay } from './relay.js';
import { release } from './release.js';
import type { Served } from './served.js';
import { flatOf, plainOf } from './tensors.js';

/** The protocol's types of what a model takes and gives. */
const DATATYPES: Readonly<Record<TensorSpec['dtype'], string>> = { float32: 'FP32', int32: 'INT32', bool: 'BOOL' };
/** Types that clients may send for each: numbers in JSON are what they are, and each is checked. */
const TAKES: Readonly<Record<TensorSpec['dtype'], RegExp>> = {
  float32: /^FP(16|32|64)$/,
  int32: /^U?INT(8|16|32|64)$/,
  bool: /^BOOL$/,
};

interface InferTensor {
  name: string;
  shape: number[];
  datatype: string;
  data?: unknown;
  parameters?: Record<string, unknown>;
}

interface Infer {
  id?: string;
  inputs: InferTensor[];
  outputs?: { name: string; parameters?: Record<string, unknown> }[];
}

const parameters = { type: 'object', description: 'not looked at' } as const;
const body = {
  type: 'object',
  required: ['inputs'],
  properties: {
    id: { type: 'string', maxLength: 200 },
    parameters,
    inputs: {
      type: 'array',
      maxItems: 64,
      items: {
        type: 'object',
        required: ['name', 'shape', 'datatype'],
        properties: {
          name: { type: 'string' },
          shape: { type: 'array', maxItems: limits.rank, items: { type: 'integer', minimum: 0 } },
          datatype: { type: 'string' },
          data: { description: 'numbers or booleans, flat in row-major order or nested' },
          parameters,
        },
      },
    },
    outputs: {
      type: 'array',
      maxItems: 64,
      items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, parameters } },
    },
  },
} as const;

const TENSOR = {
  type: 'object',
  properties: { name: STRING, shape: listOf(NUMBER), datatype: STRING, data: listOf({}) },
};
const response = answers(
  'tensors, flat in row-major order',
  { type: 'object', properties: { model_name: STRING, model_version: STRING, id: STRING, outputs: listOf(TENSOR) } },
  PLAIN,
);

interface Named {
  name: string;
  version?: string;
}

export async function oip(app: FastifyInstance, { relay, ...form }: FormOptions & { relay: Relay }): Promise<void> {
  answerErrors(app, form);
  const { models } = relay;
  const tags = ['Open Inference Protocol'];
  const about = (summary: string) => ({ schema: { tags, summary } });
  app.get('/v2', about('The server'), async () => ({ name: 'secformer', version: release, extensions: [] }));
  app.get('/v2/health/live', about('Does the proxy run?'), async () => ({ live: true }));
  app.get('/v2/health/ready', about('Do the nodes answer?'), async (_, reply) => {
    const ready = await relay.ready();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  const infer = {
    schema: { tags, summary: 'What a model gives for tensors', body, response },
    bodyLimit: limits.tensorBytes,
  };
  // A version may be named or not
  for (const path of ['/v2/models/:name', '/v2/models/:name/versions/:version']) {
    app.get<{ Params: Named }>(path, about('What a model takes and gives'), async ({ params }) =>
      metadata(relay, models.named(params.name, params.version)),
    );
    app.get<{ Params: Named }>(`${path}/ready`, about('Can a model be asked?'), async ({ params }, reply) => {
      const { name } = models.named(params.name, params.version);
      const ready = await relay.ready();
      return reply.code(ready ? 200 : 503).send({ name, ready });
    });
    app.post<{ Params: Named; Body: Infer }>(`${path}/infer`, infer, async ({ params, body: asked, waiting }) => {
      const served = models.named(params.name, params.version);
      const inputs = asked.inputs.map((tensor, i) => inputOf(served, tensor, `inputs.${i}`));
      const wanted = asked.outputs?.map(({ name }) => name);
      if (asked.outputs?.some((o) => o.parameters?.binary_data === true)) throw notBinary();
      const plains = await askTensors(
        relay,
        { served, inputs, wanted: wanted?.length ? wanted : undefined, byRows: served.texts !== undefined },
        waiting,
      );
      return {
        model_name: served.name,
        model_version: served.version,
        ...(asked.id !== undefined && { id: asked.id }),
        outputs: plains.map((p) => ({ name: p.name, shape: p.shape, datatype: DATATYPES[p.dtype], data: flatOf(p) })),
      };
    });
  }
}

const notBinary = () =>
  new Refusal(400, 'bad_request', 'tensors are JSON here: the extension of binary data is not taken');

function inputOf(served: Served, { name, shape, datatype, data, parameters: more }: InferTensor, what: string): Plain {
  const spec = inputSpec(served, name);
  if (more?.binary_data_size !== undefined) throw notBinary();
  if (data === undefined) throw badRequest(`${what} has no data`);
  if (!TAKES[spec.dtype].test(datatype))
    throw badRequest(`${what} has another datatype than the model's, which is ${DATATYPES[spec.dtype]}`);
  return plainOf(spec, shape, data, `${what}.data`);
}

/** Sizes in which its programs differ are -1. */
function metadata({ models }: Relay, { name, model }: Served): object {
  const { programs } = model.manifest;
  const specs = (of: 'inputs' | 'outputs') =>
    programs[0]![of].map(({ name: tensor, dtype, shape }, i) => ({
      name: tensor,
      datatype: DATATYPES[dtype],
      shape: shape.map((size, k) => (programs.every((p) => p[of][i]?.shape[k] === size) ? size : -1)),
    }));
  return {
    name,
    versions: models.all.filter((m) => m.name === name).map((m) => m.version),
    platform: 'secformer',
    inputs: specs('inputs'),
    outputs: specs('outputs'),
  };
}
