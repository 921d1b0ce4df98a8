/** Publishes a model: traces it, shares its tensors, and has the nodes keep them for clients who hold a grant. */
import { SecformerError } from '@secformer/ring';
import { runtime } from '#runtime';
import { configuration } from '../config.js';
import type { Reply } from '../runtime/messages.js';
import { had, meet, raised, requestOf, type Sources, share } from '../sharing.js';
import { type InputShapes, type Publishable, shapedModel } from './models.js';
import type { Published, PublishProgress } from './nodes.js';
import { type Traced, trace } from './trace.js';

/** How a model is published. */
export interface PublishOptions {
  /** small letters, digits, '.', '_' and '-' */
  name: string;
  /** a version is published once */
  version: string;
  /** shapes and types of the inputs, by name or in order; a list of them where there are several, each a Program */
  inputs?: InputShapes | InputShapes[];
  /** which outputs clients get, under which names: of a GraphModel its nodes, of a BertModel 'logits' and others */
  outputs?: Record<string, string>;
  /** small files that clients may have, such as a tokenizer's */
  assets?: Record<string, Uint8Array>;
  /** the publisher's Ed25519 seed of 32 bytes, by which the nodes know it and clients trust what they are given */
  key: Uint8Array;
  onProgress?: (event: PublishProgress) => void;
}

/** Shapes of each of the programs: one set of inputs, or a list of sets. */
function setsOf(inputs: PublishOptions['inputs']): (InputShapes | undefined)[] {
  if (inputs === undefined) return [undefined];
  if (!Array.isArray(inputs)) return [inputs as InputShapes];
  if (inputs.length === 0) throw bad('`inputs` is an empty list');
  // A list of inputs, each with its shape, or a list of sets of them
  const one = inputs.every((i) => Array.isArray((i as { shape?: unknown }).shape));
  return one ? [inputs as InputShapes] : (inputs as InputShapes[]);
}

function bad(why: string): SecformerError {
  return new SecformerError('BAD_CONFIGURATION', `publish: ${why}`);
}

function check({ name, version, key }: PublishOptions): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw bad(`a model's name has up to 64 small letters, digits, '.', '_' and '-'; got ${JSON.stringify(name)}`);
  if (!/^[A-Za-z0-9][A-Za-z0-9.+-]{0,31}$/.test(version))
    throw bad(`a version has up to 32 letters, digits, '.', '+' and '-'; got ${JSON.stringify(version)}`);
  if (!(key instanceof Uint8Array) || key.length !== 32) throw bad('`key` is an Ed25519 seed of 32 bytes');
}

/**
 * Publishes a model at the nodes that `configure` names. A function is traced for each set of shapes: what it does must
 * not depend on values of its inputs.
 * @returns the programs' hashes and costs
 * @throws SecformerError BAD_CONFIGURATION, TRACE_READ, NOT_PUBLIC, UNSUPPORTED_KERNEL; EncodingError where a weight is
 *   out of range; NodeError where a node refuses
 */
export async function published(model: Publishable, options: PublishOptions): Promise<Published> {
  check(options);
  const { name, version, key, assets = {}, onProgress } = options;
  const sets = setsOf(options.inputs);
  const traced: Traced[] = [];
  try {
    for (const [done, shapes] of sets.entries()) {
      onProgress?.({ phase: 'tracing', done, of: sets.length });
      const { f, inputs } = shapedModel(model, shapes, options.outputs);
      traced.push(trace(f, inputs));
      // So that a page can show it
      await new Promise((resolve) => setTimeout(resolve));
    }
    const job = {
      name,
      version,
      programs: traced.map(({ program }) => program),
      assets: Object.entries(assets).map(([file, bytes]) => ({ name: file, bytes })),
      key,
    };
    return (await handedOver(job, together(traced), onProgress)) as Published;
  } finally {
    for (const { release } of traced) release();
  }
}

/** All that the programs need; what several of them take is shared once. */
function together(traced: readonly Traced[]): Sources {
  return {
    sources: new Map(traced.flatMap(({ needed }) => [...needed.sources])),
    factors: new Set(traced.flatMap(({ needed }) => [...needed.factors])),
  };
}

type Job = Extract<Parameters<typeof runtime.ask>[0], { kind: 'publish' }>['job'];

async function handedOver(job: Job, needed: Sources, onProgress: PublishOptions['onProgress']): Promise<unknown> {
  const c = configuration();
  const tensors = [...needed.sources.keys()];
  const attempt = async (missing?: number[]) => {
    onProgress?.({ phase: 'sharing', done: 0, of: tensors.length });
    await share(needed, c, missing);
    onProgress?.({ phase: 'sharing', done: tensors.length, of: tensors.length });
    return settled(await runtime.ask({ ...requestOf(c), kind: 'publish', job, tensors }, onProgress), needed);
  };
  const first = await attempt();
  const last = 'missing' in first ? await attempt(first.missing) : first;
  if ('missing' in last) throw new SecformerError('TENSOR_LOST', 'the connection was lost while the model was shared');
  return last.answer.published;
}

function settled(reply: Reply, { sources }: Sources): Exclude<Reply, { error: unknown }> {
  meet(reply);
  if ('error' in reply) throw raised(reply.error);
  if ('answer' in reply) had(sources.keys());
  return reply as Exclude<Reply, { error: unknown }>;
}
