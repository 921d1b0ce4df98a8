import { type Layer, plainLayer } from '../encoder.js';
import { bertSettings, type Family } from './family.js';
import { type LayerNames, readEmbeddings, readLayer } from './transformer.js';

const layer: LayerNames = {
  query: 'attention.query',
  key: 'attention.key',
  value: 'attention.value',
  output: 'attention.dense',
  norm1: 'attention.LayerNorm',
  up: 'ffn',
  down: 'ffn_output',
  norm2: 'full_layer_layer_norm',
};

/** Lan et al. 2020: layers in groups that share their weights; embeddings narrower than the layers. */
export const albert: Family = {
  classes: { albert: 'Albert' },
  prefix: 'albert.',
  settings: { ...bertSettings, activation: { key: 'hidden_act', default: 'gelu_new' }, embeddingSize: 128 },
  read(r, c, json) {
    const groups = json.whole(['num_hidden_groups'], 1);
    const inner = json.whole(['inner_group_num'], 1);
    if (groups < 1 || groups > c.layers) json.refuse(`num_hidden_groups is ${groups} for ${c.layers} layers`);
    const embeddings = readEmbeddings(r, c);
    const project = r.dense('encoder.embedding_hidden_mapping_in', c.hidden, c.embedding);
    const stem = 'encoder.albert_layer_groups.';
    r.checkCount(stem, groups, 'num_hidden_groups');
    const shared = Array.from({ length: groups }, (_, g): Layer[] => {
      const group = r.under(`${stem}${g}.`);
      group.checkCount('albert_layers.', inner, 'inner_group_num');
      return Array.from({ length: inner }, (_, i) =>
        plainLayer(readLayer(group.under(`albert_layers.${i}.`), layer, c), c),
      );
    });
    // Consecutive layers are of one group
    const layers = Array.from({ length: c.layers }, (_, i) => shared[Math.floor(i / (c.layers / groups))]!).flat();
    return { embeddings: { ...embeddings, project }, layers };
  },
  heads: () => ({
    pooler: { dense: 'pooler' },
    sequence: { of: 'pooled', out: 'classifier' },
    masked: {
      dense: 'predictions.dense',
      norm: 'predictions.LayerNorm',
      activation: 'as configured',
      decoder: 'predictions.decoder',
      bias: 'predictions.bias',
    },
    pretraining: true,
  }),
};
