/** A checkpoint that is being made: settings, tensors and a tokenizer's files, in memory. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ReadFile, tokenizerFiles } from '@secformer/bert-loader';
import { type HostTensor, hostTensors, type StoredFloat, safetensorsOf } from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';
import type { Task } from '../glue/tasks.js';
import { drawsOf, gaussiansOf } from '../random.js';

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const PREFIX = 'bert.';
/** Deviation of new weights where config.json says none. */
const INITIAL = 0.02;

const NONE = new Uint8Array();

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);
const readerOf =
  (folder: string): ReadFile =>
  async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };

/**
 * Writes a file so that it is there wholly or as it was.
 * @throws DistillError NOT_WRITTEN where there is no room or no right
 */
export async function writeWhole(file: string, bytes: Uint8Array | string): Promise<void> {
  const beside = `${file}.${process.pid}.part`;
  await written(file, beside, async () => {
    await writeFile(beside, bytes);
    await rename(beside, file);
  });
}

/**
 * Does what writes `target` by way of `part`, which is not left where it fails.
 * @throws DistillError NOT_WRITTEN
 */
export async function written(target: string, part: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    await rm(part, { recursive: true, force: true }).catch(() => undefined);
    if (cause instanceof DistillError) throw cause;
    throw new DistillError(
      'NOT_WRITTEN',
      `${target}: could not be written (${(cause as Error).message}); what was there before is there still`,
      { cause },
    );
  }
}

/** What checkpoints call a tensor: encoder's names with BERT's prefix, norms as the reference does. */
function usual(name: string): string {
  const bare = /^(embeddings|encoder|pooler)\./.test(name) ? PREFIX + name : name;
  return bare.replace(/\.LayerNorm\.gamma$/, '.LayerNorm.weight').replace(/\.LayerNorm\.beta$/, '.LayerNorm.bias');
}

/**
 * A checkpoint of BERT in memory, from which a training begins and which it writes.
 *
 * @example
 * ```js
 * const teacher = await Draft.read('rte-teacher');
 * const student = studentOf(teacher, { attention: 'cgf' });
 * await student.write('rte-cgf-untrained');
 * ```
 */
export class Draft {
  /** config.json */
  readonly config: Record<string, unknown>;
  /** by their names in the checkpoint */
  readonly tensors: Map<string, HostTensor>;
  /** where it was read from, for messages */
  readonly where: string;
  readonly #tokenizer: ReadonlyMap<string, Uint8Array>;

  constructor(
    config: Record<string, unknown>,
    tensors: ReadonlyMap<string, HostTensor>,
    tokenizer: ReadonlyMap<string, Uint8Array>,
    where = 'the model',
  ) {
    this.config = config;
    this.tensors = new Map(tensors);
    this.where = where;
    this.#tokenizer = tokenizer;
  }

  /**
   * The checkpoint in a folder: a BERT's, with any head, or a sentence-transformers folder's encoder.
   * @throws ModelFileError where the folder cannot be used; DistillError BAD_TRAINING where it is no BERT's
   */
  static async read(folder: string): Promise<Draft> {
    const read = readerOf(folder);
    const files = await tokenizerFiles(read, folder);
    const own = [...files].find(([name]) => basename(name) === CONFIG)!;
    const config = JSON.parse(new TextDecoder().decode(own[1])) as Record<string, unknown>;
    if (config.model_type !== 'bert')
      throw new DistillError('BAD_TRAINING', `${folder}: model_type is '${config.model_type}'; 'bert' is trained here`);
    const tensors = await hostTensors(read, folder);
    const tokenizer = [...files].filter(([name]) => basename(name) !== CONFIG && name !== 'modules.json');
    return new Draft(
      config,
      new Map(Array.from(tensors, ([name, tensor]) => [usual(name), tensor])),
      new Map(tokenizer.map(([name, bytes]) => [basename(name), bytes])),
      folder,
    );
  }

