/** A publisher's commands: what it has shared in its session becomes a model. */
import { publicBits, shareType } from '@secformer/secformer-ops';
import { NodeError } from '../../errors.js';
import { type Manifest, readManifest } from '../../wire/manifest.js';
import { readJson, stagedOf } from '../../wire/messages.js';
import type { Principal } from '../../wire/principal.js';
import { Account, type Budget } from '../budget.js';
import type { NodeSession, StoredTensor } from '../session.js';
import type { Catalogue } from './catalogue.js';
import { type ModelTensor, PublishedModel } from './model.js';

type Publisher = Extract<Principal, { kind: 'publisher' }>;

/** Memory of published models, an account for each publisher. */
export class ModelMemory {
  readonly #accounts = new Map<string, Account>();
  readonly #bytes = new Map<PublishedModel, number>();
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @param most bytes that the publisher's models may take, where that is known */
  hold(model: PublishedModel, most = Number.POSITIVE_INFINITY): void {
    const account = this.#accounts.get(model.publisher) ?? new Account();
    account.most = most;
    this.#accounts.set(model.publisher, account);
    const { bytes } = model;
    this.#budget.hold(account, bytes, `the model ${model.title}`);
    this.#bytes.set(model, bytes);
  }

  give(model: PublishedModel): void {
    const bytes = this.#bytes.get(model);
    if (bytes === undefined) return;
    this.#bytes.delete(model);
    this.#budget.give(this.#accounts.get(model.publisher)!, bytes);
  }
}

/**
 * Stages what a publisher has shared in its session: its tensors leave the session for the model.
 * @param payload see `stagedOf`
 * @throws NodeError NOT_ALLOWED where the manifest is signed by another, LIMIT_EXCEEDED, MODEL_EXISTS, BAD_MESSAGE
 */
export async function stage(
  session: NodeSession,
  publisher: Publisher,
  payload: Uint8Array,
  { catalogue, memory }: { catalogue: Catalogue; memory: ModelMemory },
): Promise<void> {
  const { tensors, ...signed } = readJson(stagedOf, payload, 'client', 'a model');
  const manifest = readManifest(signed, 'client');
  const { name, limits } = publisher;
  if (manifest.publisher !== publisher.key)
    throw new NodeError('client', 'NOT_ALLOWED', `published a manifest that is signed by another key than ${name}'s`);
  const mine = catalogue.countOf(name);
  if (mine >= limits.models)
    throw new NodeError(
      'client',
      'LIMIT_EXCEEDED',
      `${name} has ${mine} models here and may have ${limits.models}: unpublish some of them`,
    );
  if (tensors.length !== manifest.tensors.length || new Set(tensors).size !== tensors.length)
    throw new NodeError(
      'client',
      'BAD_MESSAGE',
      `published ${tensors.length} tensors as the ${manifest.tensors.length} of its manifest`,
    );
  const stored = tensors.map((id, i) => {
    const { digest } = manifest.tensors[i]!;
    return digest === undefined ? session.tensor(id) : publicTensor(session, id, manifest.tensors[i]!);
  });
  const model = new PublishedModel({
    manifest,
    signed,
    publisher: name,
    programs: manifest.programs.map((p) => session.programText(p.hash)),
    tensors: neededOf(manifest, stored),
    assets: new Map(manifest.assets.map((a) => [a.sha256, session.upload(a.sha256)])),
  });
  for (const id of tensors) session.forget(id);
  memory.hold(model, limits.bytes);
  session.staged.add(manifest.generation);
  try {
    await catalogue.stage(model);
  } catch (error) {
    memory.give(model);
    throw error;
  }
}

/** A tensor of the session, or a public one: at a party all of it, at the dealer its type alone. */
type Staged = Pick<StoredTensor, 'type' | 'isShared' | 'share' | 'openings'> & Pick<ModelTensor, 'known'>;

/**
 * A public tensor that a manifest has.
 * @throws NodeError TENSOR_LOST where this party was not sent it; BAD_MESSAGE where its bits are not those of its type
 */
function publicTensor(session: NodeSession, id: number, of: Manifest['tensors'][number]): Staged {
  const { shape, fracBits, bits, magnitude } = of;
  if (bits !== publicBits(of)) throw new NodeError('client', 'BAD_MESSAGE', `published words of ${bits} bits`);
  const known = session.hasPublics ? session.named(id, of).words : undefined;
  const type = shareType(shape, fracBits, bits, magnitude);
  return { type, isShared: true, ...(known && { known }), openings: new Map() };
}

/** Of each tensor what the Programs read: mostly an opening, and not the share beside it. */
function neededOf({ programs }: Manifest, stored: readonly Staged[]): ModelTensor[] {
  const shares = new Set<number>();
  const widths = new Map<number, Set<number>>();
  for (const b of programs.flatMap((p) => p.bindings)) {
    if (b.kind === 'weight') shares.add(b.tensor);
    if (b.kind === 'opened') widths.set(b.tensor, (widths.get(b.tensor) ?? new Set()).add(b.width));
  }
  return stored.map(({ type, isShared, share, known, openings }, i) => {
    if (shares.has(i) && !isShared)
      throw new NodeError('client', 'BAD_MESSAGE', `published the share of tensor ${i}, which is here as an opening`);
    return {
      type,
      ...(known && { known }),
      ...(share && shares.has(i) && { share }),
      openings: new Map(
        [...openings.values()].flatMap(({ opening }) =>
          widths.get(i)?.has(opening.width) ? [[opening.width, opening] as const] : [],
        ),
      ),
    };
  });
}
