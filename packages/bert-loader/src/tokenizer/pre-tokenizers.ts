import { type Json, objects } from './json.js';
import { LETTER, NUMBER, PUNCTUATION, WORD } from './unicode.js';

/** Splits a normalized text into the words that a model makes pieces of. */
export type PreTokenizer = (text: string) => string[];

const bertWords = new RegExp(`${PUNCTUATION}|(?:(?!${PUNCTUATION})\\P{White_Space})+`, 'gu');
const blank = '\\p{White_Space}';
/** GPT-2's words: a blank belongs to the word after it. */
const byteWords = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?(?:${LETTER})+| ?(?:${NUMBER})+| ?(?:(?!${LETTER}|${NUMBER})\\P{White_Space})+` +
    `|${blank}+(?!\\P{White_Space})|${blank}+`,
  'gu',
);

/** The character that stands for each byte: itself where it can be printed, else one from U+0100 on. */
const byteCharacters = (() => {
  let next = 0x100;
  const printable = (b: number) => (b > 0x20 && b < 0x7f) || (b > 0xa0 && b !== 0xad);
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();

function byteLevel(json: Json): PreTokenizer {
  const encoder = new TextEncoder();
  const prefix = json.add_prefix_space !== false;
  const split = json.use_regex !== false;
  const bytes = (word: string) => {
    let out = '';
    for (const b of encoder.encode(word)) out += byteCharacters[b];
    return out;
  };
  return (text) => {
    const t = prefix && !text.startsWith(' ') ? ` ${text}` : text;
    return (split ? (t.match(byteWords) ?? []) : [t]).map(bytes);
  };
}

function metaspace(json: Json): PreTokenizer {
  const mark = typeof json.replacement === 'string' ? json.replacement : '▁';
  // Older files have add_prefix_space alone
  const scheme = json.prepend_scheme ?? (json.add_prefix_space === false ? 'never' : 'always');
  if (scheme !== 'always' && scheme !== 'never')
    throw new Error(
      `its pre_tokenizer 'Metaspace' has the prepend_scheme '${scheme}'; 'always' and 'never' are understood`,
    );
  const split = json.split !== false;
  return (text) => {
    const spaced = text.replaceAll(' ', mark);
    const t = scheme === 'always' && !spaced.startsWith(mark) ? mark + spaced : spaced;
    if (!split) return [t];
    const [first, ...rest] = t.split(mark);
    const words = rest.map((word) => mark + word);
    return first ? [first, ...words] : words;
  };
}

const punctuation = new RegExp(`${PUNCTUATION}|(?:(?!${PUNCTUATION})[^])+`, 'gu');
const wordsAndSymbols = new RegExp(`(?:${WORD})+|(?:(?!${WORD})\\P{White_Space})+`, 'gu');

const matches = (expression: RegExp) => (text: string) => text.match(expression) ?? [];

const PRE_TOKENIZERS: Record<string, (json: Json) => PreTokenizer> = {
  BertPreTokenizer: () => matches(bertWords),
  ByteLevel: byteLevel,
  Digits: (json) => matches(json.individual_digits === true ? /\p{N}|\P{N}+/gu : /\p{N}+|\P{N}+/gu),
  Metaspace: metaspace,
  Punctuation: (json) => {
    const behavior = json.behavior ?? 'Isolated';
    if (behavior !== 'Isolated')
      throw new Error(`its pre_tokenizer 'Punctuation' has the behavior '${behavior}'; 'Isolated' is understood`);
    return matches(punctuation);
  },
  Sequence: (json) => {
    const steps = objects(json.pretokenizers, 'pretokenizers').map(preTokenizer);
    return (text) => steps.reduce((pieces, step) => pieces.flatMap(step), [text]);
  },
  Whitespace: () => matches(wordsAndSymbols),
  WhitespaceSplit: () => matches(/\P{White_Space}+/gu),
};

/** The `pre_tokenizer` of a tokenizer.json. @throws Error naming a type that is not understood */
export function preTokenizer(json: Json | null | undefined): PreTokenizer {
  if (json === null || json === undefined) return (text) => [text];
  const make = Object.hasOwn(PRE_TOKENIZERS, String(json.type)) ? PRE_TOKENIZERS[String(json.type)] : undefined;
  if (!make)
    throw new Error(
      `its pre_tokenizer '${json.type}' is not understood; ${Object.keys(PRE_TOKENIZERS).join(', ')} are`,
    );
  return make(json);
}
