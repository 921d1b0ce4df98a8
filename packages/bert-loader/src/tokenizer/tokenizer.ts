import { ModelFileError } from '../errors.js';
import { AddedTokens, addedToken } from './added-tokens.js';
import { checkLength, checkStrategy, checkText } from './arguments.js';
import { type Json, object, objects } from './json.js';
import { type Model, model } from './models.js';
import { normalizer } from './normalizers.js';
import { type Part, postProcessor, type Template } from './post-processors.js';
import { type PreTokenizer, preTokenizer } from './pre-tokenizers.js';
import { kept, type TruncationStrategy } from './truncation.js';
import { wordPieceJson } from './vocabulary.js';

/** A text, or a pair of texts, as token ids. */
export interface Encoded {
  /** special tokens included, without padding */
  ids: number[];
  /** the token type of each id */
  types: number[];
  /** whether the text was longer than the length asked for, so that its end is missing */
  truncated: boolean;
}

/** What a model's folder says about its tokenizer beside tokenizer.json; each has a default. */
export interface TokenizerOptions {
  /** tokens of a text at most, where no length is asked for; infinite */
  limit?: number;
  /** how pairs are cut; 'longest_first' */
  truncation?: TruncationStrategy;
  /** the side on which a text is cut; 'right' */
  truncationSide?: 'left' | 'right';
  /** has the model token types? if not, all are 0; true */
  types?: boolean;
  /** the id of padding; [PAD]'s or <pad>'s, else 0 */
  pad?: number;
  /** ids that the model has embeddings for; infinite */
  vocabularySize?: number;
  /** is the text put into lower case before all else, as sentence_bert_config.json may ask for? false */
  lowerCaseFirst?: boolean;
}

/**
 * Text to the ids of a model's own tokenizer: WordPiece (BERT, DistilBERT, ELECTRA, MobileBERT, MPNet), byte-level BPE
 * (RoBERTa) or Unigram (XLM-R, ALBERT). The ids are those of PyPI's tokenizers. A loaded model has its own:
 * `model.tokenizer`.
 */
export class BertTokenizer {
  /** tokens of a text at most, where no length is asked for; may be infinite */
  readonly limit: number;
  /** the id that a shorter text is filled up with */
  readonly pad: number;
  readonly #added: AddedTokens;
  readonly #words: PreTokenizer;
  readonly #model: Model;
  readonly #template: Template;
  readonly #options: TokenizerOptions;

  /**
   * @param file where it is from, for messages
   * @param json a tokenizer.json
   * @throws ModelFileError naming what is missing or not understood
   */
  constructor(file: string, json: unknown, options: TokenizerOptions = {}) {
    try {
      const j = object(json, 'it');
      const normalize = normalizer(j.normalizer as Json | null);
      const added = objects(j.added_tokens, 'added_tokens').map(addedToken);
      this.#words = preTokenizer(j.pre_tokenizer as Json | null);
      this.#model = model(object(j.model, 'its model'));
      this.#added = new AddedTokens(added, normalize);
      this.#template = postProcessor(j.post_processor as Json | null);
      this.pad = options.pad ?? added.find((t) => t.content === '[PAD]' || t.content === '<pad>')?.id ?? 0;
      this.limit = options.limit ?? Number.POSITIVE_INFINITY;
      this.#options = options;
    } catch (cause) {
      if (cause instanceof ModelFileError) throw cause;
      throw new ModelFileError(file, `is not a tokenizer that can be used (${(cause as Error).message})`, { cause });
    }
  }

  /**
   * Where a folder has only a vocab.txt: the tokenizer of uncased (or cased) BERT over it.
   * @param file where it is from, for messages
   * @param text one token a line; its number is the token's id
   * @throws ModelFileError naming a special token that is missing
   */
  static fromVocabulary(file: string, text: string, lowercase: boolean): BertTokenizer {
    return new BertTokenizer(file, wordPieceJson(file, text, { lowercase }));
  }

  /** Tokens of the model's own around a single text, or around a pair. */
  specialTokens(pair: boolean): number {
    return (pair ? this.#template.pair : this.#template.single).reduce(
      (n, p) => n + ('ids' in p ? p.ids.length : 0),
      0,
    );
  }

  /**
   * Ids of a text or a pair, the texts cut so that all are `length` at most.
   * @param truncation how a pair is cut; as the folder says, else 'longest_first'
   * @throws TypeError or RangeError where an argument is something else, or the length too short for the special tokens
   */
  encode(
    text: string | [string, string],
    length = this.limit,
    truncation = this.#options.truncation ?? 'longest_first',
  ): Encoded {
    checkText(text, 'text');
    if (length !== Number.POSITIVE_INFINITY) checkLength(length);
    checkStrategy(truncation);
    const pair = Array.isArray(text);
    const own = this.specialTokens(pair);
    if (length < own)
      throw new RangeError(`length is ${length}; ${pair ? 'a pair' : 'a text'} has ${own} special tokens alone`);
    const texts = (pair ? text : [text]).map((t) => this.#ids(t));
    const lengths: [number, number] = [texts[0]!.length, texts[1]?.length ?? 0];
    const keep = kept(lengths, length - own, truncation);
    const cut = texts.map((ids, i) =>
      this.#options.truncationSide === 'left' ? ids.slice(ids.length - keep[i]!) : ids.slice(0, keep[i]!),
    );
    return {
      ...this.#fill(pair ? this.#template.pair : this.#template.single, cut),
      truncated: keep[0] + keep[1] < lengths[0] + lengths[1],
    };
  }

  #ids(text: string): number[] {
    // Halves of surrogate pairs cannot be written as UTF-8
    const whole = text.replace(/\p{Surrogate}/gu, '\ufffd');
    const ids: number[] = [];
    for (const part of this.#added.split(this.#options.lowerCaseFirst ? whole.toLowerCase() : whole)) {
      if (typeof part === 'number') ids.push(part);
      else for (const word of this.#words(part)) for (const id of this.#model.ids(word)) ids.push(id);
    }
    return ids;
  }

  #fill(parts: Part[], texts: number[][]): { ids: number[]; types: number[] } {
    const ids = parts.flatMap((p) => ('ids' in p ? p.ids : texts[p.text]!));
    const { types: has = true, vocabularySize = Number.POSITIVE_INFINITY } = this.#options;
    const types = parts.flatMap((p) =>
      new Array<number>('ids' in p ? p.ids.length : texts[p.text]!.length).fill(has ? p.type : 0),
    );
    for (const id of ids)
      if (id >= vocabularySize)
        throw new RangeError(
          `the tokenizer gives the id ${id}, and the model has embeddings for ${vocabularySize} ids`,
        );
    return { ids, types };
  }
}
