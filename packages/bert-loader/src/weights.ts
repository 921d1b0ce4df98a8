import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { BertConfig } from './config.js';
import type { Safetensors } from './safetensors.js';

export interface Dense {
  /** [in, out]: checkpoints have it the other way round, and TensorFlow.js's backends multiply faster by what is not transposed */
  weight: Tensor;
  bias: Tensor;
}

export interface Norm {
  gain: Tensor;
  bias: Tensor;
}

export interface Layer {
  query: Dense;
  key: Dense;
  value: Dense;
  output: Dense;
  norm1: Norm;
  up: Dense;
  down: Dense;
  norm2: Norm;
}

/** A model's tensors on the active backend. */
export interface Weights {
  words: Tensor;
  positions: Tensor;
  types: Tensor | undefined;
  norm: Norm;
  layers: Layer[];
  /** BERT's pooler, or DistilBERT's pre_classifier */
  pooler: Dense | undefined;
  classifier: Dense | undefined;
  all: Tensor[];
}

/** Where each family keeps its tensors. */
const NAMES = {
  bert: {
    prefix: 'bert.',
    layer: (i: number) => `encoder.layer.${i}.`,
    query: 'attention.self.query',
    key: 'attention.self.key',
    value: 'attention.self.value',
    output: 'attention.output.dense',
    norm1: 'attention.output.LayerNorm',
    up: 'intermediate.dense',
    down: 'output.dense',
    norm2: 'output.LayerNorm',
  },
  distilbert: {
    prefix: 'distilbert.',
    layer: (i: number) => `transformer.layer.${i}.`,
    query: 'attention.q_lin',
    key: 'attention.k_lin',
    value: 'attention.v_lin',
    output: 'attention.out_lin',
    norm1: 'sa_layer_norm',
    up: 'ffn.lin1',
    down: 'ffn.lin2',
    norm2: 'output_layer_norm',
  },
} as const;

/** A matrix of `rows` rows, transposed. */
function turned(values: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c] as number;
  return out;
}

/** Reads a checkpoint's tensors. @throws ModelFileError naming the first that is missing or damaged */
export function readWeights(file: Safetensors, c: BertConfig): Weights {
  const names = NAMES[c.family];
  const prefix = file.has(`${names.prefix}embeddings.word_embeddings.weight`) ? names.prefix : '';
  const all: Tensor[] = [];
  const read = (name: string, shape: number[]): Tensor => {
    const t = tensor(file.read(name, shape), shape, 'float32');
    all.push(t);
    return t;
  };
  const dense = (name: string, out: number, from: number): Dense => {
    const weight = tensor(turned(file.read(`${name}.weight`, [out, from]), out, from), [from, out], 'float32');
    all.push(weight);
    return { weight, bias: read(`${name}.bias`, [out]) };
  };
  const norm = (name: string): Norm => {
    // Checkpoints converted from TensorFlow call them gamma and beta
    const old = file.has(`${name}.gamma`);
    return { gain: read(`${name}.${old ? 'gamma' : 'weight'}`, [c.hidden]), bias: read(`${name}.${old ? 'beta' : 'bias'}`, [c.hidden]) };
  };
  try {
    const e = `${prefix}embeddings.`;
    const words = read(`${e}word_embeddings.weight`, [c.vocabSize, c.hidden]);
    const positions = read(`${e}position_embeddings.weight`, [c.positions, c.hidden]);
    const types = c.types > 0 ? read(`${e}token_type_embeddings.weight`, [c.types, c.hidden]) : undefined;
    const embeddingNorm = norm(`${e}LayerNorm`);
    const layers = Array.from({ length: c.layers }, (_, i): Layer => {
      const at = prefix + names.layer(i);
      const square = (part: string) => dense(at + part, c.hidden, c.hidden);
      return {
        query: square(names.query),
        key: square(names.key),
        value: square(names.value),
        output: square(names.output),
        norm1: norm(at + names.norm1),
        up: dense(at + names.up, c.intermediate, c.hidden),
        down: dense(at + names.down, c.hidden, c.intermediate),
        norm2: norm(at + names.norm2),
      };
    });
    const poolerName = c.family === 'bert' ? `${prefix}pooler.dense` : 'pre_classifier';
    const pooler = file.has(`${poolerName}.weight`) ? dense(poolerName, c.hidden, c.hidden) : undefined;
    const labels = Math.max(c.labels.length, file.has('classifier.weight') ? 1 : 0);
    const classifier = file.has('classifier.weight') ? dense('classifier', labels, c.hidden) : undefined;
    return { words, positions, types, norm: embeddingNorm, layers, pooler, classifier, all };
  } catch (error) {
    for (const t of all) t.dispose();
    throw error;
  }
}
