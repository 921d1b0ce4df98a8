import { isObject } from '../describe.js';
import { ModelFileError } from '../errors.js';
import { A_MODEL_FOLDER } from '../files.js';
import { type TokenizerClass, tokenizerClass } from './classes.js';
import { type Json, objects } from './json.js';
import { overridden, settingsOf } from './overrides.js';
import { namedTokens, withTokens } from './special-tokens.js';
import { BertTokenizer, type TokenizerOptions } from './tokenizer.js';
import type { TruncationStrategy } from './truncation.js';
import { byteLevelJson, isCased, type SpecialTokens, wordPieceJson } from './vocabulary.js';

/** The files of a model's folder that say what its tokenizer is. */
export const TOKENIZER_FILES = [
  'config.json',
  'tokenizer_config.json',
  'tokenizer.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'sentence_bert_config.json',
] as const;

/** What sentence_bert_config.json was called before, after the model's class; the first of them counts. */
export const OLDER_SENTENCE_FILES = [
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_albert_config.json',
  'sentence_xlm-roberta_config.json',
] as const;

/** What the model itself has room for. */
export interface ModelLimits {
  /** tokens of a text at most */
  positions: number;
  /** token types; 0 or 1 is none to tell apart */
  types: number;
  /** ids with an embedding */
  vocabularySize: number;
  /** the id of padding, where the tokenizer's files name none */
  padToken: number;
}

const STRATEGIES: Record<string, TruncationStrategy> = {
  LongestFirst: 'longest_first',
  OnlyFirst: 'only_first',
  OnlySecond: 'only_second',
};

/**
 * The tokenizer of a model's folder.
 *
 * @param files the texts of those of TOKENIZER_FILES (and of OLDER_SENTENCE_FILES) that there are
 * @param where the folder's name, for messages
 * @throws ModelFileError naming the file and what is missing, wrong or not understood in it
 */
export function tokenizerFromFiles(
  files: ReadonlyMap<string, string>,
  where: string,
  model: ModelLimits,
): BertTokenizer {
  const path = (name: string) => `${where}/${name}`;
  const read = (name: string): Json | undefined => {
    const text = files.get(name);
    return text === undefined ? undefined : parsed(path(name), text);
  };
  const config = read('tokenizer_config.json') ?? {};
  const ofModel = read('config.json') ?? {};
  const [file, className] = config.tokenizer_class
    ? ['tokenizer_config.json', config.tokenizer_class]
    : ['config.json', ofModel.tokenizer_class];
  const kind = from(path(file as string), () => tokenizerClass(className, ofModel.model_type));
  const settings = from(path('tokenizer_config.json'), () => settingsOf(config));
  const { tokens, found } = namedTokens(
    kind,
    config,
    read('special_tokens_map.json') ?? {},
    read('added_tokens.json') ?? {},
  );
  const source = sourceOf(files, path, kind, tokens);
  const json = overridden(source.json, kind, { ...source.settings, ...settings });
  const all = from(path(source.name), () =>
    withTokens(objects(json.added_tokens, 'added_tokens'), (json.model as Json | undefined)?.vocab, found),
  );
  const sentenceFile = SENTENCE_FILES.find((name) => files.has(name));
  const sentence = { file: sentenceFile, json: (sentenceFile && read(sentenceFile)) ?? {} };
  const options = from(path('tokenizer_config.json'), () => optionsOf(json, config, sentence, kind, model));
  const padding = json.padding as Json | null | undefined;
  const named = all.find((t) => t.content === tokens.pad)?.id ?? padding?.pad_id;
  // A token that the vocabulary lacks has an id beyond it
  const pad = Number.isInteger(named) && (named as number) < model.vocabularySize ? (named as number) : model.padToken;
  // Where special tokens are split, a text has none
  const added = config.split_special_tokens === true ? all.filter((t) => t.special !== true) : all;
  return new BertTokenizer(path(source.name), { ...json, added_tokens: added }, { ...options, pad });
}

