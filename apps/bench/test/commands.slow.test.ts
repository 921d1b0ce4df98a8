import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { bench, benchAll, record, tiny } from './commands.js';

test.serial('demo: at least eight sentences, private as plaintext', (t) => {
  t.timeout(240_000);
  const { status, stdout, stderr } = bench('demo', '--json', '-');
  t.is(status, 0, stderr);
  t.is(stdout.trimEnd().split('\n').length, 1, 'nothing else is on standard output');
  const { sentences, agree, model, online, student, accuracy } = record(stdout);
  t.is(model, 'sst2-tiny');
  t.true(agree);
  t.true(sentences.length >= 8);
  for (const s of sentences) {
    t.is(s.label.private, s.label.plaintext);
    t.true(s.plaintext.every((v: number, i: number) => Math.abs(v - s.private[i]) <= 0.02));
  }
  t.is(new Set(sentences.map((s: { label: { private: string } }) => s.label.private)).size, 2, 'both labels occur');
  t.true(student.agree && student.largestLogitError <= 0.02);
  // What distillation brings, and what it costs
  t.true(student.online.rounds < 0.6 * online.rounds, `${student.online.rounds} of ${online.rounds}`);
  t.true(student.online.bytes.p0p1 < online.bytes.p0p1);
  t.true(student.accuracy > accuracy - 0.02, `${student.accuracy} of ${accuracy}`);
});

for (const link of ['worker', 'websocket']) {
  test.serial(`bert over ${link}: the fields of the record, the same answers, and a timeline for Perfetto`, (t) => {
    t.timeout(240_000);
    const file = join(mkdtempSync(join(tmpdir(), 'bench-')), 'trace.json');
    const { status, stdout, stderr } = tiny('--link', link, '--trace', file, '--json', '-');
    t.is(status, 0, stderr);
    const r = record(stdout);
    t.true(r.error.cosine > 0.99999 && r.error.maxAbs < 0.01, JSON.stringify(r.error));
    t.true(
      r.online.rounds > 0 &&
        r.online.bytes.p0p1 === r.online.bytes.p1p0 &&
        r.online.bytes.p0p1 > 0 &&
        r.offline.bytes.dealer > 0,
    );
    t.true(r.setup.bytes > 0 && r.perOp.some((o: { op: string }) => o.op === 'gelu'));
    t.is(r.layers, 2);
    t.is(r.peakMemoryBytes === null, link === 'worker');
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as {
      traceEvents: { name: string; ph: string; pid: number; ts: number; dur: number; args: { bytes?: number } }[];
    };
    for (const pid of [0, 1]) {
      const own = traceEvents.filter((e) => e.pid === pid && e.ph === 'X');
      const waits = own.filter((e) => e.name === 'wait');
      t.is(waits.length, r.online.rounds);
      t.is(
        waits.reduce((n, e) => n + e.args.bytes!, 0),
        r.online.bytes.p0p1,
      );
      t.true(own.every((e) => e.ts >= 0 && e.dur >= 0));
      for (const { op } of r.perOp)
        t.true(
          own.some((e) => e.name === op),
          op,
        );
    }
  });
}

test.serial('bert of which the first tokens alone are read: the same answers for fewer bytes', (t) => {
  t.timeout(240_000);
  const [all, first] = ['hidden', 'cls'].map((output) => {
    const { status, stdout, stderr } = bench(
      'bert',
      '--model',
      'tiny',
      '--seq',
      '16',
      '--batch',
      '2',
      '--runs',
      '1',
      '--output',
      output,
      '--json',
      '-',
    );
    t.is(status, 0, stderr);
    return record(stdout);
  });
  t.true(first.error.cosine > 0.99999 && first.error.maxAbs < 0.01, JSON.stringify(first.error));
  // Of all tokens the gain of the last LayerNorm is applied by the client, which saves its round
  t.is(first.online.rounds, all.online.rounds + 1);
  const gelu = (r: typeof all) => r.perOp.find((o: { op: string }) => o.op === 'gelu').bytes;
  // Of two layers the second computes two rows instead of 32
  t.is(gelu(first), (gelu(all) * (32 + 2)) / (32 + 32));
});

