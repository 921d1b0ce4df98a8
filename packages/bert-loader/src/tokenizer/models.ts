import { isObject } from '../describe.js';
import { type Json, object } from './json.js';
import { BPE, type LibraryModel, Unigram, WordPiece } from './library.js';

/** A vocabulary, and how a word becomes pieces of it. */
export interface Model {
  /** the id of each piece */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The ids of a word's pieces. */
  ids(word: string): number[];
}

/** @throws Error, if it is no map of pieces to ids */
function vocabularyOf(vocab: unknown): Map<string, number> {
  const entries = Object.entries(object(vocab, 'its vocabulary'));
  for (const [piece, id] of entries)
    if (!Number.isInteger(id) || (id as number) < 0)
      throw new Error(`its vocabulary gives the piece '${piece}' the id ${id}`);
  return new Map(entries as [string, number][]);
}

function pieces(library: LibraryModel, vocabulary: Map<string, number>): Model {
  return {
    vocabulary,
    ids: (word) => library._call([word]).map((piece) => vocabulary.get(piece)!),
  };
}

function wordPiece(json: Json): Model {
  const vocabulary = vocabularyOf(json.vocab);
  const unknown = String(json.unk_token ?? '[UNK]');
  if (!vocabulary.has(unknown)) throw new Error(`its vocabulary has no token ${unknown}`);
  const defaults = { unk_token: unknown, continuing_subword_prefix: '##', max_input_chars_per_word: 100 };
  return pieces(new WordPiece({ ...defaults, ...json, unk_token: unknown }), vocabulary);
}

function bpe(json: Json): Model {
  if (json.dropout)
    throw new Error(`its model drops merges by chance (dropout ${json.dropout}), so that no ids are right`);
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (json[name]) throw new Error(`its BPE model has a ${name}, which is not understood`);
  if (!Array.isArray(json.merges)) throw new Error('its BPE model has no merges');
  const vocabulary = vocabularyOf(json.vocab);
  if (typeof json.unk_token === 'string' && !vocabulary.has(json.unk_token))
    throw new Error(`its vocabulary has no token ${json.unk_token}`);
  return pieces(new BPE(json), vocabulary);
}

function unigram(json: Json): Model {
  const { vocab, unk_id: unknown } = json;
  if (json.byte_fallback) throw new Error('its Unigram model falls back to bytes, which is not understood');
  if (!(Array.isArray(vocab) && vocab.every((v) => typeof v?.[0] === 'string' && typeof v[1] === 'number')))
    throw new Error('its vocabulary is no array of pieces and scores');
  if (!(Number.isInteger(unknown) && (unknown as number) >= 0 && (unknown as number) < vocab.length))
    throw new Error(`its Unigram model has the unk_id ${unknown}, and ${vocab.length} pieces`);
  const library = new Unigram(json, '');
  const vocabulary = new Map((vocab as [string, number][]).map(([piece], id) => [piece, id]));
  return {
    vocabulary,
    // Not the library's encode: it makes one unknown token of the unknown ends of two words
    ids: (word) => {
      const ids: number[] = [];
      for (const piece of library.tokenize(word)) {
        const id = vocabulary.get(piece) ?? (unknown as number);
        if (id !== unknown || ids.at(-1) !== unknown) ids.push(id);
      }
      return ids;
    },
  };
}

/** The `model` of a tokenizer.json. @throws Error naming a type that is not understood */
export function model(json: Json): Model {
  // Files of old have no type
  const type =
    json.type ??
    (Array.isArray(json.vocab) ? 'Unigram' : json.merges ? 'BPE' : isObject(json.vocab) ? 'WordPiece' : undefined);
  if (type === 'WordPiece') return wordPiece(json);
  if (type === 'BPE') return bpe(json);
  if (type === 'Unigram') return unigram(json);
  throw new Error(`its model '${type}' is not understood; WordPiece, BPE, Unigram are`);
}
