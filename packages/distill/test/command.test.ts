/** The command: a fine-tuning and a student of it, what it prints, and what it refuses. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadBert } from '@secformer/bert-loader';
import test, { type ExecutionContext } from 'ava';
import { main } from '../src/index.js';
import { folder, sentences, tinyDraft } from './tiny.js';

/** Runs the command and collects what it prints. */
async function command(argv: string[], signal?: AbortSignal) {
  const [out, err]: string[][] = [[], []];
  const terminal = { out: (l: string) => void out!.push(l), err: (l: string) => void err!.push(l), bar: undefined };
  return { code: await main(argv, terminal, signal), out: out!.join('\n'), err: err!.join('\n') };
}

/** A folder with a checkpoint and the files of a task. */
async function prepared(t: ExecutionContext): Promise<string> {
  const at = folder(t);
  await tinyDraft().write(join(at, 'base'));
  mkdirSync(join(at, 'glue/sst2'), { recursive: true });
  const file = (name: string, count: number, from: number) => {
    const lines = sentences(count, from).map(({ text, label }) => `${text}\t${label}`);
    writeFileSync(join(at, 'glue/sst2', name), `sentence\tlabel\n${lines.join('\n')}\n`);
  };
  file('train.tsv', 40, 0);
  file('dev.tsv', 12, 700);
  return at;
}

const fast = ['--backend', 'cpu', '--batch', '10', '--length', '16', '--epochs', '1'];

test('fine-tunes, distils a student of that, and goes on where it was interrupted', async (t) => {
  const at = await prepared(t);
  const task = ['--task', 'sst2', '--data', join(at, 'glue'), ...fast];
  const teacher = join(at, 'teacher');
  const first = await command([...task, '--model', join(at, 'base'), '--out', teacher, '--rate', '1e-3']);
  t.is(first.code, 0, first.err);
  t.regex(first.out, /^sst2: accuracy 0\.\d{4} at step \d; 4 of 4 steps, [\d.]+ a second on cpu \(all steps\)$/);
  t.regex(first.err, /^step 1 of 4, task: loss [\d.]+, \d+:\d\d left\n/);

  const out = join(at, 'student');
  const flags = [...task, '--teacher', teacher, '--student', 'cgf', '--hidden-epochs', '0.5', '--out', out, '--json'];
  const stopped = await command(flags, AbortSignal.abort());
  t.is(stopped.code, 130);
  t.regex(stopped.err, /interrupted; --resume goes on from step 0/);
  const done = await command([...flags, '--resume']);
  t.is(done.code, 0, done.err);
  t.like(JSON.parse(done.out), { task: 'sst2', backend: 'cpu', steps: 6, done: 6, ended: 'all steps' });
  const { settings } = JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'));
  t.is(settings.teacher, teacher);
  const model = await loadBert(out);
  t.is(model.config.attention.function, 'cgf');
  t.deepEqual(model.config.labels, ['negative', 'positive']);
  model.dispose();
});

test('a student learns from the texts of other tasks too', async (t) => {
  const at = await prepared(t);
  mkdirSync(join(at, 'glue/rte'));
  const pairs = sentences(20, 300).map(({ text }, i) => `${i}\t${text}\t${text}\tentailment`);
  writeFileSync(join(at, 'glue/rte/train.tsv'), `index\tsentence1\tsentence2\tlabel\n${pairs.join('\n')}\n`);
  const task = ['--task', 'sst2', '--data', join(at, 'glue'), ...fast];
  const teacher = join(at, 'teacher');
  t.is((await command([...task, '--model', join(at, 'base'), '--out', teacher])).code, 0);
  const out = join(at, 'student');
  const flags = ['--teacher', teacher, '--student', '2quad', '--hidden', '0.5', '--texts-of', 'rte', '--out', out];
  const { code, err } = await command([...task, ...flags, '--hidden-epochs', '1']);
  t.is(code, 0, err);
  const record = JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'));
  // 40 sentences and 20 pairs, 10 a step, in two stages
  t.like(record, { steps: 12, settings: { examples: 60, textsOf: ['rte'] } });
  t.deepEqual(Object.keys(record.curve.at(-1).losses), ['hidden', 'attention', 'logits', 'total']);

  const refused = async (change: string[], message: RegExp) => {
    const { code, err } = await command([...task, ...change, '--student', '2quad', '--out', join(at, 'other')]);
    t.is(code, 2, err);
    t.regex(err, message);
  };
  const from = ['--teacher', teacher];
  await refused([...from, '--texts-of', 'rte', '--labels', '1'], /labels count 1, which texts of other tasks do not/);
  await refused([...from, '--texts-of', 'rte,sst2'], /texts of rte,sst2: each other task once/);
  await refused([...from, '--texts-of', 'rte,rte'], /each other task once/);
  await refused([...from, '--texts-of', 'cube'], /task is 'cube'; cola/);
  await refused([...from, '--texts-of', 'cola'], /cola\/train\.tsv: there is no such file/);
  await refused(['--model', teacher, '--texts-of', 'rte'], /name a teacher/);
});

