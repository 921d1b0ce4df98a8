/** A task of GLUE on private answers: whole development sets, beside plaintext in the same run. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { loadBert } from '@secformer/bert-loader';
import { TOKENIZER_FILES } from '@secformer/bert-loader/training';
import { DistillError, type Example, readExamples, type Task, taskFile, tasks } from '@secformer/distill/glue';
import { startLocalNodes } from '@secformer/party-node/node';
import type { OperandBits } from '@secformer/secformer-ops';
import { configure } from '@secformer/tfjs-mpc-backend';
import { chooseKernels } from '../kernels.js';
import { emulation, networks, slowNode } from '../network.js';
import { end, report, Steps, UsageError } from '../report.js';
import { useWasm } from '../wasm.js';
import { Answers } from './answers.js';
import { batchesOf } from './batches.js';
import { answersOf, type Pair, type SetUp, setUp } from './computing.js';
import { figuresOf, glueTable } from './figures.js';

export interface GlueFlags {
  task: string;
  model: string;
  data?: string;
  devFile?: string;
  suite: string;
  weights: 'secret' | 'public';
  limit?: number;
  length: number;
  bucket: number;
  batch: number;
  tokens: number;
  tune: 'lan' | 'wan';
  operandBits: OperandBits;
  link: 'worker' | 'websocket';
  net: string;
  kernels: string;
  out?: string;
  json?: string;
}

/** Files that say what a checkpoint computes, beside its tokenizer's. */
const OF_WEIGHTS = /\.safetensors(\.index\.json)?$/;

function digestOf(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

function* filesOf(folder: string): Generator<string | Uint8Array> {
  for (const name of readdirSync(folder).sort()) {
    if (!(TOKENIZER_FILES as readonly string[]).includes(name) && !OF_WEIGHTS.test(name)) continue;
    yield name;
    yield readFileSync(join(folder, name));
  }
}

async function examplesOf(task: Task, { data, devFile }: GlueFlags): Promise<Example[]> {
  if (devFile === undefined && data === undefined)
    throw new UsageError(`where is dev.tsv? Name the folder of GLUE's data by --data, or the file by --dev-file`);
  try {
    return await readExamples(task, devFile ?? taskFile(data!, task.name, 'dev.tsv'));
  } catch (error) {
    if (error instanceof DistillError) throw new UsageError(error.message);
    throw error;
  }
}

async function modelsOf(f: GlueFlags, task: Task): Promise<Pair> {
  if (!existsSync(f.model)) throw new UsageError(`--model ${f.model}: there is no such folder`);
  await useWasm();
  const [plaintext, hidden] = [await loadBert(f.model), await loadBert(f.model, { weights: f.weights })];
  const want = task.labels?.length ?? 1;
  const has = plaintext.head === 'sequence-classification' ? plaintext.config.labels.length : 0;
  if (has !== want)
    throw new UsageError(`--model ${f.model}: ${task.name} has ${want} outputs, this model ${has || 'no such head'}`);
  const names = plaintext.config.labels.map((label) => label.toLowerCase());
  const known = task.labels ?? [];
  if (String([...names].sort()) === String([...known].sort()) && String(names) !== String(known))
    throw new UsageError(`--model ${f.model}: its classes are ${names.join(', ')}; ${task.name}'s ${known.join(', ')}`);
  return { plaintext, private: hidden };
}

/** The development set of a task through a private BERT: the task's own measures, labels that differ, what it takes. */
export async function glue(f: GlueFlags): Promise<void> {
  const task = tasks[f.task]!;
  if (f.net in networks && f.link !== 'websocket')
    throw new UsageError(`--net ${f.net} emulates a network between processes; add --link websocket`);
  const kernels = await chooseKernels(f.kernels);
  const examples = await examplesOf(task, f);
  const models = await modelsOf(f, task);
  const { plaintext } = models;
  const longest = Math.min(f.length, plaintext.config.longest);
  const settings = {
    task: task.name,
    suite: f.suite,
    tune: f.tune,
    operandBits: f.operandBits,
    weights: f.weights,
    link: f.link,
    net: f.net,
    bucket: f.bucket,
    length: longest,
  };
  const texts = examples.map(({ text }) => text);
  const special = plaintext.tokenizer.specialTokens(task.texts.length === 2);
  if (longest < special) throw new UsageError(`--length ${longest}: special tokens alone are ${special}`);
  const of = { ...settings, model: digestOf(filesOf(f.model)), examples: digestOf([JSON.stringify(examples)]) };
  const answers = new Answers(f.out, of, examples.length, task.labels?.length ?? 1);
  const lengths = texts.slice(0, f.limit).map((text) => plaintext.tokenizer.encode(text, longest).ids.length);
  const batches = batchesOf(lengths, answers.done, { ...f, longest });
  const steps = new Steps(batches.length + 1, f.json === '-');
  steps.next('starting nodes');
  const nodes =
    f.link === 'websocket' && batches.length > 0
      ? await startLocalNodes(f.net in networks ? [slowNode, f.net] : undefined)
      : undefined;
  let once: SetUp | undefined;
  try {
    configure({
      suite: f.suite,
      network: f.tune,
      operandBits: f.operandBits,
      // What is dealt unasked would take the room, and the processors, of what is asked for
      prepareAhead: false,
      ...(nodes && { parties: [nodes.urls.party0, nodes.urls.party1], dealer: nodes.urls.dealer, token: nodes.token }),
    });
    const shortest = batches.at(-1);
    if (shortest) once = await setUp(models, texts[shortest.rows[0]!]!, shortest.length);
    if (nodes && f.net in networks) await emulation(nodes, true);
    const pids = Object.values(nodes?.processes ?? {}).flatMap(({ pid }) => pid ?? []);
    for (const batch of batches) {
      steps.next(`${batch.rows.length} of ${batch.length} tokens`);
      const own = batch.rows.map((row) => texts[row]!);
      for await (const answered of answersOf(models, batch, own, pids)) answers.add(answered);
    }
  } finally {
    steps.done();
    nodes?.stop();
  }
  const figures = figuresOf(task, examples, answers.all);
  const record = {
    command: 'glue',
    model: basename(resolve(f.model)),
    ...settings,
    kernels,
    ...(once && { setup: once }),
    ...figures,
  };
  const head = `${record.model} on ${task.name}, suite ${f.suite}, ${f.link}, kernels ${kernels}`;
  report(record, f.json, () => glueTable(head, examples.length, figures));
  end();
}
