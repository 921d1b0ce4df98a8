import { bertLayer } from './bert.js';
import { bertSettings, type Family } from './family.js';
import { readTransformer } from './transformer.js';

/** Clark et al. 2020: BERT whose embeddings may be narrower than its layers; no pooler. */
export const electra: Family = {
  classes: { electra: 'Electra' },
  prefix: 'electra.',
  hooked: true,
  settings: { ...bertSettings, embeddingSize: 128 },
  read(r, c) {
    const encoder = readTransformer(r, c, 'encoder.layer.', bertLayer);
    const project = c.embedding === c.hidden ? undefined : r.dense('embeddings_project', c.hidden, c.embedding);
    return { ...encoder, embeddings: { ...encoder.embeddings, project } };
  },
  heads: () => ({
    pooler: 'none',
    sequence: { of: 'first token', dense: 'classifier.dense', activation: 'gelu', out: 'classifier.out_proj' },
    masked: {
      dense: 'generator_predictions.dense',
      norm: 'generator_predictions.LayerNorm',
      activation: 'gelu',
      decoder: 'generator_lm_head',
      bias: 'generator_lm_head.bias',
    },
  }),
};
