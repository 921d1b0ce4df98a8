import { isObject } from './describe.js';
import { ModelFileError } from './errors.js';

/** What a config.json says, in the words of this loader. */
export interface BertConfig {
  family: 'bert' | 'distilbert';
  vocabSize: number;
  hidden: number;
  layers: number;
  heads: number;
  intermediate: number;
  positions: number;
  /** 0: the model has no token types */
  types: number;
  epsilon: number;
  activation: 'gelu' | 'gelu_tanh' | 'relu';
  softmax: 'softmax' | '2quad';
  quadConstant: number;
  labels: string[];
  padToken: number;
}

const ACTIVATIONS: Record<string, BertConfig['activation']> = { gelu: 'gelu', gelu_new: 'gelu_tanh', gelu_pytorch_tanh: 'gelu_tanh', gelu_fast: 'gelu_tanh', relu: 'relu' };

/** Reads a config.json. @throws ModelFileError naming the field */
export function parseConfig(file: string, text: string): BertConfig {
  let c: Record<string, unknown>;
  try {
    c = JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError(file, 'is not JSON', { cause });
  }
  if (!isObject(c)) throw new ModelFileError(file, 'is no JSON object');
  const type = c.model_type;
  if (type !== 'bert' && type !== 'distilbert') throw new ModelFileError(file, `model_type is '${type}'; 'bert' and 'distilbert' are understood`);
  const whole = (...names: string[]): number => {
    for (const name of names) if (Number.isInteger(c[name]) && (c[name] as number) >= 0) return c[name] as number;
    throw new ModelFileError(file, `has no whole number '${names[0]}'`);
  };
  const act = String(c.hidden_act ?? c.activation ?? 'gelu');
  const activation = ACTIVATIONS[act];
  if (!activation) throw new ModelFileError(file, `hidden_act '${act}' is not understood; ${Object.keys(ACTIVATIONS).join(', ')} are`);
  const softmax = c.softmax ?? 'softmax';
  if (softmax !== 'softmax' && softmax !== '2quad') throw new ModelFileError(file, `softmax '${softmax}' is not understood; 'softmax' and '2quad' are`);
  if (c.position_embedding_type !== undefined && c.position_embedding_type !== 'absolute')
    throw new ModelFileError(file, `position_embedding_type '${c.position_embedding_type}' is not understood; 'absolute' is`);
  const labels = Object.entries((c.id2label as Record<string, string>) ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  const distil = type === 'distilbert';
  const config: BertConfig = {
    family: type,
    vocabSize: whole('vocab_size'),
    hidden: whole('hidden_size', 'dim'),
    layers: whole('num_hidden_layers', 'n_layers'),
    heads: whole('num_attention_heads', 'n_heads'),
    intermediate: whole('intermediate_size', 'hidden_dim'),
    positions: whole('max_position_embeddings'),
    types: distil ? 0 : whole('type_vocab_size'),
    epsilon: typeof c.layer_norm_eps === 'number' ? c.layer_norm_eps : 1e-12,
    activation,
    softmax,
    quadConstant: typeof c.softmax_constant === 'number' ? c.softmax_constant : 5,
    labels: labels.map(([, label]) => label),
    padToken: Number.isInteger(c.pad_token_id) ? (c.pad_token_id as number) : 0,
  };
  if (config.hidden % config.heads !== 0) throw new ModelFileError(file, `hidden_size ${config.hidden} is not a multiple of num_attention_heads ${config.heads}`);
  return config;
}
