/** What a sentence-transformers folder does after its encoder: modules.json, and a folder for each module. */
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activate, dense, normalize } from './blocks.js';
import { Checkpoint } from './checkpoint.js';
import { ConfigReader } from './config-reader.js';
import { isObject } from './describe.js';
import type { ModelFiles } from './files.js';
import type { Pooling } from './pooling.js';
import { Safetensors } from './safetensors.js';
import type { TensorStore } from './tensor-store.js';
import { WeightReader } from './weights.js';

/** One step on a sentence's embedding, [batch, in] to [batch, out]. */
export type Step = (x: tf.Tensor2D) => tf.Tensor2D;

/** What becomes of hidden states. */
export interface Sentence {
  /** one, or several side by side */
  poolings: readonly Pooling[];
  steps: readonly Step[];
}

/** A line of modules.json. */
export interface Module {
  /** the last part of its class's name */
  type: string;
  /** its folder's name; empty: the folder itself */
  path: string;
}

/** What modules.json lists; undefined where there is none. @throws ModelFileError where it is something else */
export async function modulesOf(files: ModelFiles): Promise<Module[] | undefined> {
  const list = await files.json('modules.json');
  if (list === undefined) return undefined;
  const refuse = (what: string) => files.refuse('modules.json', what);
  if (!Array.isArray(list) || !list.every(isObject)) return refuse('is no array of modules');
  const modules = list.map((entry): Module => {
    const { type, path } = entry as { type?: unknown; path?: unknown };
    if (typeof type !== 'string' || typeof path !== 'string') return refuse("has a module without 'type' and 'path'");
    if (!type.startsWith('sentence_transformers.'))
      refuse(`module '${type}' is code of the folder's own; those of sentence_transformers are understood`);
    // Below this folder and nowhere else
    if (path.split(/[/\\]/).includes('..') || /^[/\\]|:/.test(path)) refuse(`path '${path}' leaves the folder`);
    return { type: type.slice(type.lastIndexOf('.') + 1), path };
  });
  const [first, second] = modules;
  if (first?.type !== 'Transformer' || second?.type !== 'Pooling')
    refuse(
      `lists ${modules.map((m) => m.type).join(', ') || 'nothing'}; a Transformer and then a Pooling are expected`,
    );
  return modules;
}

/** What 1_Pooling/config.json calls the poolings, in newer folders and in older ones. */
const NAMES: Readonly<Record<string, Pooling>> = {
  cls: 'cls',
  max: 'max',
  mean: 'mean',
  mean_sqrt_len_tokens: 'mean_sqrt_len',
};
const KEYS: Readonly<Record<string, Pooling>> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len',
};

/** Newer folders: a name, or an array of names in the order in which they stand side by side. */
function named(json: ConfigReader, mode: unknown): Pooling[] {
  return [mode].flat().map((name) => {
    if (typeof name === 'string' && Object.hasOwn(NAMES, name)) return NAMES[name]!;
    return json.refuse(`pooling_mode '${name}' is not understood; ${Object.keys(NAMES).join(', ')} are`);
  });
}

/** The poolings of a 1_Pooling/config.json. @throws ModelFileError naming one that is not understood */
export function poolingsOf(json: ConfigReader, hidden: number): Pooling[] {
  const size = json.whole(['word_embedding_dimension', 'embedding_dimension'], hidden);
  if (size !== hidden) json.refuse(`word_embedding_dimension is ${size}, but the encoder's states have ${hidden}`);
  const mode = json.raw('pooling_mode');
  const keys = json.keys.filter((key) => key.startsWith('pooling_mode_'));
  if (mode !== undefined) {
    const poolings = named(json, mode);
    return poolings.length > 0 ? poolings : json.refuse('pooling_mode names none');
  }
  // The reference's own default
  if (keys.length === 0) return ['mean'];
  const other = keys.find((key) => !Object.hasOwn(KEYS, key) && json.flag(key, false));
  if (other) json.refuse(`${other} is not understood; ${Object.keys(KEYS).join(', ')} are`);
  // In the order of KEYS, whatever the file's is
  const asked = Object.keys(KEYS).filter((key) => json.flag(key, false));
  if (asked.length === 0) json.refuse(`has none of ${Object.keys(KEYS).join(', ')}`);
  return asked.map((key) => KEYS[key]!);
}

/** What modules may be told to read and write instead of what they do here. */
const PLACES: Readonly<Record<string, unknown>> = {
  module_input_name: 'sentence_embedding',
  module_output_name: 'sentence_embedding',
  use_residual: false,
};

