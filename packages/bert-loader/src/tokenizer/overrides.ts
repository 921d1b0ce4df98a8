import { isObject } from '../describe.js';
import type { TokenizerClass } from './classes.js';
import type { Json } from './json.js';

/** What a tokenizer_config.json says; where it says nothing, tokenizer.json counts. */
export interface Settings {
  do_lower_case?: boolean;
  strip_accents?: boolean | null;
  tokenize_chinese_chars?: boolean;
  keep_accents?: boolean;
  add_prefix_space?: boolean;
}

const FLAGS = ['do_lower_case', 'tokenize_chinese_chars', 'keep_accents', 'add_prefix_space'] as const;

/** @throws Error naming a field that is neither true nor false */
export function settingsOf(config: Json): Settings {
  const settings: Settings = {};
  for (const name of FLAGS) {
    const value = config[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'boolean') throw new Error(`${name} is neither true nor false`);
    settings[name] = value;
  }
  const accents = config.strip_accents;
  if (accents !== undefined) {
    if (accents !== null && typeof accents !== 'boolean')
      throw new Error('strip_accents is neither true, false nor null');
    settings.strip_accents = accents;
  }
  return settings;
}

/** A tokenizer.json's `normalizer` as a folder's settings want it. */
function bertNormalizer(normalizer: Json, s: Settings): Json {
  const out = { ...normalizer };
  if (s.do_lower_case !== undefined) out.lowercase = s.do_lower_case;
  if (s.strip_accents !== undefined) out.strip_accents = s.strip_accents;
  if (s.tokenize_chinese_chars !== undefined) out.handle_chinese_chars = s.tokenize_chinese_chars;
  return out;
}

/** ALBERT's: quotation marks, accents, case, and last SentencePiece's own table. */
function albertNormalizer(normalizer: Json, s: Settings): Json {
  if (normalizer.type !== 'Sequence' || !Array.isArray(normalizer.normalizers)) return normalizer;
  let steps = normalizer.normalizers as Json[];
  const has = (type: string) => steps.some((step) => step.type === type);
  const without = (...types: string[]) => steps.filter((step) => !types.includes(String(step.type)));
  const before = (steps: Json[], last: string[], ...added: string[]) => {
    const at = steps.findIndex((step) => last.includes(String(step.type)));
    const to = at < 0 ? steps.length : at;
    return [...steps.slice(0, to), ...added.map((type) => ({ type })), ...steps.slice(to)];
  };
  if (s.keep_accents === true) steps = without('NFKD', 'StripAccents');
  if (s.keep_accents === false && !has('StripAccents'))
    steps = before(steps, ['Lowercase', 'Precompiled'], 'NFKD', 'StripAccents');
  if (s.do_lower_case === false) steps = without('Lowercase');
  if (s.do_lower_case === true && !has('Lowercase')) steps = before(steps, ['Precompiled'], 'Lowercase');
  return { ...normalizer, normalizers: steps };
}

/** A `pre_tokenizer` with or without a blank before the first word. */
function prefixed(json: Json, prefix: boolean): Json {
  if (json.type === 'ByteLevel') return { ...json, add_prefix_space: prefix };
  if (json.type === 'Metaspace')
    return { ...json, add_prefix_space: prefix, prepend_scheme: prefix ? 'always' : 'never' };
  if (json.type !== 'Sequence' || !Array.isArray(json.pretokenizers)) return json;
  return { ...json, pretokenizers: json.pretokenizers.map((p: Json) => prefixed(p, prefix)) };
}

/** A tokenizer.json with the settings of the folder, as its class applies them. */
export function overridden(json: Json, kind: TokenizerClass, settings: Settings): Json {
  const out = { ...json };
  const { normalizer, pre_tokenizer: words } = json as { normalizer?: Json; pre_tokenizer?: Json };
  if (kind.model === 'WordPiece' && normalizer?.type === 'BertNormalizer')
    out.normalizer = bertNormalizer(normalizer, settings);
  if (kind.model === 'Unigram' && isObject(normalizer)) out.normalizer = albertNormalizer(normalizer as Json, settings);
  if (kind.model && kind.model !== 'WordPiece' && isObject(words) && settings.add_prefix_space !== undefined)
    out.pre_tokenizer = prefixed(words as Json, settings.add_prefix_space);
  return out;
}
