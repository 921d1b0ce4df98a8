/** Publishes a model: traces it, shares its tensors, and has the nodes keep them for clients who hold a grant. */
import { throwIfAborted } from '@secformer/party-node';
import { SecformerError, type Secret } from '@secformer/ring';
import { type ChosenNetwork, chosenNetwork, forNetwork } from '../runtime/chosen-network.js';
import type { Write } from '../runtime/messages.js';
import { ownKey } from '../runtime/network.js';
import { batchesOf, checkedSources, type Sources, severalAtOnce } from '../sharing.js';
import { type InputShapes, type Publishable, shapedModel } from './models.js';
import type { Published, PublishingSession, PublishProgram, PublishProgress } from './nodes.js';
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
  /**
   * 'public': anybody may know the model's tensors, as of a checkpoint to download; both parties are given them as they
   * are, and asks cost less. 'secret' if absent, but for what was passed to `asPublic`
   */
  weights?: 'secret' | 'public';
  /** small files that clients may have, such as a tokenizer's */
  assets?: Record<string, Uint8Array>;
  /** the content of the service's network file: addresses and keys of its three nodes */
  network: unknown;
  /** the publisher's secret key, 'ed25519-secret:…', by which nodes know it and clients trust what they are given */
  key: string;
  /** certificate authority (PEM) to trust besides those that Node trusts */
  ca?: string;
  /** hears how far it is */
  onProgress?: (event: PublishProgress) => void;
  /**
   * gives it up, until it is 'committing', and then means nothing any more; while it is 'staging' the call rejects once
   * the nodes have discarded what they had of it
   */
  signal?: AbortSignal | undefined;
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

function check({ name, version, key, weights }: Pick<PublishOptions, 'name' | 'version' | 'key' | 'weights'>): Secret {
  if (weights !== undefined && weights !== 'secret' && weights !== 'public')
    throw bad(`\`weights\` is 'secret' or 'public'; got ${JSON.stringify(weights)}`);
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw bad(`a model's name has up to 64 small letters, digits, '.', '_' and '-'; got ${JSON.stringify(name)}`);
  if (!/^[A-Za-z0-9][A-Za-z0-9.+-]{0,31}$/.test(version))
    throw bad(`a version has up to 32 letters, digits, '.', '+' and '-'; got ${JSON.stringify(version)}`);
  return ownKey(key);
}

/**
 * Publishes a model over a publisher's session. A function is traced for each set of shapes: what it does must not
 * depend on values of its inputs.
 * @param connect opens the session; it is closed again
 * @param networkOf what the Programs are planned for, by what the parties have measured
 * @returns the programs' hashes and costs
 * @throws SecformerError BAD_CONFIGURATION, TRACE_READ, NOT_PUBLIC, UNSUPPORTED_KERNEL; EncodingError where a weight is
 *   out of range; NodeError where a node refuses; the signal's reason
 */
export async function published(
  model: Publishable,
  options: Omit<PublishOptions, 'network'>,
  connect: (signal: AbortSignal | undefined) => Promise<PublishingSession>,
  networkOf: (session: PublishingSession) => ChosenNetwork = () => chosenNetwork('lan', undefined, undefined),
): Promise<Published> {
  const key = check(options);
  const { name, version, assets = {}, onProgress = () => {}, signal } = options;
  throwIfAborted(signal);
  const sets = setsOf(options.inputs);
  const traced: Traced[] = [];
  try {
    for (const [done, shapes] of sets.entries()) {
      onProgress({ phase: 'tracing', done, of: sets.length });
      const { f, inputs } = shapedModel(model, shapes, options.outputs);
      traced.push(trace(f, inputs));
      if (traced.at(-1)!.program.revealed.length === 0)
        throw bad('clients would compute all of it themselves: nothing of it meets a value of yours');
      // So that a page can show it
      await new Promise((resolve) => setTimeout(resolve));
      throwIfAborted(signal);
    }
    onProgress({ phase: 'connecting', done: 0, of: 1 });
    const session = await connect(signal);
    const network = networkOf(session);
    const request = {
      name,
      version,
      programs: traced.map(({ program }) => ({ ...program, graph: forNetwork(program.graph, network) })),
      assets: Object.entries(assets).map(([file, bytes]) => ({ name: file, bytes })),
      key,
    };
    try {
      await write(session, request.programs, together(traced, options.weights === 'public'), onProgress, signal);
      return await session.publish(request, { onProgress, signal });
    } finally {
      session.close();
    }
  } finally {
    for (const { release } of traced) release();
  }
}

/** All that the programs need; what several of them take is shared once. */
function together(traced: readonly Traced[], known: boolean): Sources {
  const all = traced.flatMap(({ needed }) => [...needed.sources]);
  return {
    sources: new Map(known ? all.map(([tensor, source]) => [tensor, () => asKnown(source())]) : all),
    factors: new Set(traced.flatMap(({ needed }) => [...needed.factors])),
  };
}

/** The same tensor as a public one; its values are computed when they are asked for. */
const asKnown = (write: Write): Write => ({
  tensor: write.tensor,
  shape: write.shape,
  fracBits: write.fracBits,
  known: true,
  get values() {
    return write.values;
  },
});

/** Shares the model's tensors, one after the other, so that the words of one are in memory at a time. */
async function write(
  session: PublishingSession,
  programs: readonly PublishProgram[],
  needed: Sources,
  onProgress: (event: PublishProgress) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const given = checkedSources(needed, [...needed.sources.keys()]);
  let done = 0;
  const send = async ({ writes }: { writes: Write[] }) => {
    for (const { tensor, values, shape, fracBits, forms, known } of writes) {
      onProgress({ phase: 'sharing', done: done++, of: given.length });
      if (known) await session.writePublic(tensor, values, shape, { signal });
      else await session.write(tensor, values, shape, { fracBits }, { signal, forms });
    }
  };
  // In which forms the others are best written is planned with what is known of these
  await severalAtOnce(batchesOf(given.filter(({ known }) => known)), send);
  const hidden = given.filter(({ known }) => !known);
  const states = new Map(hidden.map(({ tensor, fracBits }) => [tensor, { fracBits }]));
  const forms = hidden.length > 0 ? session.formsToPublish(programs, states) : undefined;
  await severalAtOnce(batchesOf(hidden, forms), send);
}
