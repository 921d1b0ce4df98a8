/** Checkpoints that tools/make-model-fixtures.py wrote, with what the reference makes of inputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import type { BertInputs, ReadFile } from '../src/index.js';

/** Seen from dist/test. */
export const fixtures = fileURLToPath(new URL('../../test/fixtures/models', import.meta.url));

export const fixtureNames = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, 'expected.json')));

export const encodeText = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads a fixture's folder. @param change files to read in place of the folder's; undefined: it is not there */
export function reader(name: string, change: Record<string, Uint8Array | string | undefined> = {}): ReadFile {
  const folder = join(fixtures, name);
  return async (file) => {
    if (Object.hasOwn(change, file)) {
      const given = change[file];
      return typeof given === 'string' ? encodeText(given) : given;
    }
    return existsSync(join(folder, file)) ? new Uint8Array(readFileSync(join(folder, file))) : undefined;
  };
}

/** A fixture's config.json, or another JSON file of it, with some keys changed; a key that is undefined goes. */
export function changed(name: string, change: Record<string, unknown>, file = 'config.json'): string {
  return JSON.stringify({ ...JSON.parse(readFileSync(join(fixtures, name, file), 'utf8')), ...change });
}

/**
 * A fixture's weights with other names, and without those that `rename` gives undefined for.
 * @param more what is added to the header, made of what is there
 */
export function renamed(
  name: string,
  rename: (tensor: string) => string | undefined,
  more: (header: Record<string, unknown>) => Record<string, unknown> = () => ({}),
): Uint8Array {
  const bytes = new Uint8Array(readFileSync(join(fixtures, name, 'model.safetensors')));
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const entries = Object.entries(
    JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<string, unknown>,
  );
  const named = entries.map(([tensor, entry]) => [tensor === '__metadata__' ? tensor : rename(tensor), entry]);
  const header = encodeText(
    JSON.stringify({
      ...Object.fromEntries(named.filter(([tensor]) => tensor !== undefined)),
      ...more(Object.fromEntries(entries)),
    }),
  );
  const out = new Uint8Array(8 + header.length + bytes.length - start);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  out.set(bytes.subarray(start), 8 + header.length);
  return out;
}

interface Expected {
  inputs: { input_ids: number[][]; attention_mask: number[][]; token_type_ids: number[][] };
  outputs: Record<string, { shape: number[]; data: number[] } | undefined>;
}

export function expectedOf(name: string): Expected {
  return JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8')) as Expected;
}

export function inputsOf({ inputs }: Expected): BertInputs {
  const ints = (rows: number[][]) => tf.tensor2d(rows, undefined, 'int32');
  return {
    inputIds: ints(inputs.input_ids),
    attentionMask: ints(inputs.attention_mask),
    tokenTypeIds: ints(inputs.token_type_ids),
  };
}

/** The largest difference; infinite where the shapes are not the same or a value is none. */
export function worst(got: tf.Tensor, want: { shape: number[]; data: number[] }): number {
  if (got.shape.join() !== want.shape.join()) return Number.POSITIVE_INFINITY;
  const values = got.dataSync();
  const differences = want.data.map((v, i) => Math.abs(v - values[i]!));
  return differences.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...differences);
}
