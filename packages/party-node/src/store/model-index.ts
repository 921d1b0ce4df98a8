/** model.json, which is written last and names all other files of a stored model: what it does not name is no part. */
import { z } from 'zod';
import { limits } from '../limits.js';
import { modelName, versionName } from '../wire/names.js';
import { Damage } from './failures.js';
import { generationName } from './model-files.js';
import type { Sealing } from './sealing.js';

/** Its name in the model's folder. */
export const INDEX = 'model.json';
/** Names of the others; besides them there are `program-N.json` and `asset-N`. */
export const MANIFEST = 'manifest.json';
export const LAYOUT = 'layout.json';
export const TENSORS = 'tensors.bin';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const record = z.object({ total: count, bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) });

const modelIndex = z.object({
  format: z.literal(1),
  name: modelName,
  version: versionName,
  generation: z.string().regex(generationName),
  publisher: z.string().max(200),
  /** tells which key the files are encrypted with; absent where they are not */
  key: z.string().max(64).optional(),
  /** most bytes of a chunk's content */
  chunkBytes: z
    .number()
    .int()
    .min(64)
    .max(2 ** 30),
  programs: z.number().int().min(0).max(64),
  assets: z.number().int().min(0).max(64),
  files: z.record(z.string(), record),
});
/** What model.json says. */
export type ModelIndex = z.infer<typeof modelIndex>;

/** All files of a model but its index, tensors last. */
export function namesOf({ programs, assets }: Pick<ModelIndex, 'programs' | 'assets'>): string[] {
  return [
    MANIFEST,
    ...Array.from({ length: programs }, (_, i) => `program-${i}.json`),
    ...Array.from({ length: assets }, (_, i) => `asset-${i}`),
    LAYOUT,
    TENSORS,
  ];
}

const sealed = z.object({ text: z.string(), digest: z.string() });

export function writeIndex(index: ModelIndex, sealing: Sealing): Uint8Array {
  const text = JSON.stringify(index);
  return new TextEncoder().encode(JSON.stringify({ text, digest: sealing.digest(text) }));
}

/** @throws Damage, of another key as well */
export function readIndex(bytes: Uint8Array, sealing: Sealing): ModelIndex {
  if (bytes.length > limits.storeIndexBytes) throw new Damage(`${INDEX} has ${bytes.length} bytes, which is too many`);
  const { text, digest } = parsed(sealed, new TextDecoder().decode(bytes));
  const index = parsed(modelIndex, text);
  // An index in the clear is as easily written by somebody else: with a key, nothing without one is taken
  if (index.key === undefined && sealing.keyName !== undefined)
    throw new Damage('it was stored without encryption, and this node was given a key');
  if (index.key !== undefined && sealing.keyName === undefined)
    throw new Damage('it is encrypted, and this node was given no key');
  if (index.key !== sealing.keyName) throw new Damage('it is encrypted under another key');
  // Nobody can try to guess a digest piecemeal: who writes here learns of no comparison
  if (digest !== sealing.digest(text)) throw new Damage(`${INDEX} was altered`);
  const names = namesOf(index);
  if (names.length !== Object.keys(index.files).length || !names.every((name) => Object.hasOwn(index.files, name)))
    throw new Damage(`${INDEX} does not name the files of a model`);
  return index;
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Damage(`${INDEX} is not JSON`);
  }
  const found = schema.safeParse(json);
  if (!found.success) throw new Damage(`${INDEX} does not have the fields of a model`);
  return found.data;
}
