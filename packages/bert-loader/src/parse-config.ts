/** Reads a config.json into a `BertConfig`; unknown settings that would change the model's results are refused. */
import type { Activation } from './blocks.js';
import type { BertConfig } from './config.js';
import type { ConfigReader } from './config-reader.js';
import { families } from './families/index.js';
import { attentionOf, choice } from './parse-attention.js';

const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  relu: 'relu',
};

/**
 * Keys that change what a model computes, with the values that are supported, and those in words for the message. An
 * absent key counts as supported.
 */
const FIXED: [key: string, allowed: (value: unknown) => boolean, expected: string][] = [
  ['position_embedding_type', (v) => v === 'absolute', "'absolute' is"],
  ['is_decoder', (v) => v === false, 'false is: encoders are'],
  ['add_cross_attention', (v) => v === false, 'false is: encoders are'],
  ['is_encoder_decoder', (v) => v === false, 'false is: encoders are'],
  ['pruned_heads', (v) => Object.keys(v as object).length === 0, 'models with all of their heads are'],
  ['quantization_config', () => false, 'weights in F32, F16 or BF16 are'],
  [
    'auto_map',
    (v) => !Object.keys(v as object).some((k) => k.startsWith('AutoModel')),
    'models without code of their own are',
  ],
];

function refuseWhatChangesTheModel(json: ConfigReader): void {
  for (const [key, allowed, expected] of FIXED) {
    const value = json.raw(key);
    if (value === undefined || value === null || allowed(value)) continue;
    json.refuse(`${key} ${short(value)} is not understood; ${expected}`);
  }
}

function short(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value).slice(0, 60);
}

/** The class names in id2label, in order; empty if it is absent. */
function labelsOf(json: ConfigReader): string[] {
  const named = json.raw('id2label') ?? {};
  const entries = Object.entries(named as Record<string, unknown>).sort(([a], [b]) => Number(a) - Number(b));
  if (typeof named !== 'object' || entries.some(([key, label], i) => Number(key) !== i || typeof label !== 'string'))
    json.refuse('id2label does not name the classes 0, 1 and so on, each by a string');
  return entries.map(([, label]) => label as string);
}

/** The settings in a config.json. @throws ModelFileError naming the field */
export function configOf(json: ConfigReader): BertConfig {
  const type = json.raw('model_type');
  const family = families.find((f) => Object.hasOwn(f.classes, String(type)));
  if (!family || typeof type !== 'string') {
    const known = families.flatMap((f) => Object.keys(f.classes)).join(', ');
    json.refuse(`model_type is '${type}'; ${known} are understood`);
  }
  refuseWhatChangesTheModel(json);
  const s = family.settings;
  const act = String(json.raw(s.activation.key) ?? s.activation.default);
  const activation = Object.hasOwn(ACTIVATIONS, act) ? ACTIVATIONS[act] : undefined;
  if (!activation)
    json.refuse(`${s.activation.key} '${act}' is not understood; ${Object.keys(ACTIVATIONS).join(', ')} are`);
  const [names, hidden] = [s.names, json.whole([s.names.hidden, 'hidden_size'])];
  const padToken = json.whole(['pad_token_id'], s.padToken);
  const countedFrom = s.positionsFrom === 'padding' ? padToken : s.positionsFrom;
  const positions = json.whole(['max_position_embeddings']);
  const config: BertConfig = {
    family: type,
    vocabSize: json.whole(['vocab_size']),
    hidden,
    embedding: s.embeddingSize === undefined ? hidden : json.whole(['embedding_size'], s.embeddingSize),
    layers: json.whole([names.layers, 'num_hidden_layers']),
    heads: json.whole([names.heads, 'num_attention_heads']),
    intermediate: json.whole([names.intermediate, 'intermediate_size']),
    positions,
    longest: countedFrom === undefined ? positions : positions - countedFrom - 1,
    countedFrom,
    types: s.tokenTypes ? json.whole(['type_vocab_size']) : 0,
    epsilon: s.epsilon ?? json.number('layer_norm_eps', 1e-12),
    activation,
    attention: attentionOf(json),
    layerNorm: choice(json, 'layer_norm', ['standard', 'affine'] as const, 'standard'),
    labels: labelsOf(json),
    padToken,
  };
  if (config.heads === 0 || config.hidden % config.heads !== 0)
    json.refuse(`hidden_size ${config.hidden} is not a multiple of num_attention_heads ${config.heads}`);
  if (config.padToken >= config.vocabSize)
    json.refuse(`pad_token_id ${config.padToken} has no row among the ${config.vocabSize} of vocab_size`);
  if (config.epsilon < 0) json.refuse(`layer_norm_eps ${config.epsilon} is below 0`);
  if (config.longest < 2) json.refuse(`max_position_embeddings ${positions} leaves room for no text`);
  return config;
}