/** The file that the vocabulary is in, as tokenizer.json; with settings that follow from it. */
function sourceOf(
  files: ReadonlyMap<string, string>,
  path: (name: string) => string,
  kind: TokenizerClass,
  tokens: SpecialTokens,
) {
  const text = (name: string) => {
    const found = files.get(name);
    if (found === undefined) throw new ModelFileError(path(name), `is not there; ${A_MODEL_FOLDER}`);
    return found;
  };
  if (files.has('tokenizer.json'))
    return { name: 'tokenizer.json', json: parsed(path('tokenizer.json'), text('tokenizer.json')), settings: {} };
  if (kind.model === 'Unigram') text('tokenizer.json');
  if (kind.model === 'BPE' || (!kind.model && files.has('vocab.json'))) {
    const vocab = parsed(path('vocab.json'), text('vocab.json'));
    const json = byteLevelJson(path('vocab.json'), vocab, path('merges.txt'), text('merges.txt'), tokens);
    return { name: 'vocab.json', json, settings: {} };
  }
  const vocab = text('vocab.txt');
  const lowercase = !isCased(vocab);
  const json = wordPieceJson(path('vocab.txt'), vocab, { lowercase, tokens, likeRoberta: kind.likeRoberta });
  return { name: 'vocab.txt', json, settings: { do_lower_case: lowercase } };
}

const SENTENCE_FILES = ['sentence_bert_config.json', ...OLDER_SENTENCE_FILES] as const;

/** Lengths beyond this mean that a tokenizer has no limit: transformers writes 10^30 */
const NO_LIMIT = 1e9;

/** @throws Error naming a field that is wrong or not understood */
function optionsOf(
  json: Json,
  config: Json,
  sentence: { file: string | undefined; json: Json },
  kind: TokenizerClass,
  model: ModelLimits,
): TokenizerOptions {
  const truncation = isObject(json.truncation) ? (json.truncation as Json) : {};
  const padding = isObject(json.padding) ? (json.padding as Json) : {};
  if (config.padding_side === 'left' || padding.direction === 'Left')
    throw new Error('it pads on the left, which is not understood');
  const limit = (value: unknown, what: string): number => {
    if (value === undefined || value === null) return Number.POSITIVE_INFINITY;
    if (typeof value !== 'number' || !(value >= 1)) throw new Error(`${what} is no number of tokens`);
    return value < NO_LIMIT ? Math.floor(value) : Number.POSITIVE_INFINITY;
  };
  const own = Math.min(
    limit(config.model_max_length ?? config.max_len, 'model_max_length'),
    limit(truncation.max_length, 'the max_length of its truncation'),
  );
  const asked = limit(sentence.json.max_seq_length, `the max_seq_length of ${sentence.file}`);
  const strategy = truncation.strategy === undefined ? 'longest_first' : STRATEGIES[String(truncation.strategy)];
  if (!strategy) throw new Error(`the truncation strategy '${truncation.strategy}' is not understood`);
  const side = config.truncation_side ?? String(truncation.direction ?? 'right').toLowerCase();
  if (side !== 'left' && side !== 'right')
    throw new Error(`the truncation side '${side}' is not understood; 'left' and 'right' are`);
  const inputs = config.model_input_names;
  return {
    // What sentence-transformers writes is about this very model, and may be more than its tokenizer says
    limit: Math.min(Number.isFinite(asked) ? asked : own, model.positions),
    truncation: strategy,
    truncationSide: side,
    types: model.types > 1 && (Array.isArray(inputs) ? inputs.includes('token_type_ids') : kind.types),
    vocabularySize: model.vocabularySize,
    lowerCaseFirst: sentence.json.do_lower_case === true,
  };
}

/** @throws ModelFileError, if it is no JSON object */
function parsed(file: string, text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError(file, 'is not JSON', { cause });
  }
  if (!isObject(value)) throw new ModelFileError(file, 'is no JSON object');
  return value as Json;
}

/** What `read` gives; an error of it is one of the file's. */
function from<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof ModelFileError ? cause : new ModelFileError(file, (cause as Error).message, { cause });
  }
}
