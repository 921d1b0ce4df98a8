/** What a sentence-transformers folder does after its encoder: modules.json, and a folder for each module. */
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activate, dense, normalize } from './blocks.js';
import { Checkpoint } from './checkpoint.js';
import { ConfigReader } from './config-reader.js';
import { isObject } from './describe.js';
import type { ModelFiles } from './files.js';
import { POOLINGS, type Pooling } from './pooling.js';
import { Safetensors } from './safetensors.js';
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
    if (!type.startsWith('sentence_transformers.')) refuse(`module '${type}' is code of the folder's own; those of sentence_transformers are understood`);
    // Below this folder and nowhere else
    if (path.split(/[/\\]/).includes('..') || /^[/\\]|:/.test(path)) refuse(`path '${path}' leaves the folder`);
    return { type: type.slice(type.lastIndexOf('.') + 1), path };
  });
  const [first, second] = modules;
  if (first?.type !== 'Transformer' || second?.type !== 'Pooling')
    refuse(`lists ${modules.map((m) => m.type).join(', ') || 'nothing'}; a Transformer and then a Pooling are expected`);
  return modules;
}

/** Keys of 1_Pooling/config.json, in the order in which the reference concatenates. */
const MODES: Readonly<Record<string, Pooling>> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len',
};

/** What newer folders say instead: one name, or several. */
function namedModes(json: ConfigReader): Pooling[] | undefined {
  const mode = json.raw('pooling_mode');
  if (mode === undefined) return undefined;
  const names = Array.isArray(mode) ? mode : String(mode).split('+');
  const unknown = names.find((name) => !POOLINGS.includes(name));
  if (unknown !== undefined) json.refuse(`pooling_mode '${unknown}' is not understood; ${POOLINGS.join(', ')} are`);
  return POOLINGS.filter((p) => names.includes(p));
}

/** The poolings of a 1_Pooling/config.json. @throws ModelFileError naming one that is not understood */
export function poolingsOf(json: ConfigReader, hidden: number): Pooling[] {
  const size = json.whole(['word_embedding_dimension', 'embedding_dimension'], hidden);
  if (size !== hidden) json.refuse(`word_embedding_dimension is ${size}, but the encoder's states have ${hidden}`);
  const named = namedModes(json);
  if (named && named.length > 0) return named;
  const other = json.keys.find((key) => key.startsWith('pooling_mode_') && !Object.hasOwn(MODES, key) && json.flag(key, false));
  if (other) json.refuse(`${other} is not understood; ${Object.keys(MODES).join(', ')} are`);
  const poolings = Object.keys(MODES).filter((key) => json.flag(key, false));
  if (poolings.length === 0) json.refuse(`has none of ${Object.keys(MODES).join(', ')}`);
  return poolings.map((key) => MODES[key]!);
}

/** Activations of a Dense module, by the last part of their classes' names. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Tanh: 'tanh',
  ReLU: 'relu',
  GELU: 'gelu',
  Sigmoid: 'sigmoid',
  Identity: 'identity',
};

/** A vector over its length (1e-12 added to the square, so that there is an answer for zeros). */
function unit(x: tf.Tensor2D): tf.Tensor2D {
  const squares = tf.sum(tf.square(x), -1, true);
  return tf.mul(x, tf.rsqrt(tf.add(squares, tf.scalar(1e-12))));
}

type Modules = readonly Module[];

/** What the folder does after its encoder, whose states have `hidden` features. @param all where tensors are added */
export async function readSentence(files: ModelFiles, modules: Modules, hidden: number, all: tf.Tensor[]): Promise<Sentence> {
  const [, pooling, ...others] = modules as [Module, Module, ...Module[]];
  const configOf = async (folder: ModelFiles) => ConfigReader.parse(folder.path('config.json'), await folder.needText('config.json'));
  const poolings = poolingsOf(await configOf(files.under(pooling.path)), hidden);
  let size = hidden * poolings.length;
  const steps: Step[] = [];
  for (const { type, path } of others) {
    const folder = files.under(path);
    const weights = async () => {
      const file = folder.path('model.safetensors');
      const tensors = new Safetensors(file, await folder.need('model.safetensors'));
      return new WeightReader(new Checkpoint(file, [tensors]), '', all);
    };
    if (type === 'Normalize') steps.push(unit);
    else if (type === 'Dense') {
      const json = await configOf(folder);
      const name = json.text('activation_function');
      const activation = ACTIVATIONS[name.slice(name.lastIndexOf('.') + 1)];
      if (!name.startsWith('torch.nn.') || !activation) json.refuse(`activation_function '${name}' is not understood; ${Object.keys(ACTIVATIONS).join(', ')} of torch.nn are`);
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
