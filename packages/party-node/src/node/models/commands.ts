/** Commands about published models: what a client may send, and what it is answered. */
import { createHash } from 'node:crypto';
import { NodeError } from '../../errors.js';
import { limits } from '../../limits.js';
import { jsonBytes, type Message } from '../../wire/messages.js';
import type { Principal } from '../../wire/principal.js';
import type { NodeSession } from '../session.js';
import { allowedModel, mayKnow } from './asked.js';
import type { Catalogue } from './catalogue.js';
import { type ModelMemory, stage } from './publishing.js';

const OWN: readonly Message['t'][] = ['open', 'put', 'free', 'prepare', 'run', 'cancel'];
/** What those may send whose Programs and tensors are their own. */
const OWNERS: readonly Message['t'][] = [...OWN, 'putOpened', 'program', 'offer', 'public'];
const ASKING = ['models', 'manifest', 'asset'] as const;
const PUBLISHING = ['upload', 'stage', 'commit', 'discard', 'unpublish'] as const;
const ABOUT_MODELS: ReadonlySet<Message['t']> = new Set([...ASKING, ...PUBLISHING]);

/** What each kind of client may send. */
const ALLOWED: Record<Exclude<Principal['kind'], 'node'>, ReadonlySet<Message['t']>> = {
  owner: new Set(OWNERS),
  publisher: new Set([...OWNERS, ...ABOUT_MODELS]),
  asker: new Set([...OWN, ...ASKING]),
};

/** @returns why a client may not send such a message, if it may not */
export function notAllowed(principal: Principal, { t }: Message): NodeError | undefined {
  if (principal.kind !== 'node' && ALLOWED[principal.kind].has(t)) return undefined;
  return new NodeError('client', 'NOT_ALLOWED', `sent '${t}', which ${WHO[principal.kind]} may not`);
}

const WHO: Record<Principal['kind'], string> = {
  node: 'a node',
  owner: 'a client with the token',
  publisher: 'a publisher',
  asker: 'a client with a grant',
};

/** What the commands about models work on. */
export interface Models {
  catalogue: Catalogue;
  memory: ModelMemory;
}

export type ModelCommand = Extract<Message, { t: (typeof ASKING | typeof PUBLISHING)[number] }>;

export function isAboutModels(m: Message): m is ModelCommand {
  return ABOUT_MODELS.has(m.t);
}

/** Largest payload of such a message. */
export function payloadOf(m: ModelCommand): number {
  if (m.t === 'upload') return limits.assetBytes;
  return m.t === 'stage' ? limits.manifestBytes + limits.listBytes : 0;
}

/**
 * Carries out a command about models, which this client may send.
 * @returns the answer; undefined where there is nothing to answer but that it is done
 * @throws NodeError with the rule that is broken
 */
export async function aboutModels(
  models: Models,
  session: NodeSession,
  m: ModelCommand,
  payload: Uint8Array,
): Promise<Uint8Array | undefined> {
  const { catalogue } = models;
  const { principal } = session;
  if (m.t === 'models') {
    const known = catalogue.listed().filter((model) => mayKnow(principal, model));
    const titles = new Set(known.map(({ ref }) => ref.generation));
    return jsonBytes(catalogue.mine.filter(({ generation }) => titles.has(generation)));
  }
  if (m.t === 'manifest') return jsonBytes(allowedModel(catalogue, principal, m.name, m.version).signed);
  if (m.t === 'asset') {
    const model = allowedModel(catalogue, principal, m.model.name, m.model.version);
    const asset = model.assets.get(m.sha256);
    if (!asset) throw new NodeError('client', 'MODEL_UNKNOWN', `${model.title} has no file of that hash`);
    return asset;
  }
  if (principal.kind !== 'publisher') throw notAllowed(principal, m);
  switch (m.t) {
    case 'upload':
      upload(session, m.sha256, payload);
      return undefined;
    case 'stage':
      await stage(session, principal, payload, models);
      return undefined;
    case 'commit':
    case 'discard': {
      const entry = catalogue.entry(m.generation);
      if (entry && entry.publisher !== principal.name)
        throw new NodeError('client', 'NOT_ALLOWED', 'named a model of another publisher');
      await catalogue[m.t](m.generation);
      return undefined;
    }
    case 'unpublish':
      await catalogue.unpublish(principal.name, m.name, m.version);
      return undefined;
  }
}

function upload(session: NodeSession, sha256: string, bytes: Uint8Array): void {
  const got = createHash('sha256').update(bytes).digest('hex');
  if (got !== sha256) throw new NodeError('client', 'BAD_MESSAGE', 'sent a file of another hash than it said');
  session.hold(bytes.length, 'a file of a model');
  session.addUpload(sha256, bytes);
}
