import { Tokenizer } from '@huggingface/tokenizers';
import { kindOf } from './describe.js';
import { ModelFileError } from './errors.js';

/** A text, or a pair of texts, as token ids. */
export interface Encoded {
  ids: number[];
  types: number[];
  /** whether the text was longer than the length asked for, so that its end is missing */
  truncated: boolean;
}

/** Tokens that a single text has at least: [CLS] and [SEP]. */
const SHORTEST = 2;

/** @throws TypeError, for what is no number; RangeError, for one that is no whole number between 2 and `most` */
export function checkLength(length: unknown, most = Number.POSITIVE_INFINITY): void {
  const expected = `a whole number of tokens, ${Number.isFinite(most) ? `${SHORTEST} to ${most}` : `at least ${SHORTEST}`}`;
  if (typeof length !== 'number') {
    const came = typeof length === 'string' ? `the string '${length.slice(0, 20)}'` : kindOf(length);
    throw new TypeError(`length is ${came}; expected ${expected}`);
  }
  if (!(Number.isInteger(length) && length >= SHORTEST && length <= most)) throw new RangeError(`length is ${length}; expected ${expected}`);
}

/** @param what the argument's name, for the message. @throws TypeError if it is neither a text nor a pair of texts */
export function checkText(text: unknown, what: string): void {
  if (typeof text === 'string') return;
  if (Array.isArray(text) && text.length === 2 && text.every((t) => typeof t === 'string')) return;
  throw new TypeError(`${what} is ${kindOf(text)}; expected a string, or a pair of strings as an array of two`);
}

/** Text to WordPiece ids with [CLS] and [SEP], by the folder's own tokenizer. */
export class BertTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #separator: number;

  /** @param json a tokenizer.json; @param config a tokenizer_config.json, if there is one */
  constructor(file: string, json: unknown, config: unknown = {}) {
    try {
      this.#tokenizer = new Tokenizer(json as never, config as never);
      this.#separator = this.#tokenizer.encode('').ids.at(-1)!;
    } catch (cause) {
      throw new ModelFileError(file, `is not a tokenizer that can be used (${(cause as Error).message})`, { cause });
    }
  }

  /** Where a folder has only a vocab.txt: the tokenizer of uncased (or cased) BERT over it. */
  static fromVocabulary(file: string, text: string, lowercase: boolean): BertTokenizer {
    const tokens = text.replace(/\r/g, '').replace(/\n$/, '').split('\n');
    const vocab = Object.fromEntries(tokens.map((t, i) => [t, i]));
    const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
    for (const t of special.slice(0, 4)) if (vocab[t] === undefined) throw new ModelFileError(file, `has no token ${t}`);
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    const one = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
    const part = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
    const json = {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.filter((t) => vocab[t] !== undefined).map((content) => ({ id: vocab[content], content, ...flags })),
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [one('[CLS]', 0), part('A', 0), one('[SEP]', 0)],
        pair: [one('[CLS]', 0), part('A', 0), one('[SEP]', 0), part('B', 1), one('[SEP]', 1)],
        special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [vocab[id]], tokens: [id] }])),
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
    };
    return new BertTokenizer(file, json);
  }

  /**
   * Ids of a text or a pair, cut to `length`, the last token staying [SEP].
   * @throws TypeError or RangeError where an argument is something else
   */
  encode(text: string | [string, string], length: number): Encoded {
    checkText(text, 'text');
    checkLength(length);
    const [first, second] = Array.isArray(text) ? text : [text, undefined];
    const e = this.#tokenizer.encode(first, { text_pair: second ?? null, return_token_type_ids: true } as never) as { ids: number[]; token_type_ids?: number[] };
    const types = e.token_type_ids ?? e.ids.map(() => 0);
    if (e.ids.length <= length) return { ids: [...e.ids], types: [...types], truncated: false };
    return { ids: [...e.ids.slice(0, length - 1), this.#separator], types: types.slice(0, length), truncated: true };
  }
}
