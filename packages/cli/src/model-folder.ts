/** A model's folder as what is published of it: a checkpoint of BERT's relatives, or a model of TensorFlow.js. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bertFromFiles, tokenizerFiles } from '@secformer/bert-loader';
import type { Publishable, PublishOptions } from '@secformer/tfjs-mpc-backend';
import { UsageError } from './failures.js';
import { filesOf } from './files.js';
import type { Tf } from './tfjs.js';
import { type OpenModel, tfjsModel } from './tfjs-model.js';

export interface Shapes {
  batch: number;
  /** lengths, each a program; for a model of TensorFlow.js, of its open sizes */
  lengths: readonly number[] | undefined;
  /** outputs by name */
  outputs: readonly string[] | undefined;
}

/** What is handed to `publish`, and how to let the model go. */
export interface Publication {
  model: Publishable;
  inputs: NonNullable<PublishOptions['inputs']>;
  outputs: Record<string, string> | undefined;
  /** files of the folder that clients may have: none of them holds weights */
  assets: Record<string, Uint8Array>;
  dispose: () => void;
}

/** What a BERT may be published with, by the names that its clients see. */
const BERT_OUTPUTS: Readonly<Record<string, string>> = {
  logits: 'logits',
  hidden: 'hiddenStates',
  pooled: 'pooled',
  embed: 'embed',
};

/**
 * @throws UsageError where the folder or a flag does not fit; ModelFileError where a file cannot be used; the signal's
 *   reason
 */
export async function readModel(folder: string, shapes: Shapes, tf: Tf, signal: AbortSignal): Promise<Publication> {
  const has = (name: string) => existsSync(join(folder, name));
  if (!existsSync(folder)) throw new UsageError(`${folder}: there is no such folder`);
  const weights = has('model.safetensors') || has('model.safetensors.index.json');
  if (has('model.json') && !weights) return ofTfjs(folder, shapes, tf);
  if (has('config.json') || has('modules.json')) return ofBert(folder, shapes, signal);
  throw new UsageError(
    `${folder} is no model's folder: there is neither config.json with model.safetensors (BERT's relatives) nor ` +
      'model.json (TensorFlow.js) in it',
  );
}

async function ofBert(folder: string, { batch, lengths, outputs }: Shapes, signal: AbortSignal): Promise<Publication> {
  if (!lengths)
    throw new UsageError('--seq is missing: the lengths in tokens that texts are filled up to, as 32,64,128');
  const read = filesOf(folder);
  const assets = Object.fromEntries(await tokenizerFiles(read, folder));
  const model = await bertFromFiles(read, folder, { signal });
  try {
    const { longest } = model.config;
    const beyond = lengths.find((length) => length > longest);
    if (beyond !== undefined) throw new UsageError(`--seq ${beyond}: the model takes ${longest} tokens at most`);
    const usual = 'modules.json' in assets ? 'embed' : model.head === 'none' ? 'hidden' : 'logits';
    const wanted = outputs ?? [usual];
    for (const name of wanted)
      if (!Object.hasOwn(BERT_OUTPUTS, name))
        throw new UsageError(`--output ${name}: of a BERT there are ${Object.keys(BERT_OUTPUTS).join(', ')}`);
    return {
      model: model as unknown as Publishable,
      inputs: lengths.map((length) => ({ ids: { shape: [batch, length] } })),
      outputs: Object.fromEntries(wanted.map((name) => [name, BERT_OUTPUTS[name]!])),
      assets,
      dispose: () => model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function ofTfjs(folder: string, { batch, lengths, outputs }: Shapes, tf: Tf): Promise<Publication> {
  const opened = await tfjsModel(folder, tf);
  try {
    for (const name of outputs ?? [])
      if (!opened.outputs.includes(name))
        throw new UsageError(`--output ${name}: the model has ${opened.outputs.join(', ')}`);
    return {
      model: opened.model,
      inputs: setsOf(opened, batch, lengths),
      outputs: outputs && Object.fromEntries(outputs.map((name) => [name, name])),
      assets: {},
      dispose: opened.dispose,
    };
  } catch (error) {
    opened.dispose();
    throw error;
  }
}

/** A set of shapes for each length: of open sizes the first is the batch, and all others are the length. */
function setsOf({ inputs }: OpenModel, batch: number, lengths: readonly number[] | undefined) {
  const open = inputs.some(({ shape }) => shape.slice(1).includes(-1));
  if (open && !lengths) {
    const shown = inputs.map(({ name, shape }) => `${name} [${shape.map((d) => (d < 0 ? '?' : d))}]`).join(', ');
    throw new UsageError(`--seq is missing: the sizes that the model leaves open, as 32,64; it takes ${shown}`);
  }
  if (!open && lengths)
    throw new UsageError('--seq is for a model that leaves sizes open, and this one leaves none beside its batch');
  return (lengths ?? [0]).map((length) =>
    Object.fromEntries(
      inputs.map(({ name, shape }) => [name, { shape: shape.map((d, i) => (d >= 0 ? d : i === 0 ? batch : length)) }]),
    ),
  );
}
