import * as tf from '@tensorflow/tfjs-core';
import type { BertConfig } from '../config.js';
import type { WeightReader } from '../weights.js';
import { bertSettings, type Family } from './family.js';
import { robertaMasked } from './roberta.js';
import { type LayerNames, readTransformer } from './transformer.js';

const layer: LayerNames = {
  query: 'attention.attn.q',
  key: 'attention.attn.k',
  value: 'attention.attn.v',
  output: 'attention.attn.o',
  norm1: 'attention.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  norm2: 'output.LayerNorm',
};

/** Buckets of distances; the reference uses this many whatever the configuration says. */
const BUCKETS = 32;
/** From here on all distances are in the last bucket. */
const FAR = 128;

/**
 * The bucket of a distance between two tokens, key minus query (Raffel et al. 2020, T5, section 2.1): half for either
 * direction, of which half hold one distance each and the others grow with the distance's logarithm.
 */
export function bucketOf(distance: number): number {
  const half = BUCKETS / 2;
  const exact = half / 2;
  const away = Math.abs(distance);
  const side = distance > 0 ? half : 0;
  if (away < exact) return side + away;
  // In single precision as the reference, where a bucket's first distance may be rounded below it
  const f = Math.fround;
  const logs = f(f(f(Math.log(f(away / exact))) / f(Math.log(FAR / exact))) * (half - exact));
  return side + Math.min(exact + Math.floor(logs), half - 1);
}

/**
 * What is added to the scores. The table is read once by distance, [heads, 2·positions]; of how many tokens there are,
 * only slices and reshapes depend, which cost nothing on shares.
 */
function readBias(r: WeightReader, c: BertConfig): (length: number) => tf.Tensor {
  const { heads, longest: most } = c;
  const table = r.values('encoder.relative_attention_bias.weight', [BUCKETS, heads]);
  const values = new Float32Array(heads * 2 * most);
  for (let d = 0; d < 2 * most; d++) {
    const bucket = bucketOf(d - (most - 1));
    for (let h = 0; h < heads; h++) values[h * 2 * most + d] = table[bucket * heads + h]!;
  }
  const byDistance = r.keep(values, [heads, 2 * most]);
  return (length) => {
    // Rows of 2·length distances, 1 − length first, read as rows of one less: each begins one later than the one above
    const row = tf.slice(byDistance, [0, most - length], [heads, 2 * length]);
    const flat = tf.slice(tf.tile(row, [1, length]), [0, 0], [heads, length * (2 * length - 1)]);
    const skewed = tf.reshape(flat, [1, heads, length, 2 * length - 1]);
    return tf.slice(skewed, [0, 0, 0, length - 1], [1, heads, length, length]);
  };
}

/** Song et al. 2020: positions counted from 2, and a bias of the scores by the tokens' distance; no token types. */
export const mpnet: Family = {
  classes: { mpnet: 'MPNet' },
  prefix: 'mpnet.',
  settings: { ...bertSettings, tokenTypes: false, padToken: 1, positionsFrom: 1 },
  read(r, c, json) {
    const buckets = json.whole(['relative_attention_num_buckets'], BUCKETS);
    if (buckets !== BUCKETS) json.refuse(`relative_attention_num_buckets ${buckets} is not understood; ${BUCKETS} is`);
    return { ...readTransformer(r, c, 'encoder.layer.', layer), bias: readBias(r, c) };
  },
  heads: () => ({
    pooler: { dense: 'pooler.dense' },
    sequence: { of: 'first token', dense: 'classifier.dense', activation: 'tanh', out: 'classifier.out_proj' },
    masked: robertaMasked,
  }),
};
