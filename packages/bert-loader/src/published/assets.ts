/** What a published model's public files say of its texts and its labels. */
import { type Abortable, readingUnless, throwIfAborted } from '../abortable.js';
import { ModelFileError } from '../errors.js';
import { loadConfig, loadTokenizer } from '../folder.js';
import type { BertTokenizer } from '../tokenizer/tokenizer.js';
import type { Reading } from './answers.js';
import type { AskedModel } from './model.js';

/** What a model needs to be asked about texts. */
export interface TextAssets {
  tokenizer: BertTokenizer;
  /** tokens that the model takes at most */
  longest: number;
  reading: Reading;
}

/**
 * Fetches a published model's tokenizer, and what it says of its labels.
 * @throws ModelFileError where it was published without a tokenizer, or one of the files cannot be used; the signal's
 *   reason
 */
export async function textAssets(
  model: Pick<AskedModel, 'manifest' | 'asset'>,
  { signal }: Abortable = {},
): Promise<TextAssets> {
  throwIfAborted(signal);
  const { name, version, assets } = model.manifest;
  const there = new Map<string, Promise<Uint8Array>>();
  const read = readingUnless(signal, async (file) => {
    if (!assets.some((a) => a.name === file)) return undefined;
    const got = there.get(file) ?? model.asset(file, { signal });
    there.set(file, got);
    return got;
  });
  const where = `${name}@${version}`;
  if (!assets.some((a) => a.name === 'config.json' || a.name === 'modules.json'))
    throw new ModelFileError(where, 'was published without a tokenizer, so that texts cannot be asked about');
  const tokenizer = await loadTokenizer(read, where);
  const { labels, longest } = await loadConfig(read, where);
  const config = await read('config.json');
  const { problem_type } = (config ? JSON.parse(new TextDecoder().decode(config)) : {}) as { problem_type?: unknown };
  return { tokenizer, longest, reading: { labels, several: problem_type === 'multi_label_classification' } };
}