test('what cannot be used is told in one line, with exit code 2', async (t) => {
  const at = await prepared(t);
  const base = join(at, 'base');
  const data = ['--data', join(at, 'glue')];
  const out = ['--out', join(at, 'out')];
  symlinkSync(base, join(at, 'link'), 'junction');
  const cases: [argv: string[], message: RegExp][] = [
    [['--task', 'sst2'], /required option '--out <folder>' not specified/],
    [['--task', 'cube', ...out, '--model', base], /task is 'cube'; cola, sst2, mrpc, stsb, rte, qnli are known/],
    [['--task', 'sst2', ...out, '--model', base], /where is train\.tsv\?/],
    [
      ['--task', 'rte', ...data, ...out, '--model', base],
      /glue\/rte\/train\.tsv: there is no such file, and no \S+glue\/train\.tsv; .* of rte is wanted \(BAD_TASK_DATA\)/,
    ],
    [['--task', 'sst2', ...data, ...out], /a model to fine-tune, or a teacher to learn from, is missing/],
    [
      ['--task', 'sst2', ...data, ...out, '--model', base, '--student', 'cgf'],
      /a student has a teacher; none is named/,
    ],
    [
      ['--task', 'sst2', ...data, '--out', base, '--model', base],
      /is read from; the model that is made needs a folder/,
    ],
    [
      ['--task', 'sst2', ...data, '--out', join(at, 'link'), '--model', base],
      /link is read from; the model that is made needs a folder/,
    ],
    [
      ['--task', 'sst2', ...data, '--out', join(base, 'config.json/x'), '--model', base],
      /no folder that can be written/,
    ],
    [['--task', 'sst2', ...data, ...out, '--model', join(at, 'none')], /config\.json: is not there/],
    [['--task', 'sst2', ...data, ...out, '--model', base, '--batch', 'many'], /--batch.*expected a number/],
    [['--task', 'sst2', ...data, ...out, '--model', base, '--batch', '0'], /batch is 0/],
    [['--task', 'sst2', ...data, ...out, '--model', base, '--epochs', '0'], /epochs is 0/],
    [['--task', 'sst2', ...data, ...out, '--model', base, '--limit', '0'], /limit is 0/],
    [['--task', 'sst2', ...data, ...out, '--teacher', base, '--student', 'cubic'], /Allowed choices are softmax/],
    [['--task', 'sst2', ...data, ...out, '--teacher', base, '--logits', '0'], /neither logits nor labels count/],
    [['--task', 'sst2', ...data, ...out, '--teacher', base], /the student would be its teacher, and learn nothing/],
  ];
  for (const [argv, message] of cases) {
    const { code, err } = await command([...argv, '--backend', 'cpu']);
    t.is(code, 2, `${argv.join(' ')}: ${err}`);
    t.regex(err, message);
    t.notRegex(err, /\n.*\n/);
  }
  const help = await command(['--help']);
  t.is(help.code, 0);
  t.regex(help.out, /--one-layer-at-a-time/);
});

test('models and teachers that cannot be compared, and checkpoints with a part missing', async (t) => {
  const at = await prepared(t);
  const base = join(at, 'base');
  mkdirSync(join(at, 'glue/rte'));
  for (const name of ['train', 'dev'])
    writeFileSync(join(at, `glue/rte/${name}.tsv`), 'index\ta\tb\tlabel\n0\tw5\tw6\tentailment\n');
  const vocabulary = readFileSync(join(base, 'vocab.txt'), 'utf8').split('\n');
  await tinyDraft().write(join(at, 'words'));
  writeFileSync(join(at, 'words/vocab.txt'), [...vocabulary.slice(0, 5), ...vocabulary.slice(5).reverse()].join('\n'));
  await tinyDraft(2, { num_attention_heads: 4 }).write(join(at, 'heads'));
  await tinyDraft(2, { hidden_dropout_prob: 1 }).write(join(at, 'dropped'));
  await tinyDraft(2, { id2label: { 0: 'entailment', 1: 'not_entailment' } }).write(join(at, 'rte'));
  const bare = tinyDraft();
  bare.tensors.delete('classifier.bias');
  await bare.write(join(at, 'bare'));
  const student = ['--task', 'sst2', '--student', 'power', '--teacher'];
  const cases: [argv: string[], message: RegExp][] = [
    [[...student, base, '--model', join(at, 'words')], /example 1 has other token ids with the teacher's tokenizer/],
    [[...student, base, '--model', join(at, 'heads')], /not of one shape \(num_attention_heads\)/],
    [[...student, join(at, 'bare')], /bare: has no tensor 'classifier\.bias'/],
    [[...student, join(at, 'rte')], /its classes are those of rte, entailment, not_entailment; fine-tune it on sst2/],
    [['--task', 'sst2', '--model', join(at, 'dropped')], /config\.json's dropout of hidden is 1; expected 0 to 0\.99/],
    [['--task', 'rte', '--model', base, '--length', '2'], /a pair has 3 special tokens alone/],
  ];
  for (const [argv, message] of cases) {
    const { code, err } = await command([...fast, '--data', join(at, 'glue'), '--out', join(at, 'out'), ...argv]);
    t.is(code, 2, `${argv.join(' ')}: ${err}`);
    t.regex(err, message);
    t.regex(err, /\(BAD_TRAINING\)$/);
  }
});

test('a teacher needs a head of its task', async (t) => {
  const at = await prepared(t);
  const bare = tinyDraft(3);
  await bare.write(join(at, 'three'));
  const argv = ['--task', 'sst2', '--data', join(at, 'glue'), '--teacher', join(at, 'three'), '--out', join(at, 'out')];
  const { code, err } = await command([...argv, '--student', '2quad']);
  t.is(code, 2);
  t.regex(err, /a teacher of sst2 has a head with 2 outputs, this one has 3; fine-tune it first/);
});
