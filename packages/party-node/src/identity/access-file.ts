/** The access file: who may publish at a node, how much, and which grants an operator denies. */
import { existsSync, statSync } from 'node:fs';
import { z } from 'zod';
import { publicKeyText } from '../wire/keys.js';
import { modelName } from '../wire/names.js';
import type { Grant, PublisherLimits } from '../wire/principal.js';
import { bad, readTrusted, writeWhole } from './files.js';
import { checked, publicKey } from './network.js';
import { bytesFrom } from './sizes.js';

export interface Publisher {
  name: string;
  /** public key in hex */
  key: string;
  limits: PublisherLimits;
}

/** What an operator denies of a publisher's grants: one of them, or all of a subject. */
export type Denial = { publisher: string; id: string } | { publisher: string; subject: string };

export interface Access {
  publishers: readonly Publisher[];
  denied: readonly Denial[];
}

const size = z.union([z.number().int().min(0), z.string()]).transform((given, context) => {
  const bytes = typeof given === 'number' ? given : bytesFrom(given);
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: 'custom', message: `expected a size, such as "20G"; got "${given}"` });
  return z.NEVER;
});

const publisher = z.strictObject({
  name: modelName,
  key: publicKey,
  models: z.number().int().min(0).max(1e6),
  bytes: size,
  runs: z.number().int().min(0).max(1e6),
});
const text = z.string().min(1).max(200);
const denial = z.union([
  z.strictObject({ publisher: modelName, id: text }),
  z.strictObject({ publisher: modelName, subject: text }),
]);
const access = z.strictObject({ publishers: z.array(publisher), denied: z.array(denial).optional() });

/**
 * @throws NodeError BAD_CONFIGURATION with the file, the field and what is expected there
 */
export function readAccessFile(file: string): Access {
  const name = `the access file ${file}`;
  const { publishers, denied = [] } = checked(access, readTrusted(file, 'access'), name);
  for (const field of ['name', 'key'] as const) {
    const seen = new Set<string>();
    for (const [i, one] of publishers.entries()) {
      if (seen.has(one[field]))
        throw bad(`${name} is wrong at publishers[${i}].${field}: another publisher has the same ${field}`);
      seen.add(one[field]);
    }
  }
  for (const [i, one] of denied.entries())
    if (!publishers.some((p) => p.name === one.publisher))
      throw bad(`${name} is wrong at denied[${i}].publisher: there is no publisher ${one.publisher} in it`);
  return {
    publishers: publishers.map(({ name, key, models, bytes, runs }) => ({
      name,
      key,
      limits: { models, bytes, runs },
    })),
    denied,
  };
}

/** @param fresh whether a file that is not there is an empty list */
function readOr(file: string, fresh: boolean): Access {
  return fresh && !existsSync(file) ? { publishers: [], denied: [] } : readAccessFile(file);
}

function write(file: string, { publishers, denied }: Access): void {
  const json = {
    publishers: publishers.map(({ name, key, limits }) => ({ name, key: publicKeyText(key), ...limits })),
    denied,
  };
  const mode = existsSync(file) ? statSync(file).mode & 0o755 : 0o644;
  writeWhole(file, `${JSON.stringify(json, undefined, 2)}\n`, mode, 'replace');
}

/** Adds a publisher, or gives one that is there another key or other limits. @throws NodeError BAD_CONFIGURATION */
export function allow(file: string, one: Publisher): void {
  if (!modelName.safeParse(one.name).success)
    throw bad(`'${one.name}' is no name of a publisher: small letters, digits, '.', '_' and '-', at most 64`);
  const { publishers, denied } = readOr(file, true);
  const other = publishers.find((p) => p.key === one.key && p.name !== one.name);
  if (other) throw bad(`the access file ${file} has this key already, as publisher ${other.name}`);
  const there = publishers.findIndex((p) => p.name === one.name);
  write(file, { publishers: there < 0 ? [...publishers, one] : publishers.with(there, one), denied });
}

/** @throws NodeError BAD_CONFIGURATION */
export function deny(file: string, one: Denial): void {
  const { publishers, denied } = readOr(file, false);
  if (!publishers.some((p) => p.name === one.publisher))
    throw bad(`the access file ${file} has no publisher ${one.publisher}; its grants are refused as it is`);
  const same = denied.some(
    (d) => JSON.stringify(Object.entries(d).sort()) === JSON.stringify(Object.entries(one).sort()),
  );
  write(file, { publishers, denied: same ? denied : [...denied, one] });
}

/** Whether an operator denies a grant. */
export function isDenied({ denied }: Access, grant: Pick<Grant, 'publisher' | 'id' | 'subject'>): boolean {
  return denied.some(
    (d) => d.publisher === grant.publisher && ('id' in d ? d.id === grant.id : d.subject === grant.subject),
  );
}
