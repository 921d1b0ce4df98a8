import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suites } from '@secformer/secformer-ops';
import test from 'ava';
import { bench, benchAll, bin, record, tiny } from './commands.js';

test.serial('the fast suite computes 2Quad', (t) => {
  t.timeout(240_000);
  const { status, stdout, stderr } = tiny('--suite', 'fast', '--json', '-');
  t.is(status, 0, stderr);
  t.regex(stderr, /2Quad/);
  const { perOp, errorVsModel } = record(stdout);
  // One comparison tournament a layer is what an exact softmax would open
  t.true(perOp.find((o: { op: string }) => o.op === 'quad').rounds > 0 && errorVsModel.cosine > 0);
});

test.serial('op: every suite has its GeLU, every operation its record', (t) => {
  t.timeout(240_000);
  const run = (...args: string[]) => record(bench('op', ...args, '--runs', '0', '--json', '-').stdout);
  const paper = run('gelu', '--suite', 'secformer', '--range', '-10,10', '--size', '60000');
  t.true(paper.error.maxAbs >= 0.0194 && paper.error.maxAbs <= 0.02, String(paper.error.maxAbs));
  const quad = run('gelu', '--suite', 'mpcformer', '--size', '2000');
  t.true(quad.error.maxAbs === 0 && quad.errorVsModel.maxAbs > 1);
  const less = run('less', '--range', '-1000,1000', '--size', '100000');
  t.true(less.error.maxAbs === 0 && less.bytesPerElement.online <= 12 && less.rounds <= 4);
  const inverse = run('reciprocal', '--range', '0.000245,1000000', '--size', '4000');
  t.true(inverse.error.maxRel <= 7e-7 && inverse.rounds <= 10);
  const rows = run('softmax', '--suite', 'secformer', '--row', '512', '--range', '-5,5', '--size', '60000');
  t.true(rows.error.maxAbs <= 1e-6 && rows.rowsOutsideDomain > 0);
  t.regex(rows.remark, /20000/);
  const shadow = run('exp', '--size', '1000', '--shadow');
  t.regex(shadow.shadow, /agrees/);
  const names = bench('op', 'none')
    .stderr.replace(/^.*choose one of /s, '')
    .trim()
    .split(', ');
  t.true(names.length > 40);
  // In one process, as the commands would be one after another
  const small = ['--size', '256', '--m', '4', '--n', '8', '--k', '8', '--runs', '0', '--json', '-'];
  const text = `for (const name of ${JSON.stringify(names)}) await main(['op', name, ...${JSON.stringify(small)}]);`;
  const all = benchAll(text);
  t.is(all.status, 0, all.stderr);
  const records = all.stdout.trimEnd().split('\n');
  t.is(records.length, names.length);
  records.forEach((line, i) => {
    const r = record(line);
    t.true(r.op === names[i] && Number.isFinite(r.error.maxAbs) && r.size > 0, names[i]);
  });
});

test.serial('suites: every piece under every suite', (t) => {
  t.timeout(240_000);
  const { status, stdout, stderr } = bench('suites', '--seq', '16', '--hidden', '64', '--heads', '2', '--json', '-');
  t.is(status, 0, stderr);
  const { pieces } = record(stdout) as {
    pieces: { piece: string; suite: string; error: { maxAbs: number }; rounds: number }[];
  };
  t.is(pieces.length, 4 * Object.keys(suites).length);
  const of = (piece: string, suite: string) => pieces.find((p) => p.piece === piece && p.suite === suite)!;
  t.true(of('encoder layer', 'exact').error.maxAbs < 2e-3);
  t.true(of('encoder layer', 'exact').rounds < of('encoder layer', 'crypten').rounds);
});

test.serial('bert: sentences of a file, calibrated; and a shadow run', (t) => {
  t.timeout(240_000);
  const model = join(dirname(bin), 'models/sst2-tiny');
  const texts = join(mkdtempSync(join(tmpdir(), 'texts-')), 'texts.tsv');
  writeFileSync(texts, 'sentence\tlabel\na fine film\t1\na very dull one\t0\nnot bad at all\t1\n');
  const run = bench('bert', '--model', model, '--seq', '12', '--texts', texts, '--calibrate', '--json', '-');
  t.is(run.status, 0, run.stderr);
  const r = record(run.stdout);
  t.is(r.sentences, 3);
  t.true(r.error.cosine > 0.99999 && r.online.ms.length === 3, JSON.stringify(r.error));
  const shadow = bench('bert', '--model', model, '--seq', '12', '--shadow', '--json', '-');
  t.is(shadow.status, 0, shadow.stderr);
  t.is(record(shadow.stdout).shadow.violation, null);
});
