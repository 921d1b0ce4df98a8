/** What a client may ask of a published model: each node decides by itself, from what the client has proved. */
import { NodeError } from '../../errors.js';
import { limits } from '../../limits.js';
import type { BoundInput, MessageOf } from '../../wire/messages.js';
import type { Grant, Principal } from '../../wire/principal.js';
import type { RunParts } from '../run.js';
import type { NodeSession } from '../session.js';
import type { Catalogue } from './catalogue.js';
import type { PublishedModel } from './model.js';

const refused = (what: string) => new NodeError('client', 'GRANT_REFUSED', what);

/**
 * @param version undefined where the client has not said which
 * @throws NodeError GRANT_REFUSED, NOT_ALLOWED
 */
export function checkAllowed(principal: Principal, name: string, version: string | undefined): void {
  if (principal.kind === 'asker') checkGrant(principal.grant, name, version);
  else if (principal.kind !== 'publisher')
    throw new NodeError('client', 'NOT_ALLOWED', `may not ask ${name}: that takes a grant of its publisher`);
}

function checkGrant(grant: Grant, name: string, version: string | undefined): void {
  const { model, versions, expires } = grant;
  if (Date.now() / 1000 > expires + limits.clockSkewSeconds)
    throw refused(
      `the grant for ${model} was valid until ${new Date(1000 * expires).toISOString()}; ask for a new one`,
    );
  if (model !== name) throw refused(`the grant is for ${model}, not for ${name}`);
  if (version !== undefined && versions && !versions.includes(version))
    throw refused(`the grant is for ${model} ${versions.join(', ')}, not for version ${version}`);
}

/** May this client know of that model? Publishers know theirs. */
export function mayKnow(principal: Principal, { publisher, manifest }: PublishedModel): boolean {
  if (principal.kind === 'publisher') return principal.name === publisher;
  if (principal.kind !== 'asker' || principal.grant.publisher !== publisher) return false;
  const { model, versions } = principal.grant;
  return model === manifest.name && (versions === undefined || versions.includes(manifest.version));
}

/**
 * A served model that this client may ask.
 * @param version the last that was published of those that it may ask, if absent
 * @throws NodeError GRANT_REFUSED, NOT_ALLOWED, MODEL_UNKNOWN, BUSY
 */
export function allowedModel(
  catalogue: Catalogue,
  principal: Principal,
  name: string,
  version?: string,
): PublishedModel {
  // First what it may: whoever may not ask a model is not told whether there is one
  checkAllowed(principal, name, version);
  const known = catalogue.all.filter(
    (model) =>
      mayKnow(principal, model) && model.ref.name === name && (version === undefined || model.ref.version === version),
  );
  if (known.length > 0) return known.reduce((a, b) => (b.manifest.published > a.manifest.published ? b : a));
  throw catalogue.whyNot(name, version, (model) => mayKnow(principal, model));
}

/**
 * A run of a published Program, bound as its manifest says.
 * @throws NodeError GRANT_REFUSED, NOT_ALLOWED, MODEL_UNKNOWN, QUOTA_SPENT, BUSY
 */
export function askedRun(
  catalogue: Catalogue,
  session: NodeSession,
  m: MessageOf<'prepare'>,
  inputs: readonly BoundInput[],
): RunParts {
  const { principal, subject } = session;
  const { name, version, generation } = m.model!;
  const model = allowedModel(catalogue, principal, name, version);
  if (model.ref.generation !== generation)
    throw new NodeError('client', 'MODEL_UNKNOWN', `${model.title} was published anew; load it again`);
  const { checked, published } = model.program(m.program);
  if (inputs.length > 0)
    throw new NodeError('client', 'NOT_ALLOWED', 'bound inputs of a published program, which its manifest does');
  if (m.mode !== 'streamed')
    throw new NodeError(
      'client',
      'NOT_ALLOWED',
      'asked for a run to be prepared; nodes prepare runs of models themselves',
    );
  if (principal.kind === 'asker') {
    const { outputs } = principal.grant;
    const other = outputs && published.outputs.find((o) => !outputs.includes(o.name));
    if (other) throw refused(`the grant is for outputs ${outputs.join(', ')}, and this program reveals ${other.name}`);
    const { runs } = principal.limits;
    const under = catalogue.runsOf(model.publisher);
    if (under >= runs)
      throw new NodeError(
        'client',
        'BUSY',
        `${under} runs of ${model.publisher}'s models are under way; try again later`,
        {
          retryAfterMs: limits.retryMs,
        },
      );
    subject.spend(principal.grant);
  }
  return { ticket: m.ticket, session, checked, inputs: model.inputs(published), mode: m.mode, model };
}
