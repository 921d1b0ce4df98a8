import * as library from '@huggingface/tokenizers';

/** A model of the library: what pieces a list of words becomes. */
export interface LibraryModel {
  _call(words: string[]): string[];
}

// The library's declarations name its modules without extensions, which TypeScript does not find for Node
const { BPE, ReplaceNormalizer, Unigram, WordPiece } = library as unknown as {
  BPE: new (config: object) => LibraryModel;
  ReplaceNormalizer: new (config: object) => { normalize(text: string): string };
  Unigram: new (config: object, eos: string) => { tokenize(word: string): string[] };
  WordPiece: new (config: object) => LibraryModel;
};

export { BPE, ReplaceNormalizer, Unigram, WordPiece };
