import { bertSettings, type Family } from './family.js';
import { type LayerNames, readTransformer } from './transformer.js';

const layer: LayerNames = {
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
  norm1: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  norm2: 'output_layer_norm',
};

/** Sanh et al. 2019: half of BERT's layers, no token types, no pooler. */
export const distilbert: Family = {
  classes: { distilbert: 'DistilBert' },
  prefix: 'distilbert.',
  hooked: true,
  settings: {
    ...bertSettings,
    names: { hidden: 'dim', layers: 'n_layers', heads: 'n_heads', intermediate: 'hidden_dim' },
    activation: { key: 'activation', default: 'gelu' },
    tokenTypes: false,
    epsilon: 1e-12,
  },
  read: (r, c) => readTransformer(r, c, 'transformer.layer.', layer),
  heads: () => ({
    pooler: 'none',
    sequence: { of: 'first token', dense: 'pre_classifier', activation: 'relu', out: 'classifier' },
    masked: {
      dense: 'vocab_transform',
      norm: 'vocab_layer_norm',
      activation: 'as configured',
      decoder: 'vocab_projector',
      bias: 'vocab_projector.bias',
    },
  }),
};
