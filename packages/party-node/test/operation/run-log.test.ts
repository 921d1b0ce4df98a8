import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { RunEnded } from '../../src/operation/events.js';
import { RunLog } from '../../src/operation/run-log.js';
import { hashOf, NO_LINE } from '../../src/operation/run-log-line.js';
import { verifyRunLog, verifyRunLogs } from '../../src/operation/verify-run-log.js';

const folder = mkdtempSync(join(tmpdir(), 'run-log-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);

const run = (over: Partial<RunEnded> = {}): RunEnded => ({
  kind: 'run',
  publisher: 'acme',
  subject: 'alice',
  model: 'sst2@1',
  program: 'ab'.repeat(32),
  outcome: 'OK',
  ms: 12.6,
  waitMs: 1,
  prepareMs: 2,
  onlineMs: 3,
  bytes: 4096,
  rounds: 5,
  ...over,
});

/** A log with so many lines, closed. */
function logOf(name: string, lines: number): string {
  const log = new RunLog(path(name), () => {});
  for (let i = 0; i < lines; i++) log.add(run({ subject: `subject ${i}` }));
  log.close();
  return path(name);
}
const linesOf = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n');

test('a line a run, each with the hash of the one before, and nobody else may read it', async (t) => {
  const file = logOf('plain', 3);
  const lines = linesOf(file).map((text) => JSON.parse(text));
  t.is(statSync(file).mode & 0o777, 0o600);
  t.deepEqual(Object.keys(lines[0]), [
    'time',
    'publisher',
    'subject',
    'model',
    'program',
    'outcome',
    'ms',
    'bytes',
    'before',
  ]);
  t.is(lines[0].ms, 13);
  t.is(lines[0].before, NO_LINE);
  t.is(lines[2].before, hashOf(linesOf(file)[1]!));
  t.deepEqual(await verifyRunLog(file), { lines: 3, missed: 0, first: NO_LINE, last: hashOf(linesOf(file)[2]!) });
});

test('a node that starts again goes on with the chain', async (t) => {
  const file = logOf('again', 2);
  logOf('again', 2);
  const { lines, wrong } = await verifyRunLog(file);
  t.is(lines, 4);
  t.is(wrong, undefined);
});

test('whatever is done to a line is found, with its number', async (t) => {
  const lines = linesOf(logOf('changed', 5));
  const found = async (changed: string[], end = '\n') => {
    const file = path('forged');
    writeFileSync(file, changed.join('\n') + end);
    return verifyRunLog(file);
  };
  const altered = lines.map((text, i) => (i === 2 ? text.replace('"OK"', '"BUSY"') : text));
  t.regex((await found(altered)).wrong!, /^line 4 does not follow/);
  t.regex((await found(lines.filter((_, i) => i !== 1))).wrong!, /^line 2 does not follow/);
  t.regex((await found([lines[0]!, lines[2]!, lines[1]!])).wrong!, /^line 2 does not follow/);
  t.regex((await found([...lines, 'hello'])).wrong!, /^line 6 is none of a run log/);
  t.regex((await found([...lines, '{"time":"now"}'])).wrong!, /^line 6 is none/);
  t.regex((await found(lines, '')).wrong!, /^line 5, the last one, is not whole/);
  t.regex((await found(['x'.repeat(100_000)], '')).wrong!, /longer than any line/);
  t.is((await found(lines)).wrong, undefined);
  await t.throwsAsync(verifyRunLog(path('nowhere')), { code: 'BAD_CONFIGURATION' });
});

test('a last line that is torn is moved aside, and the chain goes on from the one before', async (t) => {
  const file = logOf('torn', 3);
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, `${whole}{"time":"2026-01-0`);
  const said: unknown[] = [];
  const log = new RunLog(file, (event, fields) => said.push([event, fields]));
  log.add(run());
  log.close();
  t.is(said.length, 1);
  t.regex(JSON.stringify(said), /the last line of .* was not whole, and was moved to/);
  const aside = readdirSync(folder).filter((name) => name.startsWith('torn.torn-'));
  t.is(readFileSync(path(aside[0]!), 'utf8'), '{"time":"2026-01-0');
  t.deepEqual((await verifyRunLog(file)).lines, 4);
});

test('a file that is no run log, or that others may read, is not written into', (t) => {
  for (const text of ['hello\n', '{"time":"now"}\n']) {
    writeFileSync(path('other'), text, { mode: 0o600 });
    t.throws(() => new RunLog(path('other'), () => {}), { code: 'BAD_CONFIGURATION', message: /does not end as/ });
    t.is(readFileSync(path('other'), 'utf8'), text);
  }
  const lines = linesOf(logOf('unchained', 3));
  writeFileSync(path('unchained'), `${lines[0]}\n${lines[2]}\n`);
  t.throws(() => new RunLog(path('unchained'), () => {}), { code: 'BAD_CONFIGURATION' });
  chmodSync(logOf('open', 1), 0o640);
  t.throws(() => new RunLog(path('open'), () => {}), { code: 'BAD_CONFIGURATION', message: /chmod 600/ });
  t.throws(() => new RunLog(path('no/such/folder'), () => {}), { code: 'BAD_CONFIGURATION' });
});

test('a renamed log goes on in a new file, and the two are verified as one', async (t) => {
  const file = path('rotated');
  const log = new RunLog(file, () => {});
  log.add(run());
  log.reopen();
  log.add(run());
  renameSync(file, `${file}.1`);
  log.add(run({ subject: 'between' }));
  log.reopen();
  log.add(run());
  log.close();
  t.is((await verifyRunLog(`${file}.1`)).lines, 3);
  const { well, lines } = await verifyRunLogs([`${file}.1`, file]);
  t.true(well, lines.join('\n'));
  t.is(JSON.parse(linesOf(file)[0]!).event, 'rotated');
  t.false((await verifyRunLogs([file, `${file}.1`])).well);
  const alone = await verifyRunLogs([file]);
  t.true(alone.well);
  t.regex(alone.lines[0]!, /2 lines follow one another, after a line with hash [0-9a-f]{64}; the last one has/);
  // Started again right after it was rotated
  const next = new RunLog(file, () => {});
  next.add(run());
  next.close();
  t.true((await verifyRunLogs([`${file}.1`, file])).well);
});

test('names are cut to a length that a line holds', async (t) => {
  const file = path('long');
  const log = new RunLog(file, () => {});
  const long = '\u0001'.repeat(10_000);
  for (let i = 0; i < 2; i++) log.add(run({ publisher: long, subject: long, model: long }));
  log.close();
  new RunLog(file, () => {}).close();
  t.is((await verifyRunLog(file)).lines, 2);
});

test('a line that cannot be written costs no more than the line, and the next one says so', async (t) => {
  const file = path('full');
  const said: unknown[] = [];
  let full = false;
  const log = new RunLog(
    file,
    (event, fields) => said.push([event, fields]),
    (fd, bytes, at) => {
      if (!full) return writeSync(fd, bytes, at);
      // As much as there was room for
      if (at === 0) return writeSync(fd, bytes, 0, 20);
      throw new Error('ENOSPC: no space left on device');
    },
  );
  log.add(run());
  full = true;
  log.add(run());
  log.add(run());
  full = false;
  log.add(run());
  log.close();
  t.regex(JSON.stringify(said), /a line was not written \(ENOSPC/);
  t.is(said.length, 1, 'once');
  const check = await verifyRunLog(file);
  t.is(check.wrong, undefined);
  t.is(check.lines, 2);
  t.is(check.missed, 2);
  t.regex((await verifyRunLogs([file])).lines[0]!, /2 more could not be written/);
});
