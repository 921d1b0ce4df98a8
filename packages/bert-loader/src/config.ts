import type { AttentionSettings } from './attention-weights.js';
import type { Activation } from './blocks.js';

/** The settings in a config.json, under names that all families share. */
export interface BertConfig {
  /** its model_type */
  family: string;
  /** rows of the word embeddings */
  vocabSize: number;
  /** width of the hidden states */
  hidden: number;
  /** width of the word embeddings: `hidden`, unless the family projects them */
  embedding: number;
  layers: number;
  heads: number;
  /** width between the two dense layers of a feed-forward part */
  intermediate: number;
  /** rows of the position table */
  positions: number;
  /** the most tokens that the model takes: fewer than `positions` where these are counted from a padding's id */
  longest: number;
  /** the padding's id that positions are counted from; undefined: positions are counted from 0 */
  countedFrom: number | undefined;
  /** 0: the model has no token types */
  types: number;
  /** what LayerNorm adds to the variance */
  epsilon: number;
  activation: Activation;
  /** what attention weights are made by */
  attention: AttentionSettings;
  /** `affine`: the encoder's norms are a gain and a bias alone, into which constants went for means and deviations */
  layerNorm: 'standard' | 'affine';
  /** names of a classifier's classes, in order; LABEL_0 and so on where the checkpoint names none */
  labels: string[];
  /** the id of padding */
  padToken: number;
}