  /** Another draft of the same tokenizer. */
  with(config: Record<string, unknown>, tensors: ReadonlyMap<string, HostTensor> = this.tensors): Draft {
    return new Draft(config, tensors, this.#tokenizer, this.where);
  }

  /** Names of the tokenizer's files. */
  get tokenizerFiles(): string[] {
    return [...this.#tokenizer.keys()];
  }

  /** Whether both have the same tokenizer, byte by byte. */
  sharesTokenizer(other: Draft): boolean {
    const [own, theirs] = [this.#tokenizer, other.#tokenizer];
    const same = ([name, bytes]: [string, Uint8Array]) => Buffer.compare(bytes, theirs.get(name) ?? NONE) === 0;
    return own === theirs || (own.size === theirs.size && [...own].every(same));
  }

  /** Adds all that it is to a hash: two drafts that train differently are told apart by it. */
  hashInto(hash: { update(part: string | Uint8Array): unknown }): void {
    hash.update(JSON.stringify(this.config));
    for (const [name, bytes] of this.#tokenizer) {
      hash.update(`${name} ${bytes.length}`);
      hash.update(bytes);
    }
    for (const name of [...this.tensors.keys()].sort()) {
      const { shape, values } = this.tensors.get(name)!;
      hash.update(`${name} ${shape}`);
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  }

  /** Answers the loader from memory. */
  get read(): ReadFile {
    const weights = safetensorsOf(this.tensors);
    return async (name) => {
      if (name === CONFIG) return encoded(JSON.stringify(this.config));
      return name === WEIGHTS ? weights : this.#tokenizer.get(name);
    };
  }

  /** How many layers it has. */
  get layers(): number {
    return this.config.num_hidden_layers as number;
  }

  /** How many heads each layer's attention has. */
  get heads(): number {
    return this.config.num_attention_heads as number;
  }

  /** What a layer's tensors begin with. */
  layer(i: number): string {
    return `${PREFIX}encoder.layer.${i}.`;
  }

  /** How many classes its classifier tells apart; undefined where it has none. */
  get classes(): number | undefined {
    return this.tensors.get('classifier.weight')?.shape[0];
  }

  /** Names of its classes in their order, in lower case; empty where it has none. */
  get labels(): string[] {
    return Object.values((this.config.id2label ?? {}) as Record<string, unknown>).map((l) => String(l).toLowerCase());
  }

  /**
   * The same encoder with a head for a task: its own where that has as many outputs, else a new one.
   * @param seed of a new head's weights
   * @throws DistillError BAD_TRAINING where its own head has the task's classes in another order
   */
  forTask(task: Task, seed: number): Draft {
    const hidden = this.config.hidden_size as number;
    const outputs = task.labels?.length ?? 1;
    const deviation = typeof this.config.initializer_range === 'number' ? this.config.initializer_range : INITIAL;
    const next = gaussiansOf(drawsOf(seed, 'head'));
    const made = (...shape: number[]): HostTensor => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (shape.length > 1) for (let i = 0; i < values.length; i++) values[i] = deviation * next();
      return { shape, values };
    };
    const kept = [...this.tensors].filter(([name]) => name.startsWith(PREFIX));
    const tensors = new Map(kept);
    if (!tensors.has(`${PREFIX}pooler.dense.weight`)) {
      tensors.set(`${PREFIX}pooler.dense.weight`, made(hidden, hidden));
      tensors.set(`${PREFIX}pooler.dense.bias`, made(hidden));
    }
    const own = this.classes === outputs;
    if (own && task.labels) this.#checkOrder(task.labels);
    for (const [name, shape] of [
      ['classifier.weight', [outputs, hidden]],
      ['classifier.bias', [outputs]],
    ] as const) {
      const there = own ? this.tensors.get(name) : made(...shape);
      if (!there) throw new DistillError('BAD_TRAINING', `${this.where}: has no tensor '${name}'`);
      tensors.set(name, there);
    }
    const labels = task.labels ?? ['score'];
    const config = {
      ...this.config,
      architectures: ['BertForSequenceClassification'],
      problem_type: task.labels ? 'single_label_classification' : 'regression',
      id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
      label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    };
    // Of how the weights were saved, and of heads that are gone
    for (const key of ['num_labels', 'dtype', 'torch_dtype', '_name_or_path']) delete (config as never)[key];
    return this.with(config, tensors);
  }

  /** A head whose classes are called as the task's has to have them in its order. */
  #checkOrder(labels: readonly string[]): void {
    const names = this.labels;
    const same = [...names].sort().join() === [...labels].sort().join();
    if (same && names.join() !== labels.join())
      throw new DistillError(
        'BAD_TRAINING',
        `the model's classes are ${names.join(', ')}; the task's are ${labels.join(', ')}, in this order`,
      );
  }

  /**
   * Writes it as a folder that loadBert and publish take; each file is there wholly or as it was.
   * @param dtype what it has weights as
   * @throws DistillError BAD_TRAINING where 16 bits do not hold a weight
   */
  async write(folder: string, dtype: StoredFloat = 'F32'): Promise<void> {
    const weights = this.#stored(dtype);
    await mkdir(folder, { recursive: true });
    const small = [...this.#tokenizer, [CONFIG, encoded(`${JSON.stringify(this.config, null, 2)}\n`)] as const];
    const read = readerOf(folder);
    const same = async ([name, bytes]: readonly [string, Uint8Array]) =>
      Buffer.compare(bytes, (await read(name)) ?? NONE) === 0;
    const [target, beside] = [join(folder, WEIGHTS), join(folder, `${WEIGHTS}.${process.pid}.part`)];
    await written(target, beside, async () => {
      await writeFile(beside, weights);
      // Of another model's files and these no model is made, should this process end in between: config.json comes last
      if (!(await Promise.all(small.map(same))).every(Boolean)) await rm(join(folder, CONFIG), { force: true });
      for (const [name, bytes] of this.#tokenizer) await writeWhole(join(folder, name), bytes);
      await rename(beside, target);
    });
    await writeWhole(join(folder, CONFIG), small.at(-1)![1]);
  }

  #stored(dtype: StoredFloat): Uint8Array {
    try {
      return safetensorsOf(this.tensors, dtype);
    } catch (cause) {
      throw cause instanceof RangeError ? new DistillError('BAD_TRAINING', cause.message, { cause }) : cause;
    }
  }
}