/** What the encoder's own module may be told to give instead of the last hidden states. */
function checkEncoder(json: ConfigReader): void {
  const text = (json.raw('modality_config') as { text?: { method_output_name?: unknown } } | undefined)?.text;
  const given = text?.method_output_name ?? 'last_hidden_state';
  if (given !== 'last_hidden_state')
    json.refuse(`method_output_name '${given}' is not understood; 'last_hidden_state' is`);
  const name = json.raw('module_output_name') ?? 'token_embeddings';
  if (name !== 'token_embeddings') json.refuse(`module_output_name '${name}' is not understood; 'token_embeddings' is`);
  const task = json.raw('transformer_task') ?? 'feature-extraction';
  if (task !== 'feature-extraction')
    json.refuse(`transformer_task '${task}' is not understood; 'feature-extraction' is`);
}

function checkPlaces(json: ConfigReader): void {
  for (const [key, only] of Object.entries(PLACES)) {
    const value = json.raw(key) ?? only;
    if (value !== only) json.refuse(`${key} ${JSON.stringify(value)} is not understood; ${JSON.stringify(only)} is`);
  }
}

/** Activations of a Dense module, by the last part of their classes' names. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Tanh: 'tanh',
  ReLU: 'relu',
  GELU: 'gelu',
  Sigmoid: 'sigmoid',
  Identity: 'identity',
};

/** What a Dense module has that names none. */
const TANH = 'torch.nn.modules.activation.Tanh';

/** A vector over its length (1e-12 added to the square, so that there is an answer for zeros). */
function unit(x: tf.Tensor2D): tf.Tensor2D {
  const squares = tf.sum(tf.square(x), -1, true);
  return tf.mul(x, tf.rsqrt(tf.add(squares, tf.scalar(1e-12))));
}

type Modules = readonly Module[];

/** What the folder does after its encoder, whose states have `hidden` features. @param store where tensors are added */
export async function readSentence(
  files: ModelFiles,
  modules: Modules,
  hidden: number,
  store: TensorStore,
): Promise<Sentence> {
  const [encoder, pooling, ...others] = modules as [Module, Module, ...Module[]];
  const configOf = async (folder: ModelFiles) =>
    ConfigReader.parse(folder.path('config.json'), (await folder.text('config.json')) ?? '{}');
  const settings = 'sentence_bert_config.json';
  const ours = files.under(encoder.path);
  checkEncoder(ConfigReader.parse(ours.path(settings), (await ours.text(settings)) ?? '{}'));
  const pooler = files.under(pooling.path);
  const poolings = poolingsOf(
    ConfigReader.parse(pooler.path('config.json'), await pooler.needText('config.json')),
    hidden,
  );
  let size = hidden * poolings.length;
  const steps: Step[] = [];
  for (const { type, path } of others) {
    const folder = files.under(path);
    const json = await configOf(folder);
    checkPlaces(json);
    const weights = async () => {
      const file = folder.path('model.safetensors');
      const tensors = new Safetensors(file, await folder.need('model.safetensors'));
      return new WeightReader(new Checkpoint(file, [tensors]), '', store);
    };
    if (type === 'Normalize') steps.push(unit);
    else if (type === 'Dense') {
      const name = String(json.raw('activation_function') ?? TANH);
      const activation = ACTIVATIONS[name.slice(name.lastIndexOf('.') + 1)];
      if (!name.startsWith('torch.nn.') || !activation)
        json.refuse(
          `activation_function '${name}' is not understood; ${Object.keys(ACTIVATIONS).join(', ')} of torch.nn are`,
        );
      const [from, to] = [json.whole(['in_features']), json.whole(['out_features'])];
      if (from !== size) json.refuse(`in_features is ${from}, but what comes before has ${size} features`);
      const w = (await weights()).dense('linear', to, from, json.flag('bias', true));
      steps.push((x) => activate(dense(x, w), activation) as tf.Tensor2D);
      size = to;
    } else if (type === 'LayerNorm') {
      // PyTorch's own epsilon
      const w = (await weights()).norm('norm', size, 1e-5);
      steps.push((x) => normalize(x, w) as tf.Tensor2D);
    } else if (type !== 'Dropout') {
      files.refuse('modules.json', `module '${type}' is not understood; Dense, LayerNorm, Normalize and Dropout are`);
    }
  }
  return { poolings, steps };
}
