import type { BertConfig } from '../config.js';
import type { ConfigReader } from '../config-reader.js';
import type { Encoder } from '../encoder.js';
import type { HeadNames } from '../heads.js';
import type { WeightReader } from '../weights.js';

/** How a family's config.json is read. */
export interface Settings {
  /** its keys for what BERT calls hidden_size, num_hidden_layers, num_attention_heads and intermediate_size */
  names: { hidden: string; layers: string; heads: string; intermediate: string };
  activation: { key: string; default: string };
  /** has it token type embeddings? */
  tokenTypes: boolean;
  /** pad_token_id where the file has none */
  padToken: number;
  /** what positions are counted from: the padding's id, one that is always the same, or (undefined) 0 */
  positionsFrom?: 'padding' | number;
  /** embedding_size where the file has none; undefined: the word embeddings are as wide as the layers */
  embeddingSize?: number;
  /** of layer normalization, where the file has no say */
  epsilon?: number;
}

/** A family of checkpoints: what it calls things, and what it does otherwise than BERT; index.ts lists them. */
export interface Family {
  /** its model_type, and what its classes in `architectures` begin with: 'Bert' of BertForMaskedLM */
  classes: Readonly<Record<string, string>>;
  /** what the encoder's tensors begin with in a checkpoint that has a head besides */
  prefix: string;
  settings: Settings;
  /** are all of its layers `plainLayer`, one set of weights each, so that `Hooks` are asked in every one? */
  hooked?: true;
  /** the encoder's tensors as functions; `json` has the keys that only this family knows */
  read(r: WeightReader, c: BertConfig, json: ConfigReader): Encoder;
  /** where its heads are */
  heads(c: BertConfig, json: ConfigReader): HeadNames;
}

/** Settings of BERT, which most families share. */
export const bertSettings: Settings = {
  names: {
    hidden: 'hidden_size',
    layers: 'num_hidden_layers',
    heads: 'num_attention_heads',
    intermediate: 'intermediate_size',
  },
  activation: { key: 'hidden_act', default: 'gelu' },
  tokenTypes: true,
  padToken: 0,
};
