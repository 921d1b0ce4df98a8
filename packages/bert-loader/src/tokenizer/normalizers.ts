import { precompiled } from './charsmap.js';
import { type Json, objects, string } from './json.js';
import { ReplaceNormalizer } from './library.js';
import { CONTROL, lowerCase, MARK, NONSPACING, normalForm } from './unicode.js';

/** What is done to a text before it is split into words. */
export type Normalizer = (text: string) => string;

const control = new RegExp(CONTROL, 'gu');
const nonspacing = new RegExp(NONSPACING, 'gu');
const mark = new RegExp(MARK, 'gu');
/** The blocks of Chinese characters that BERT's tokenizer knows. */
const chinese = new RegExp(
  '[\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff' +
    '\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\u{2f800}-\\u{2fa1f}]',
  'gu',
);

/** BERT's own: cleaning, blanks around Chinese characters, accents, case; in that order. */
function bert(json: Json): Normalizer {
  const lowercase = json.lowercase !== false;
  // If strip_accents is unset, accents are stripped exactly when the text is lowercased
  const accents = json.strip_accents === undefined || json.strip_accents === null ? lowercase : json.strip_accents;
  const steps: Normalizer[] = [];
  if (json.clean_text !== false) steps.push((t) => t.replace(control, '').replace(/\p{White_Space}/gu, ' '));
  if (json.handle_chinese_chars !== false) steps.push((t) => t.replace(chinese, ' $& '));
  if (accents) steps.push((t) => normalForm(t, 'NFD').replace(nonspacing, ''));
  if (lowercase) steps.push(lowerCase);
  return sequence(steps);
}

function replace(json: Json): Normalizer {
  const content = string(json.content, 'the content of a Replace');
  const pattern = json.pattern as { String?: unknown; Regex?: unknown } | undefined;
  if (typeof pattern?.String === 'string') {
    const from = pattern.String;
    return from === '' ? (t) => t : (t) => t.split(from).join(content);
  }
  if (typeof pattern?.Regex !== 'string') throw new Error('the pattern of a Replace is neither String nor Regex');
  // The library translates the expression; a $ would mean something to it
  const library = new ReplaceNormalizer({ type: 'Replace', pattern, content: content.replaceAll('$', '$$$$') });
  return (t) => library.normalize(t);
}

function strip(json: Json): Normalizer {
  const left = json.strip_left !== false;
  const right = json.strip_right !== false;
  return (text) => {
    let t = text;
    if (left) t = t.replace(/^\p{White_Space}+/u, '');
    if (right) t = t.replace(/(?<!\p{White_Space})\p{White_Space}+$/u, '');
    return t;
  };
}

const sequence = (steps: Normalizer[]): Normalizer =>
  steps.length === 1 ? steps[0]! : (t) => steps.reduce((s, f) => f(s), t);

const NORMALIZERS: Record<string, (json: Json) => Normalizer> = {
  BertNormalizer: bert,
  Lowercase: () => lowerCase,
  NFC: () => (t) => normalForm(t, 'NFC'),
  NFD: () => (t) => normalForm(t, 'NFD'),
  NFKC: () => (t) => normalForm(t, 'NFKC'),
  NFKD: () => (t) => normalForm(t, 'NFKD'),
  Precompiled: (json) => precompiled(string(json.precompiled_charsmap, 'precompiled_charsmap')),
  Prepend: (json) => {
    const prefix = string(json.prepend, 'prepend');
    return (t) => (t === '' ? t : prefix + t);
  },
  Replace: replace,
  Sequence: (json) => sequence(objects(json.normalizers, 'normalizers').map(normalizer)),
  Strip: strip,
  StripAccents: () => (t) => t.replace(mark, ''),
};

/** The `normalizer` of a tokenizer.json. @throws Error naming a type that is not understood */
export function normalizer(json: Json | null | undefined): Normalizer {
  if (json === null || json === undefined) return (t) => t;
  const make = Object.hasOwn(NORMALIZERS, String(json.type)) ? NORMALIZERS[String(json.type)] : undefined;
  if (!make)
    throw new Error(`its normalizer '${json.type}' is not understood; ${Object.keys(NORMALIZERS).join(', ')} are`);
  return make(json);
}
