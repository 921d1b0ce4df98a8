/** The tensors of an encoder that is made as BERT's is, whatever they are called. */
import type { BertConfig } from '../config.js';
import { type Embeddings, type Encoder, type LayerWeights, plainLayer } from '../encoder.js';
import type { WeightReader } from '../weights.js';
import { readFolded } from './folded.js';
import { constantsOf, type LayerNames } from './layer-names.js';

export type { LayerNames };

/** Of the encoder's norms; undefined where they are a gain and a bias alone. */
function epsilonOf(c: BertConfig): number | undefined {
  return c.layerNorm === 'affine' ? undefined : c.epsilon;
}

export function readEmbeddings(r: WeightReader, c: BertConfig): Embeddings {
  const e = r.under('embeddings.');
  return {
    words: e.tensor('word_embeddings.weight', [c.vocabSize, c.embedding]),
    positions: e.tensor('position_embeddings.weight', [c.positions, c.embedding]),
    types: c.types > 0 ? e.tensor('token_type_embeddings.weight', [c.types, c.embedding]) : undefined,
    norm: e.norm('LayerNorm', c.embedding, epsilonOf(c)),
  };
}

export function readLayer(r: WeightReader, names: LayerNames, c: BertConfig): LayerWeights {
  const square = (name: string) => r.dense(name, c.hidden, c.hidden);
  const constants = constantsOf(names);
  return {
    query: square(names.query),
    key: square(names.key),
    value: square(names.value),
    constants: r.has(constants) ? r.tensor(constants, [c.heads]) : undefined,
    output: square(names.output),
    norm1: r.norm(names.norm1, c.hidden, epsilonOf(c)),
    up: r.dense(names.up, c.intermediate, c.hidden),
    down: r.dense(names.down, c.hidden, c.intermediate),
    norm2: r.norm(names.norm2, c.hidden, epsilonOf(c)),
  };
}

/** @param stem what a layer's tensors begin with, before its number */
export function readTransformer(r: WeightReader, c: BertConfig, stem: string, names: LayerNames): Encoder {
  const embeddings = readEmbeddings(r, c);
  if (c.layerNorm === 'affine' && !r.store.asStored) return readFolded(embeddings, r, c, stem, names);
  r.checkCount(stem, c.layers, 'num_hidden_layers');
  const layers = Array.from({ length: c.layers }, (_, i) =>
    plainLayer(readLayer(r.under(`${stem}${i}.`), names, c), c),
  );
  return { embeddings, layers };
}
