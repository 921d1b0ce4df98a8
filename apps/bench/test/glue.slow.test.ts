/** `bench glue` on a few sentences of the demo's model. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Draft } from '@secformer/distill';
import test from 'ava';
import { bench, benchAll, record } from './commands.js';

const MODEL = join(dirname(fileURLToPath(import.meta.url)), '../../models/sst2-tiny');
const folder = mkdtempSync(join(tmpdir(), 'glue-'));
const dev = join(folder, 'dev.tsv');
const SENTENCES = [
  ['a warm , funny and beautifully acted film .', 1],
  ['the plot makes no sense and the jokes fall flat .', 0],
  ['an unforgettable masterpiece', 1],
  ['tedious', 0],
];
writeFileSync(dev, `sentence\tlabel\n${SENTENCES.map((row) => row.join('\t')).join('\n')}\n`);
const args = (...more: string[]) => ['--task', 'sst2', '--model', MODEL, '--dev-file', dev, '--json', '-', ...more];
const glue = (...more: string[]) => bench('glue', ...args(...more));

test.serial('private answers beside plaintext ones, kept, and gone on from where a run was stopped', (t) => {
  t.timeout(240_000);
  const out = join(folder, 'answers.jsonl');
  const some = glue('--limit', '3', '--out', out);
  t.is(some.status, 0, some.stderr);
  t.is(record(some.stdout).sentences, 3);
  const before = readFileSync(out, 'utf8');
  const all = glue('--out', out, '--bucket', '16');
  t.is(all.status, 0, all.stderr);
  const r = record(all.stdout);
  t.like(r, { command: 'glue', task: 'sst2', model: 'sst2-tiny', sentences: 4, refused: 0, link: 'worker' });
  t.deepEqual(r.metrics, [
    { name: 'accuracy', plaintext: 1, private: 1 },
    { name: 'f1', plaintext: 1, private: 1 },
  ]);
  t.is(r.labels.differ, 0);
  t.true(r.largestError > 0 && r.largestError < 0.02, String(r.largestError));
  t.true(r.setup.bytes > 0 && r.perSentence.bytes > 0 && r.perSentence.dealerBytes > 0 && r.perSentence.cpuMs > 0);
  const text = readFileSync(out, 'utf8');
  t.true(text.startsWith(before), 'what was answered is not computed again');
  const lines = text.trimEnd().split('\n').slice(1);
  const kept = lines.map((line) => JSON.parse(line) as { rows: number[]; rounds: number });
  t.deepEqual(kept.flatMap(({ rows }) => rows).sort(), [0, 1, 2, 3]);
  t.true(kept.length < 4, 'sentences share a batch');
  t.is(r.perSentence.rounds, kept.reduce((sum, { rounds }) => sum + rounds, 0) / 4);
});

test.serial(
  'values that leave a protocol’s range are refused, each sentence for itself, over processes too',
  async (t) => {
    t.timeout(240_000);
    const wild = join(folder, 'wild');
    cpSync(MODEL, wild, { recursive: true });
    const draft = await Draft.read(MODEL);
    // GeLU holds ±2,032
    draft.tensors.get('bert.encoder.layer.0.intermediate.dense.bias')!.values.fill(5000);
    await draft.write(wild);
    const { status, stdout, stderr } = bench(
      'glue',
      ...args('--limit', '2', '--link', 'websocket').map((a) => (a === MODEL ? wild : a)),
    );
    t.is(status, 0, stderr);
    const r = record(stdout);
    t.is(r.refused, 2);
    t.is(r.metrics[0].private, 0);
    t.is(r.perSentence.bytes, 0);
    if (process.platform === 'linux') t.true(r.perSentence.cpuMs > 0);

    const alone = bench('bert', '--model', wild, '--seq', '16', '--runs', '1');
    t.is(alone.status, 1, alone.stderr);
    t.regex(alone.stderr, /^bench: values have left the range .* \(RANGE_LEFT\)$/m);
    t.notRegex(alone.stderr, /\n *at /);
  },
);

test.serial('what cannot be measured: one line on standard error, exit 2', (t) => {
  const out = join(folder, 'answers.jsonl');
  const wrong: [string[], RegExp][] = [
    [args('--out', out, '--suite', 'fast'), /suite exact and not fast/],
    [['--task', 'stsb', '--model', MODEL, '--dev-file', dev], /dev\.tsv, line 2/],
    [['--task', 'sst2', '--model', MODEL, '--data', folder, '--net', 'wan'], /--link websocket/],
    [['--task', 'sst2', '--model', join(folder, 'none'), '--dev-file', dev], /no such folder/],
    [['--task', 'sst3', '--model', MODEL], /cola, sst2/],
    [['--task', 'sst2', '--model', MODEL, '--dev-file', join(folder, 'none')], /no such file/],
    [['--task', 'rte', '--model', MODEL, '--data', join(folder, 'none')], /none\/rte\/dev\.tsv: there is no such file/],
  ];
  const text = `delete process.env.SECFORMER_GLUE;
for (const args of ${JSON.stringify(wrong.map(([each]) => each))}) {
  process.exitCode = 0;
  await main(['glue', ...args]);
  process.stderr.write('exit ' + process.exitCode + '\\n');
}
process.exitCode = 0;`;
  const all = benchAll(text);
  t.is(all.status, 0, all.stderr);
  const lines = all.stderr.trim().split('\n');
  wrong.forEach(([, message], i) => {
    t.regex(lines[2 * i]!, message);
    t.is(lines[2 * i + 1], 'exit 2');
  });
});
