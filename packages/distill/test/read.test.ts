/** GLUE's files, each as it is written, and what is no such file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { DistillError, type Example, examplesOf, readExamples, tasks } from '../src/index.js';
import { folder } from './tiny.js';

const files: [task: string, text: string, examples: Example[]][] = [
  [
    'cola',
    'gj04\t1\t\tA sentence.\r\nks08\t0\t*\tSentence a.\r\n',
    [
      { text: 'A sentence.', label: 1 },
      { text: 'Sentence a.', label: 0 },
    ],
  ],
  ['sst2', '\ufeffsentence\tlabel\na delight \t1\n', [{ text: 'a delight', label: 1 }]],
  [
    'mrpc',
    'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\t" A quote\tAnother " .\n',
    [{ text: ['" A quote', 'Another " .'], label: 0 }],
  ],
  [
    'stsb',
    'index\tgenre\tfilename\tyear\told\ts1\ts2\tsentence1\tsentence2\tscore\n0\tg\tf\ty\to\tn\tn\tA.\tB.\t3.800\n',
    [{ text: ['A.', 'B.'], label: 3.8 }],
  ],
  [
    'rte',
    'index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n1\tC.\tD.\tentailment',
    [
      { text: ['A.', 'B.'], label: 1 },
      { text: ['C.', 'D.'], label: 0 },
    ],
  ],
  ['qnli', 'index\tquestion\tsentence\tlabel\n0\tWhat?\tThat.\tentailment\n', [{ text: ['What?', 'That.'], label: 0 }]],
];

test('every task is read as its file is written', async (t) => {
  t.deepEqual(files.map(([name]) => name).sort(), Object.keys(tasks).sort());
  const at = folder(t);
  for (const [name, text, examples] of files) {
    const file = join(at, `${name}.tsv`);
    writeFileSync(file, text);
    t.deepEqual(await readExamples(tasks[name]!, file), examples, name);
  }
});

test('what is no example is refused by its line, without its text', (t) => {
  for (const [task, text, message] of [
    ['rte', 'h\n0\tSECRET\tlabel\n', /^f, line 2: 3 columns; a line of rte has at least 4/],
    ['rte', `h\n${'SECRET\t'.repeat(70)}\n`, /^f, line 2: 71 columns/],
    ['rte', 'h\n0\tSECRET\tB.\tentails\n', /^f, line 2: its label is none of rte's; expected entailment or not_ent/],
    ['cola', 'x\t2\t\tSECRET\n', /^f, line 1: its label is none of cola's; expected 0 or 1/],
    ['stsb', 'h\nA.\tSECRET\t5.1\n', /^f, line 2: its label is none of stsb's; expected a number from 0 to 5/],
    ['stsb', 'h\nA.\tSECRET\t\n', /its label is none/],
    ['mrpc', 'h\n1\t2\t3\tSECRET\t\n', /^f, line 2: a text is empty/],
    ['sst2', 'sentence\tlabel\n', /^f: no example in it/],
    ['sst2', 'SECRET\t1\nb\t0\n', /^f, line 1: is an example; a file of sst2 begins with the names of its columns/],
    ['stsb', 'A.\tSECRET\t5\n', /^f, line 1: is an example/],
  ] as const) {
    const error = t.throws(() => examplesOf(tasks[task]!, text, 'f'), { instanceOf: DistillError, message });
    t.is(error.code, 'BAD_TASK_DATA');
    t.false(error.message.includes('SECRET'), error.message);
  }
});

test('a file that is not there, or is a folder, is named', async (t) => {
  const at = folder(t);
  const [task] = [tasks.rte!];
  await t.throwsAsync(readExamples(task, join(at, 'none.tsv')), { code: 'BAD_TASK_DATA', message: /no such file/ });
  await t.throwsAsync(readExamples(task, at), { code: 'BAD_TASK_DATA', message: /is no file/ });
  const latin = join(at, 'latin.tsv');
  writeFileSync(latin, Buffer.from('0\t1\t\tcaf\xe9\n', 'latin1'));
  await t.throwsAsync(readExamples(tasks.cola!, latin), { code: 'BAD_TASK_DATA', message: /is no UTF-8 text/ });
});
