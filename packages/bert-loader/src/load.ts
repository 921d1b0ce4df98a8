import { parseConfig } from './config.js';
import { isObject } from './describe.js';
import { ModelFileError } from './errors.js';
import { BertModel } from './model.js';
import { Safetensors } from './safetensors.js';
import { BertTokenizer } from './tokenizer.js';
import { readWeights } from './weights.js';

/** Reads a file of a model folder; undefined if there is none. */
export type ReadFile = (name: string) => Promise<Uint8Array | undefined>;

/** Builds a model from its files, wherever they are. @param where name of the folder, for messages */
export async function bertFromFiles(read: ReadFile, where: string): Promise<BertModel> {
  const path = (name: string) => `${where}/${name}`;
  const must = async (name: string): Promise<Uint8Array> => {
    const bytes = await read(name);
    if (!bytes) throw new ModelFileError(path(name), 'is not there; a model folder holds config.json, model.safetensors and tokenizer.json or vocab.txt');
    return bytes;
  };
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const json = (name: string, bytes: Uint8Array): unknown => {
    try {
      return JSON.parse(text(bytes));
    } catch (cause) {
      throw new ModelFileError(path(name), 'is not JSON', { cause });
    }
  };
  const config = parseConfig(path('config.json'), text(await must('config.json')));
  const tokenizerConfig = await read('tokenizer_config.json');
  const settings = (tokenizerConfig ? json('tokenizer_config.json', tokenizerConfig) : {}) as { do_lower_case?: boolean };
  if (!isObject(settings)) throw new ModelFileError(path('tokenizer_config.json'), 'is no JSON object');
  const tokenizerJson = await read('tokenizer.json');
  const tokenizer = tokenizerJson
    ? new BertTokenizer(path('tokenizer.json'), json('tokenizer.json', tokenizerJson), settings)
    : BertTokenizer.fromVocabulary(path('vocab.txt'), text(await must('vocab.txt')), settings.do_lower_case ?? true);
  const weights = readWeights(new Safetensors(path('model.safetensors'), await must('model.safetensors')), config);
  return new BertModel(config, tokenizer, weights);
}

/** Loads a checkpoint folder from disk (Node). */
export async function loadBert(folder: string): Promise<BertModel> {
  const { readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  return bertFromFiles(async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new ModelFileError(join(folder, name), `cannot be read (${(error as Error).message})`, { cause: error });
    }
  }, folder);
}