test.serial('any model from a folder, compared with its plaintext', (t) => {
  t.timeout(240_000);
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../../test/fixtures/layers-model');
  const { status, stdout, stderr } = bench('model', folder, '--seq', '6', '--shadow', '--json', '-');
  t.is(status, 0, stderr);
  const { outputs, shadow } = record(stdout);
  t.true(outputs.length > 0 && outputs.every((o: { maxAbs: number }) => o.maxAbs < 1e-3), JSON.stringify(outputs));
  t.true(Object.values(shadow).every((v) => v === null));
});

test.serial('an emulated network costs half a round trip a message and leaves the answers alone', (t) => {
  t.timeout(240_000);
  const { status, stdout, stderr } = bench(
    'bert',
    '--model',
    'tiny',
    '--seq',
    '8',
    '--runs',
    '1',
    '--link',
    'websocket',
    '--net',
    'wan',
    '--json',
    '-',
  );
  t.is(status, 0, stderr);
  const r = record(stdout);
  t.is(r.net, 'wan');
  // Every round waits for the other party's message, 2 ms away
  t.true(r.online.ms[0] >= 2 * r.online.rounds, `${r.online.ms[0]} ms for ${r.online.rounds} rounds`);
  t.is(r.network.delayMs, 2 * r.online.rounds);
  // One run of either kind: what other processes take from the machine may outweigh the difference, so its sum alone is
  // checked
  t.is(r.network.withoutMs.length, 1);
  t.true(r.network.withoutMs[0] > 0);
  t.is(r.network.addedMs, r.online.ms[0] - r.network.withoutMs[0]);
  t.true(r.error.cosine > 0.99999);
});

test.serial('op and gemm: records with the documented fields', (t) => {
  const truncate = record(bench('op', 'truncate', '--size', '20000', '--range', '-16000,16000', '--json', '-').stdout);
  t.is(truncate.failures, 0);
  t.true(truncate.error.maxAbs <= 1 && Math.abs(truncate.meanError) < 0.05);
  t.is(truncate.bytesPerElement.online, 8);
  const less = record(bench('op', 'less', '--size', '5000', '--runs', '2', '--json', '-').stdout);
  t.is(less.online.ms.length, 2);
  t.true(less.online.ms.every((ms: number) => ms > 0));
  const gemm = record(bench('gemm', '--m', '8', '--n', '64', '--k', '64', '--json', '-').stdout);
  t.is(gemm.results.at(-1).kernel, 'wasm');
  t.true(gemm.results[0].gmacPerSecond > 0 && gemm.float32.gmacPerSecond > 0);
});

test.serial('a wrong flag or name: one line on standard error, exit 2', (t) => {
  const wrong: [string[], RegExp][] = [
    [['bert', '--seq', 'many'], /whole number/],
    [['bert', '--model', '/no/such/folder'], /neither a folder/],
    [['op', 'divide'], /choose one of/],
    [['op', 'gelu', '--range', '5'], /LOW,HIGH/],
    [['nothing'], /unknown command/],
    [['bert', '--kernels', 'abacus'], /no kernels 'abacus'/],
    [['bert', '--suite', 'quick'], /exact, fast/],
    [['bert', '--net', 'wan', '--link', 'worker'], /websocket/],
  ];
  const { status, stderr } = bench(...wrong[0]![0]);
  t.is(status, 2);
  t.regex(stderr, wrong[0]![1]);
  t.is(stderr.trim().split('\n').length, 1, stderr);
  // The others in one process
  const text = `for (const args of ${JSON.stringify(wrong.map(([args]) => args))}) {
  process.exitCode = 0;
  await main(args);
  process.stderr.write('exit ' + process.exitCode + '\\n');
}
process.exitCode = 0;`;
  const all = benchAll(text);
  t.is(all.status, 0, all.stderr);
  const lines = all.stderr.trim().split('\n');
  t.is(lines.length, 2 * wrong.length, all.stderr);
  wrong.forEach(([args, message], i) => {
    t.regex(lines[2 * i]!, message);
    t.is(lines[2 * i + 1], 'exit 2', args.join(' '));
  });
});
