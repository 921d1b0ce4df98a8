import type { HeadNames } from '../heads.js';
import { bertLayer } from './bert.js';
import { bertSettings, type Family } from './family.js';
import { readTransformer } from './transformer.js';

/** A masked language model's head as RoBERTa and MPNet have it. */
export const robertaMasked: HeadNames['masked'] = {
  dense: 'lm_head.dense',
  norm: 'lm_head.layer_norm',
  activation: 'gelu',
  decoder: 'lm_head.decoder',
  bias: 'lm_head.bias',
};

/** Liu et al. 2019, and XLM-R, Conneau et al. 2020: BERT with positions counted from the padding's id. */
export const roberta: Family = {
  classes: { roberta: 'Roberta', 'xlm-roberta': 'XLMRoberta' },
  prefix: 'roberta.',
  hooked: true,
  settings: { ...bertSettings, padToken: 1, positionsFrom: 'padding' },
  read: (r, c) => readTransformer(r, c, 'encoder.layer.', bertLayer),
  heads: () => ({
    pooler: { dense: 'pooler.dense' },
    sequence: { of: 'first token', dense: 'classifier.dense', activation: 'tanh', out: 'classifier.out_proj' },
    masked: robertaMasked,
  }),
};
