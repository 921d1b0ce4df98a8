import { isObject } from '../describe.js';
import type { TokenizerClass } from './classes.js';
import type { Json } from './json.js';
import type { SpecialTokens } from './vocabulary.js';

/** A token as the files of a folder have it: its text, or an object with its text and how it is found. */
type Named = string | Json;

const FIELDS: Record<keyof SpecialTokens, string> = {
  unknown: 'unk_token',
  separator: 'sep_token',
  pad: 'pad_token',
  classifier: 'cls_token',
  mask: 'mask_token',
};

const contentOf = (token: unknown): string | undefined => {
  if (typeof token === 'string') return token;
  return isObject(token) && typeof (token as Json).content === 'string'
    ? ((token as Json).content as string)
    : undefined;
};

/** Tokens of a list, or the values of a map of names to tokens. */
const listOf = (value: unknown): Named[] =>
  Array.isArray(value) ? value : isObject(value) ? (Object.values(value) as Named[]) : [];

/** What the files beside tokenizer.json say of tokens. */
export interface NamedTokens {
  /** the special tokens, by what they are for */
  tokens: SpecialTokens;
  /** all tokens that are to be found in a text, in the order in which new ones get ids */
  found: Named[];
}

/**
 * Reads tokenizer_config.json, special_tokens_map.json and added_tokens.json. Of the latter two nothing counts where
 * the first lists its added tokens itself.
 */
export function namedTokens(kind: TokenizerClass, config: Json, map: Json, added: Json): NamedTokens {
  const listed = isObject(config.added_tokens_decoder) ? (config.added_tokens_decoder as Json) : undefined;
  const names: Json = listed ? config : { ...config, ...map };
  const tokens = { ...kind.tokens };
  const ofTheFolder: Named[] = [];
  for (const [purpose, field] of Object.entries(FIELDS) as [keyof SpecialTokens, string][]) {
    const content = contentOf(names[field]);
    if (content !== undefined) tokens[purpose] = content;
    if (content !== undefined) ofTheFolder.push(names[field] as Named);
    else if (kind.model) ofTheFolder.push(kind.tokens[purpose]);
  }
  for (const field of ['bos_token', 'eos_token'])
    if (contentOf(names[field]) !== undefined) ofTheFolder.push(names[field] as Named);
  const more = [...listOf(names.additional_special_tokens), ...listOf(names.extra_special_tokens)];
  const special = new Set([...ofTheFolder, ...more].map(contentOf));
  const numbered = (o: Json) => Object.entries(o).sort(([a], [b]) => Number(a) - Number(b));
  const before: Named[] = listed
    ? numbered(listed).map(([, token]) => token as Named)
    : Object.entries(added)
        .sort(([, a], [, b]) => Number(a) - Number(b))
        .map(([content]) => ({ content, special: special.has(content), normalized: !special.has(content) }));
  return { tokens, found: [...before, ...ofTheFolder, ...more] };
}

/** Ids of a tokenizer.json's pieces. */
function idsOf(vocab: unknown): ReadonlyMap<string, number> {
  if (Array.isArray(vocab)) return new Map(vocab.map((v, i) => [String(v?.[0]), i]));
  return new Map(isObject(vocab) ? (Object.entries(vocab) as [string, number][]) : []);
}

/**
 * A tokenizer.json's `added_tokens` with those it lacks: a token's id is that of its piece, or the next one free.
 * @param vocab its model's vocabulary
 */
export function withTokens(added: Json[], vocab: unknown, found: Named[]): Json[] {
  const ids = idsOf(vocab);
  const all = [...added];
  const seen = new Set(added.map((t) => t.content));
  let next = Math.max(ids.size, ...added.map((t) => Number(t.id) + 1));
  for (const token of found) {
    const content = contentOf(token);
    if (!content || seen.has(content)) continue;
    seen.add(content);
    const flags = isObject(token) ? token : {};
    all.push({ special: true, normalized: false, ...flags, content, id: ids.get(content) ?? next++ });
  }
  return all;
}
