/** A model's folder without its weights: its configuration, and its tokenizer. */
import type { BertConfig } from './config.js';
import { ConfigReader } from './config-reader.js';
import { ModelFiles, type ReadFile } from './files.js';
import { configOf } from './parse-config.js';
import { type Module, modulesOf } from './sentence.js';
import { OLDER_SENTENCE_FILES, TOKENIZER_FILES, tokenizerFromFiles } from './tokenizer/load.js';
import type { BertTokenizer } from './tokenizer/tokenizer.js';

const CONFIG = 'config.json';
const MODULES = 'modules.json';

/** A folder whose config.json has been read. */
export interface ModelFolder {
  folder: ModelFiles;
  /** those of the encoder, which sentence-transformers may have put into a folder of its own */
  files: ModelFiles;
  /** what modules.json lists; undefined: it is no folder of sentence-transformers */
  modules: Module[] | undefined;
  /** config.json */
  bytes: Uint8Array;
  json: ConfigReader;
  config: BertConfig;
}

/** @throws ModelFileError naming the file, and the key in it */
export async function openFolder(read: ReadFile, where: string): Promise<ModelFolder> {
  const folder = new ModelFiles(read, where);
  const modules = await modulesOf(folder);
  const files = modules ? folder.under(modules[0]!.path) : folder;
  const bytes = await files.need(CONFIG);
  const json = ConfigReader.parse(files.path(CONFIG), new TextDecoder().decode(bytes));
  return { folder, files, modules, bytes, json, config: configOf(json) };
}

/** The tokenizer's files that there are, those of the encoder's own folder, by their names in it. */
async function filesOf({ files, modules, bytes: config }: ModelFolder): Promise<Map<string, Uint8Array>> {
  const found = new Map([[CONFIG, config]]);
  for (const name of modules ? [...TOKENIZER_FILES, ...OLDER_SENTENCE_FILES] : TOKENIZER_FILES) {
    const bytes = found.get(name) ?? (await files.bytes(name));
    if (bytes) found.set(name, bytes);
  }
  return found;
}

/** @throws ModelFileError naming the file and what is missing, wrong or not understood in it */
export async function tokenizerOf(opened: ModelFolder): Promise<BertTokenizer> {
  const { files, config } = opened;
  const bytes = await filesOf(opened);
  const texts = new Map(Array.from(bytes, ([name, b]) => [name, new TextDecoder().decode(b)]));
  const { longest, types, vocabSize: vocabularySize, padToken } = config;
  return tokenizerFromFiles(texts, files.folder, { positions: longest, types, vocabularySize, padToken });
}

/**
 * The tokenizer of a model whose weights are somewhere else: it needs config.json and the tokenizer's files.
 * @param read answers a file's name with its bytes, or undefined where there is no such file
 * @param where name of the folder, for messages
 * @throws ModelFileError naming the file, and the key in it, where it cannot be used as it was meant
 *
 * @example
 * ```js
 * const tokenizer = await loadTokenizer((name) => assets.get(name), 'sst2@1');
 * const { ids } = tokenizer.encode('A delight.', 32);
 * ```
 */
export async function loadTokenizer(read: ReadFile, where: string): Promise<BertTokenizer> {
  return tokenizerOf(await openFolder(read, where));
}

/**
 * The settings in a folder's config.json; `labels` is empty where it names none.
 * @throws as `loadTokenizer` does
 */
export async function loadConfig(read: ReadFile, where: string): Promise<BertConfig> {
  return (await openFolder(read, where)).config;
}

/**
 * The files that `loadTokenizer` and `loadConfig` need, by the names that they ask for: config.json, the tokenizer's,
 * and modules.json where there is one. No weights are among them, and all of them have been found to be usable.
 * @throws as `loadTokenizer` does
 */
export async function tokenizerFiles(read: ReadFile, where: string): Promise<Map<string, Uint8Array>> {
  const opened = await openFolder(read, where);
  await tokenizerOf(opened);
  const { folder, files, modules } = opened;
  const own = Array.from(await filesOf(opened), ([name, b]): [string, Uint8Array] => [files.name(name), b]);
  return new Map(modules ? [[MODULES, await folder.need(MODULES)], ...own] : own);
}
