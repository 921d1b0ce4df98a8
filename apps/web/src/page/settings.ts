/** What a connection is made of, as people have it: files, lines, or one file with all of it. */
import type { Connection } from '../messages.js';

/** What is there of a connection. */
export interface Settings extends Partial<Connection> {
  /** what the model is for, in the words of who hosts the page */
  about?: string;
}

/** Characters of what a model is for. */
const ABOUT = 200;

/** Text of a file that is looked at; a grant has at most 3,000 characters, a network file a few hundred. */
export const LONGEST = 65_536;

const KEY = /^ed25519-secret:[\w-]+$/;
const GRANT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Something that is no part of a connection. */
export class UnknownSetting extends Error {}

/**
 * What a text is, by its form.
 * @throws UnknownSetting with what is expected; the text itself is not in its message, for it may be a key
 */
export function settingsIn(text: string): Settings {
  const trimmed = text.trim();
  if (trimmed.length > LONGEST) throw new UnknownSetting('this is too long for a network file, a key or a grant');
  if (trimmed.startsWith('{')) return ofJson(trimmed);
  const key = trimmed.split(/\s+/).find((word) => KEY.test(word));
  if (key !== undefined) return { key };
  if (GRANT.test(trimmed)) return { grant: trimmed };
  throw new UnknownSetting(
    'this is no network file (JSON with party0, party1 and dealer), no key (ed25519-secret:…) and no grant ' +
      '(three parts with dots between them)',
  );
}

function ofJson(text: string): Settings {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new UnknownSetting('this begins as JSON, and is none: a part of it may be missing');
  }
  if (['party0', 'party1', 'dealer'].every((role) => Object.hasOwn(json, role))) return { network: json };
  const found: Settings = {};
  if (typeof json.network === 'object' && json.network !== null) found.network = json.network;
  for (const name of ['key', 'grant', 'model'] as const) {
    const value = json[name];
    if (typeof value === 'string' && value.trim() !== '') found[name] = value.trim();
  }
  if (typeof json.about === 'string') found.about = json.about.slice(0, ABOUT);
  if (Object.keys(found).length > 0) return found;
  throw new UnknownSetting('this JSON has neither party0, party1 and dealer nor network, key, grant or model');
}

/** What a connection still lacks, in words; a publisher needs no grant for its own models. */
export function missing({ network, key, grant, model }: Settings): string[] {
  return [
    ...(network === undefined ? ['the network file'] : []),
    ...(key === undefined ? ['your key'] : []),
    ...(model === undefined && modelOf(grant) === undefined ? ['a grant, or a model’s name'] : []),
  ];
}

/** A whole connection; undefined where something is missing. */
export function connectionOf(settings: Settings): Connection | undefined {
  if (missing(settings).length > 0) return undefined;
  const { network, key, grant, model } = settings;
  return { network, key: key!, ...(grant !== undefined && { grant }), model: model ?? modelOf(grant)! };
}

/** The model that a grant says that it is for. Whether it holds is for the servers to judge. */
export function modelOf(grant: string | undefined): string | undefined {
  try {
    const claims = (grant ?? '').split('.')[1] ?? '';
    const { model } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as { model?: unknown };
    return typeof model === 'string' && model !== '' ? model : undefined;
  } catch {
    return undefined;
  }
}

/** Where a network's server is, for people. */
export function hostOf(network: unknown, role: string): string {
  const { url } = ((network as Record<string, unknown> | undefined)?.[role] ?? {}) as { url?: unknown };
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).host : '';
}
