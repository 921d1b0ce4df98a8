import type { HeadNames } from '../heads.js';
import { bertSettings, type Family } from './family.js';
import { type LayerNames, readTransformer } from './transformer.js';

/** What BERT calls the parts of a layer, and those that were derived from its code. */
export const bertLayer: LayerNames = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  output: 'attention.output.dense',
  norm1: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  norm2: 'output.LayerNorm',
};

export const bertMasked: HeadNames['masked'] = {
  dense: 'cls.predictions.transform.dense',
  norm: 'cls.predictions.transform.LayerNorm',
  activation: 'as configured',
  decoder: 'cls.predictions.decoder',
  bias: 'cls.predictions.bias',
};

/** Devlin et al. 2019. */
export const bert: Family = {
  classes: { bert: 'Bert' },
  prefix: 'bert.',
  hooked: true,
  settings: bertSettings,
  read: (r, c) => readTransformer(r, c, 'encoder.layer.', bertLayer),
  heads: () => ({
    pooler: { dense: 'pooler.dense' },
    sequence: { of: 'pooled', out: 'classifier' },
    masked: bertMasked,
    pretraining: true,
  }),
};
