import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { Dense, Norm } from './blocks.js';
import type { BertConfig } from './config.js';
import { type Layer, plainLayer } from './encoder.js';
import { BertModel } from './model.js';
import { BertTokenizer } from './tokenizer/tokenizer.js';

/** Gaussian numbers from a seed (mulberry32 and Box–Muller), so that a random model is the same everywhere. */
function gaussians(seed: number): () => number {
  let s = seed >>> 0;
  const uniform = () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * A BERT of a given shape with random weights, scaled so that activations stay in the range of real models: for tests
 * and measurements. It has no head, and its vocabulary is 'w0', 'w1' and so on beside the special tokens.
 * @param shape sizes, and what is otherwise than in a BERT: how attention weighs, with a constant for each head where
 *   that is no softmax, and whether norms are a gain and a bias alone
 * @param seed equal seeds give equal weights
 * @param weights whether anybody may know them, see `LoadOptions`
 *
 * @example
 * ```js
 * const shape = { vocabSize: 1000, hidden: 64, layers: 2, heads: 4, intermediate: 256, positions: 32 };
 * const model = randomBert(shape);
 * const states = model.hiddenStates(model.tokenize('w1 w2 w3')); // [1, 5, 64]
 * ```
 */
export function randomBert(
  shape: Pick<BertConfig, 'vocabSize' | 'hidden' | 'layers' | 'heads' | 'intermediate' | 'positions'> &
    Partial<Pick<BertConfig, 'attention' | 'layerNorm'>>,
  seed = 1,
  weights: 'secret' | 'public' = 'secret',
): BertModel {
  const config: BertConfig = {
    attention: { function: 'softmax', constant: 0, power: 2, divisor: 'tokens' },
    layerNorm: 'standard',
    ...shape,
    family: 'bert',
    embedding: shape.hidden,
    longest: shape.positions,
    countedFrom: undefined,
    types: 2,
    epsilon: 1e-12,
    activation: 'gelu',
    labels: [],
    padToken: 0,
  };
  const next = gaussians(seed);
  const all: Tensor[] = [];
  const make = (dims: number[], std: number, mean = 0): Tensor => {
    const n = dims.reduce((a, b) => a * b, 1);
    const t = tensor(
      Float32Array.from({ length: n }, () => mean + std * next()),
      dims,
      'float32',
    );
    all.push(t);
    return t;
  };
  const { hidden, intermediate, vocabSize } = config;
  const dense = (out: number, from: number): Dense => ({
    weight: make([from, out], 1 / Math.sqrt(from)),
    bias: make([out], 0.02),
  });
  const epsilon = config.layerNorm === 'affine' ? undefined : config.epsilon;
  const norm = (): Norm => ({ gain: make([hidden], 0.05, 1), bias: make([hidden], 0.05), epsilon });
  const { function: weighing, constant } = config.attention;
  const layers = Array.from({ length: config.layers }, (): Layer => {
    const square = () => dense(hidden, hidden);
    const w = {
      query: square(),
      key: square(),
      value: square(),
      ...(weighing !== 'softmax' && { constants: make([config.heads], 0.05, constant) }),
      output: square(),
      norm1: norm(),
      up: dense(intermediate, hidden),
      down: dense(hidden, intermediate),
      norm2: norm(),
    };
    return plainLayer(w, config);
  });
  const embeddings = {
    words: make([vocabSize, hidden], 0.5),
    positions: make([config.positions, hidden], 0.2),
    types: make([2, hidden], 0.2),
    norm: norm(),
  };
  const parts = { encoder: { embeddings, layers }, pooler: undefined, head: undefined, sentence: undefined, all };
  const vocabulary = [
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    ...Array.from({ length: vocabSize - 5 }, (_, i) => `w${i}`),
  ].join('\n');
  return new BertModel(config, BertTokenizer.fromVocabulary('random model', vocabulary, true), parts, weights);
}
