/** GLUE on private answers: batches, answers that are kept, and what they come to, without nodes. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tasks } from '@secformer/distill/glue';
import test from 'ava';
import { type Answered, Answers } from '../src/glue/answers.js';
import { batchesOf } from '../src/glue/batches.js';
import { figuresOf, glueTable } from '../src/glue/figures.js';
import { processorMs } from '../src/glue/processor-time.js';
import { checkReport, UsageError } from '../src/report.js';

const SIZES = { bucket: 16, longest: 40, batch: 3, tokens: 100 };

test('batches have examples of one bucket, each once, the longest first', (t) => {
  const lengths = [5, 16, 17, 40, 33, 12, 3, 9, 31];
  t.deepEqual(batchesOf(lengths, new Set(), SIZES), [
    // Filled up to the most that there may be, and not to 48
    { rows: [3, 4], length: 40 },
    { rows: [2, 8], length: 32 },
    { rows: [0, 1, 5], length: 16 },
    { rows: [6, 7], length: 16 },
  ]);
  t.deepEqual(batchesOf(lengths, new Set([0, 2, 3, 4, 8]), SIZES), [
    { rows: [1, 5, 6], length: 16 },
    { rows: [7], length: 16 },
  ]);
  t.deepEqual(batchesOf([40, 40], new Set(), { ...SIZES, tokens: 10 }), [
    { rows: [0], length: 40 },
    { rows: [1], length: 40 },
  ]);
  t.deepEqual(batchesOf([], new Set(), SIZES), []);
});

const answered = (rows: number[], plaintext: number[][], hidden?: number[][]): Answered => ({
  rows,
  length: 16,
  plaintext,
  ...(hidden && { private: hidden }),
  rounds: 60,
  bytes: 4e6,
  dealerBytes: 1e7,
  ms: 3000,
  cpuMs: 2000,
  plaintextMs: 100,
});

test('measures of classes: labels that differ, what was refused is wrong', (t) => {
  const examples = [1, 0, 1, 0, 1].map((label) => ({ text: 'a', label }));
  const found = figuresOf(tasks.cola!, examples, [
    answered(
      [0, 2],
      [
        [0, 1],
        [0, 2],
      ],
      [
        [0, 1],
        [3, 2],
      ],
    ),
    answered(
      [1, 3],
      [
        [2, 1],
        [2, 1],
      ],
      [
        [2, 1],
        [2, 1.5],
      ],
    ),
    answered([4], [[-1, 1]]),
  ]);
  t.is(found.sentences, 5);
  t.is(found.refused, 1);
  t.deepEqual(found.labels, { differ: 1, rows: [2] });
  t.is(found.largestError, 3);
  const accuracy = found.metrics.find(({ name }) => name === 'accuracy')!;
  t.is(accuracy.plaintext, 1);
  t.is(accuracy.private, 3 / 5);
  t.is(found.metrics[0]!.name, 'matthews');
  t.is(found.metrics[0]!.plaintext, 1);
  t.is(found.perSentence.rounds, (3 * 60) / 5);
  t.is(found.perSentence.bytes, (3 * 4e6) / 5);
  t.is(found.perSentence.cpuMs, (3 * 2000) / 5);
  t.is(found.sentencesOfBatch, 2);
  const table = glueTable('a model', 9, found);
  t.regex(table, /^a model: 5 of 9 examples\n/);
  t.regex(table, /accuracy +100\.00 +60\.00 +-40\.00/);
  t.regex(table, /labels that are the same: 3 of 5\n.*refused.*: 1\n/);
});

test('measures of numbers: no labels, and a refused one is as wrong as can be', (t) => {
  const examples = [1, 2, 4].map((label) => ({ text: 'a', label }));
  const [one, two] = [answered([0, 1], [[1], [2]], [[1], [2.25]]), answered([2], [[4]])];
  const found = figuresOf(tasks.stsb!, examples, [one, two]);
  t.is(found.labels, undefined);
  t.is(found.largestError, 0.25);
  t.true(found.metrics[0]!.plaintext > 0.999);
  t.true(found.metrics[0]!.private < 0.5);
  t.is(figuresOf(tasks.stsb!, examples, [one]).refused, 0);
  t.is(figuresOf(tasks.stsb!, examples, [{ ...one, private: [[1], [Number.NaN]] }]).largestError, Number.NaN);
});

test('scores that are no numbers are no answer, in plaintext too', (t) => {
  const examples = [0, 0].map((label) => ({ text: 'a', label }));
  const none = [Number.NaN, Number.NaN];
  const { metrics, largestError } = figuresOf(tasks.cola!, examples, [
    answered([0, 1], [none, [2, 1]], [[1, 0], none]),
  ]);
  t.like(
    metrics.find(({ name }) => name === 'accuracy'),
    { plaintext: 1 / 2, private: 1 / 2 },
  );
  t.is(largestError, Number.NaN);
});

const OF = { task: 'cola', suite: 'exact', model: 'a1' };
const EXAMPLES = 8;
const opened = (file: string | undefined, of: typeof OF = OF) => new Answers(file, of, EXAMPLES, 1);
const fileOf = () => join(mkdtempSync(join(tmpdir(), 'glue-')), 'answers.jsonl');

test('answers are kept as they come; a line that was being written is taken off', (t) => {
  const file = fileOf();
  const first = opened(file);
  const lines = [answered([3, 1], [[0], [1]], [[0], [1]]), answered([2], [[1]])];
  for (const line of lines) first.add(line);
  const whole = readFileSync(file, 'utf8');
  appendFileSync(file, '{"rows":[7],"plai');
  const again = opened(file);
  t.deepEqual(again.all, lines);
  t.deepEqual(again.done, new Set([3, 1, 2]));
  t.is(readFileSync(file, 'utf8'), whole);
  again.add(answered([4], [[1]]));
  t.is(opened(file).all.length, 3);
  t.is(opened(undefined).all.length, 0);
});

test('answers of something else, and what is no answers, are refused by name', (t) => {
  const file = fileOf();
  opened(file).add(answered([1], [[1]]));
  const refused = (of: typeof OF, message: RegExp) => t.throws(() => opened(file, of), { message });
  refused({ ...OF, suite: 'fast' }, /suite exact and not fast/);
  refused({ ...OF, model: 'b2', task: 'rte' }, /task cola and not rte, model a1 and not b2/);
  appendFileSync(file, '{"rows":[1,2],"plaintext":[[1]]}\n');
  refused(OF, /line 3: no answers/);
  writeFileSync(file, 'a list of mine\n');
  refused(OF, /line 1: no JSON/);
  writeFileSync(file, '[]\n');
  refused(OF, /something else/);
  t.is(readFileSync(file, 'utf8'), '[]\n');
});

test('a file that was cut anywhere is gone on from, and one that was edited is refused by its line', (t) => {
  const file = fileOf();
  const kept = opened(file);
  const lines = [answered([3, 1], [[0], [1]], [[0], [Number.NaN]]), answered([2], [[1]])];
  for (const line of lines) kept.add(line);
  const whole = readFileSync(file, 'utf8');
  const ends = [...whole].flatMap((c, i) => (c === '\n' ? [i + 1] : []));
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(file, whole.slice(0, cut));
    const again = opened(file);
    t.deepEqual(again.all, lines.slice(0, Math.max(0, ends.filter((end) => end <= cut).length - 1)), String(cut));
    again.add(lines[1]!);
    t.true(opened(file).done.has(2), String(cut));
  }
  const line = (change: object) => `${JSON.stringify({ ...answered([5], [[1]], [[1]]), ...change })}\n`;
  for (const change of [
    { rows: [EXAMPLES] },
    { rows: [-1] },
    { rows: [] },
    { rows: [5, 5], plaintext: [[1], [1]] },
    { plaintext: [[1, 2]] },
    { private: [['1']] },
    { private: null },
    { rounds: '60' },
    { bytes: -1 },
    { plaintextMs: undefined },
  ]) {
    writeFileSync(file, whole + line(change));
    t.throws(() => opened(file), { message: /line 4: no answers of a batch/ }, JSON.stringify(change));
  }
  writeFileSync(file, whole + line({ rows: [5, 2], plaintext: [[1], [1]], private: [[1], [1]] }));
  t.throws(() => opened(file), { message: /line 4: example 2 is answered already/ });
  // Two runs at the same time write the same batches
  writeFileSync(file, `${whole}${JSON.stringify(lines[1])}\n${line({})}`);
  t.deepEqual(opened(file).all, [...lines, answered([5], [[1]], [[1]])]);
});

test('a file that cannot be used is told in one line', (t) => {
  const at = mkdtempSync(join(tmpdir(), 'glue-'));
  for (const file of [at, join(at, 'none/answers.jsonl')])
    t.throws(() => opened(file), { instanceOf: UsageError, message: /^--out .*: (is no file|cannot be used \()/ });
  t.throws(() => checkReport(join(at, 'none/record.json')), { instanceOf: UsageError, message: /cannot be written/ });
  t.throws(() => checkReport(at), { instanceOf: UsageError });
  checkReport(join(at, 'record.json'));
  checkReport('-');
  t.deepEqual(readdirSync(at), []);
});

test('processor time is of this process, and of others where the system says', (t) => {
  const before = processorMs([])!;
  for (const until = performance.now() + 30; performance.now() < until; );
  t.true(processorMs([])! > before);
  t.is(processorMs([-1]), undefined);
  if (process.platform === 'linux') t.true(processorMs([process.pid])! > before);
});
