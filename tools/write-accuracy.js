// Writes the tables of docs/accuracy.md from the records in docs/accuracy: node tools/write-accuracy.js, or --check to
// fail where they are out of date. What is outside the markers is written by hand.
//
//   node tools/write-accuracy.js --take FILE --as NAME
//
// keeps a record, in place of one of the same name: what `bench glue --json` wrote, a training's training.json, or the
// line that make-baseline.py printed.

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { answersTable, baseTable, fiveTasksTable, trainingsTable } from './accuracy-tables.js';
import { writeOrCheck } from './write-or-check.js';

const docs = join(import.meta.dirname, '../docs');
const document = join(docs, 'accuracy.md');
const fileOf = (kind) => join(docs, `accuracy/${kind}.json`);
const read = (kind) => JSON.parse(readFileSync(fileOf(kind), 'utf8'));

/** Of a training what its command said, folders by their names alone, and what came out: its curve is in the plot. */
function training({ task, backend, settings, steps, evaluations, best, seconds, fittingSeconds, ended }) {
  const { model, teacher, begins, examples, ...said } = settings;
  return {
    task,
    backend,
    settings: { ...said, ...(begins && { begins: basename(begins) }), examples },
    attention: model.attention_function ?? 'softmax',
    norms: model.layer_norm ?? 'standard',
    steps,
    evaluations: evaluations.map(({ step, loss, metrics }) => ({ step, loss, metrics })),
    best,
    seconds,
    fittingSeconds,
    ended,
  };
}

function kindOf(record) {
  if (record.command === 'glue') return ['answers', record];
  if (record.torch) return ['baselines', record];
  if (record.curve) return ['trainings', training(record)];
  throw new Error('this is no record of `bench glue`, of a training or of make-baseline.py');
}

/** One record a line, by name: a change shows which. */
function keep(name, record) {
  const [kind, kept] = kindOf(record);
  const all = { ...read(kind), [name]: kept };
  const lines = Object.keys(all)
    .sort()
    .map((key) => `${JSON.stringify(key)}: ${JSON.stringify(all[key])}`);
  writeFileSync(fileOf(kind), `{\n${lines.join(',\n')}\n}\n`);
}

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, take: { type: 'string' }, as: { type: 'string' } },
});
if (values.take) {
  if (!values.as) throw new Error('--take FILE asks for --as NAME');
  keep(values.as, JSON.parse(readFileSync(values.take, 'utf8')));
}

const records = { answers: read('answers'), trainings: read('trainings'), baselines: read('baselines') };
const tables = {
  'five tasks': fiveTasksTable,
  answers: answersTable,
  'BERT-base': baseTable,
  trainings: trainingsTable,
};

let text = readFileSync(document, 'utf8');
for (const [name, table] of Object.entries(tables)) {
  const [begin, end] = [`<!-- ${name}: by \`node tools/write-accuracy.js\` -->\n`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/accuracy.md has lost its markers: ${name}`);
  text = `${text.slice(0, from + begin.length)}\n${table(records)}\n\n${text.slice(to)}`;
}

writeOrCheck(document, text);
