import { ModelFileError } from '../errors.js';
import type { Json } from './json.js';

/** The special tokens of a tokenizer, by what they are for. */
export interface SpecialTokens {
  unknown: string;
  separator: string;
  pad: string;
  classifier: string;
  mask: string;
}

const specials = (unknown: string, separator: string, pad: string, classifier: string, mask: string): SpecialTokens => {
  return { unknown, separator, pad, classifier, mask };
};
export const BERT_TOKENS = specials('[UNK]', '[SEP]', '[PAD]', '[CLS]', '[MASK]');
export const ROBERTA_TOKENS = specials('<unk>', '</s>', '<pad>', '<s>', '<mask>');
export const MPNET_TOKENS: SpecialTokens = { ...ROBERTA_TOKENS, unknown: '[UNK]' };

/** How BERT's tokenizer treats a text; see tokenizer_config.json. */
export interface WordPieceOptions {
  lowercase: boolean;
  /** null: as case */
  stripAccents?: boolean | null;
  chineseCharacters?: boolean;
  tokens?: SpecialTokens;
  /** two separators between the texts of a pair, and no token types: MPNet */
  likeRoberta?: boolean;
}

/** A token's id. @throws ModelFileError, if there is none */
function idOf(file: string, vocab: Json, token: string): number {
  const id = Object.hasOwn(vocab, token) ? vocab[token] : undefined;
  if (!Number.isInteger(id)) throw new ModelFileError(file, `has no token ${token}`);
  return id as number;
}

/** The lines of a vocab.txt; a token's id is its line's number. */
function tokensOf(text: string): string[] {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.trimEnd());
}

/** Around a text: the classifier's token and a separator. */
function around(file: string, vocab: Json, t: SpecialTokens, likeRoberta: boolean): Json {
  const [cls, sep] = [t.classifier, t.separator].map((token) => [token, idOf(file, vocab, token)]);
  return { type: likeRoberta ? 'RobertaProcessing' : 'BertProcessing', cls, sep };
}

/**
 * Has this vocab.txt upper case? Where nothing says whether a model is cased, its vocabulary does: an uncased one has
 * no capital but in names such as [CLS] and a stray piece.
 */
export function isCased(text: string): boolean {
  let [cased, capitals] = [0, 0];
  for (const token of tokensOf(text)) {
    if (/^(?:\[.*\]|<.*>)$/.test(token) || token.toLowerCase() === token.toUpperCase()) continue;
    cased++;
    if (token !== token.toLowerCase()) capitals++;
  }
  return capitals > CAPITALS_IN_UNCASED * cased;
}

/** Share of pieces with capitals up to which a vocabulary is uncased: a cased one has a tenth or more. */
const CAPITALS_IN_UNCASED = 0.02;

/** A vocab.txt as tokenizer.json. @throws ModelFileError naming a special token that is missing */
export function wordPieceJson(file: string, text: string, options: WordPieceOptions): Json {
  const vocab = Object.fromEntries(tokensOf(text).map((t, i) => [t, i]));
  const tokens = options.tokens ?? BERT_TOKENS;
  for (const t of [tokens.pad, tokens.unknown]) idOf(file, vocab, t);
  return {
    added_tokens: Object.values(tokens)
      .filter((content) => Object.hasOwn(vocab, content))
      .map((content) => ({ id: vocab[content], content, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: options.chineseCharacters ?? true,
      strip_accents: options.stripAccents ?? null,
      lowercase: options.lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: around(file, vocab, tokens, options.likeRoberta ?? false),
    model: { type: 'WordPiece', unk_token: tokens.unknown, vocab },
  };
}

/**
 * RoBERTa's vocab.json and merges.txt as tokenizer.json.
 * @throws ModelFileError naming a line or a special token that is wrong
 */
export function byteLevelJson(
  file: string,
  vocab: Json,
  mergesFile: string,
  merges: string,
  tokens: SpecialTokens,
): Json {
  const pairs = merges
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line, i) => {
      if (line === '' || line.startsWith('#version')) return undefined;
      const pair = line.split(' ');
      if (pair.length !== 2) throw new ModelFileError(mergesFile, `line ${i + 1} is no pair of pieces`);
      return pair;
    });
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: around(file, vocab, tokens, true),
    model: { type: 'BPE', vocab, merges: pairs.filter((p) => p !== undefined) },
  };
}
