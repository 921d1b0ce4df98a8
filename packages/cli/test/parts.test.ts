/** Which asks go together, what a table says of an answer, which code a failure has, what a terminal is given. */
import { setTimeout as after } from 'node:timers/promises';
import { NodeError } from '@secformer/party-node';
import test from 'ava';
import { cellsOf } from '../src/cells.js';
import { EXIT, failure, UsageError } from '../src/failures.js';
import { lengths, list, whole } from '../src/flags.js';
import { Progress } from '../src/progress.js';
import { Asks } from '../src/proxy/asks.js';
import { packed, rowBatches } from '../src/proxy/packing.js';
import { bytesText, columns, durationText, printable } from '../src/terminal.js';

test('an answer is a label with its probability, or a shape and its first numbers', (t) => {
  t.deepEqual(cellsOf({ label: 'yes', probability: 0.75, scores: [] }), ['yes', { number: '0.7500' }]);
  const long = { shape: [3, 4], values: Array<number>(12).fill(1) };
  t.deepEqual(cellsOf(long), ['[3,4]', `${Array(8).fill('1.0000').join(' ')} …`]);
  t.deepEqual(cellsOf({ shape: [2], values: [1, 2] }), ['[2]', '1.0000 2.0000']);
});

test('a label cannot command a terminal', (t) => {
  t.is(printable('\u001b[2Jcleared'), '\ufffd[2Jcleared');
  t.is(printable('a\u202eb'), 'a\ufffdb');
  t.is(printable('plain 👍🏽 text'), 'plain 👍🏽 text');
});

test('a failure has its code, what to do, and when to try again', (t) => {
  const node = (code: ConstructorParameters<typeof NodeError>[1], retryAfterMs?: number) =>
    new NodeError('party 0', code, 'said\n  no\u001b[2J', retryAfterMs === undefined ? {} : { retryAfterMs });
  t.deepEqual(failure(new UsageError('a flag'), 'ask'), { line: 'a flag', code: EXIT.usage });
  t.deepEqual(failure(new Error('what'), 'ask'), { line: 'what', code: EXIT.failed });
  t.is(failure('thrown', 'ask').line, 'thrown');
  t.deepEqual(failure(node('NOT_ALLOWED'), 'ask'), {
    line: 'party 0: said no\ufffd[2J (NOT_ALLOWED)',
    code: EXIT.refused,
  });
  t.is(failure(node('BAD_CONFIGURATION'), 'ask').code, EXIT.usage);
  t.is(failure(node('RUN_FAILED'), 'ask').code, EXIT.failed);
  const busy = failure(node('BUSY', 5000), 'publish');
  t.is(busy.code, EXIT.later);
  t.regex(busy.line, /\(BUSY\); try again in 5 seconds$/);
  const spent = failure(node('QUOTA_SPENT', 3_600_000), 'ask');
  t.is(spent.code, EXIT.later);
  t.regex(spent.line, /try again in 60 minutes, after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const broken = failure(node('LINK_CLOSED'), 'publish');
  t.is(broken.code, EXIT.failed);
  t.regex(broken.line, /\(LINK_CLOSED\); .*run the same command again/);
  t.regex(failure(node('UNREACHABLE', 500), 'ask').line, /\(UNREACHABLE\); run the same command again$/);
});

test('flags: numbers and lists', (t) => {
  t.deepEqual(lengths('64, 32,64'), [32, 64]);
  for (const text of ['', '0', '-1', '1.5', '1e3', '9999999'])
    t.throws(() => whole(text), { code: 'commander.invalidArgument' });
  t.throws(() => lengths('1,'), { message: /commas/ });
  t.deepEqual(list('a, b'), ['a', 'b']);
});

test('texts for people', (t) => {
  t.is(bytesText(771_712), '771.7 kB');
  t.is(bytesText(5_860_000), '5.86 MB');
  t.deepEqual([300, 1500, 119_000, 7_200_000, 7_300_000].map(durationText), [
    'a second',
    '2 seconds',
    '119 seconds',
    '120 minutes',
    '3 hours',
  ]);
  t.deepEqual(
    columns([
      ['a', { number: '1' }, 'x'],
      ['bcd', { number: '22' }, 'y'],
    ]),
    ['a     1  x', 'bcd  22  y'],
  );
  t.deepEqual(columns([]), []);
});

test('progress elsewhere than on a terminal is a line for each phase and tenth', (t) => {
  const lines: string[] = [];
  const progress = new Progress({ out: () => {}, err: (l) => void lines.push(l), bar: undefined });
  for (let done = 0; done < 100; done++) progress.publishing({ phase: 'sharing', done, of: 100 });
  t.is(lines.length, 10);
  t.deepEqual(lines.slice(0, 2), ['sharing its tensors: 1 of 100', 'sharing its tensors: 11 of 100']);
  progress.publishing({ phase: 'staging', done: 0, of: 1 });
  progress.publishing({ phase: 'done', done: 1, of: 1 });
  t.deepEqual(lines.slice(10), ['storing it at the nodes']);
  const waiting = [3, 3, 2].map((place) => ({ phase: 'waiting' as const, place }));
  for (const e of [{ phase: 'sharing' as const }, ...waiting, { phase: 'done' as const }]) progress.asking(e);
  t.deepEqual(lines.slice(11), ['waiting at place 3', 'waiting at place 2']);
});

test('progress on a terminal is a bar, which goes away', (t) => {
  let drawn = '';
  const stream = Object.assign(Object.create(process.stderr), {
    isTTY: true,
    columns: 80,
    write: (text: string) => {
      drawn += text;
      return true;
    },
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  }) as NodeJS.WriteStream;
  const progress = new Progress({ out: () => {}, err: () => t.fail(), bar: stream });
  progress.publishing({ phase: 'sharing', done: 1, of: 4 });
  progress.publishing({ phase: 'sharing', done: 2, of: 4 });
  progress.publishing({ phase: 'staging', done: 0, of: 1 });
  progress.publishing({ phase: 'done', done: 1, of: 1 });
  t.true(drawn.includes('sharing its tensors') && drawn.includes('storing it at the nodes'));
  progress.asking({ phase: 'waiting', place: 2 });
  progress.asking({ phase: 'running', done: 3, of: 20 });
  progress.stop();
  t.true(drawn.includes('waiting at place 2 …') && drawn.includes('round 3 of 20'));
});

test('as few asks as there can be, each of the smallest program', (t) => {
  const shapes: [number, number][] = [
    [1, 16],
    [4, 16],
    [2, 64],
  ];
  t.deepEqual(packed([5, 6, 7], shapes), [{ texts: [2, 1, 0], rows: 4, length: 16 }]);
  // The long one takes a short one along
  t.deepEqual(packed([5, 60], shapes), [{ texts: [1, 0], rows: 2, length: 64 }]);
  t.deepEqual(
    packed([5, 60, 6, 7, 8, 9], shapes).map(({ texts, rows, length }) => [texts, rows, length]),
    [
      [[1, 5], 2, 64],
      [[4, 3, 2, 0], 4, 16],
    ],
  );
  t.deepEqual(packed([5], shapes), [{ texts: [0], rows: 1, length: 16 }]);
  t.deepEqual(packed([], shapes), []);
  t.deepEqual(rowBatches(9, [1, 4]), [
    { from: 0, count: 4, rows: 4 },
    { from: 4, count: 4, rows: 4 },
    { from: 8, count: 1, rows: 1 },
  ]);
});

test('asks have their turn, keep their place until they are over, and none begins for who has gone', async (t) => {
  const asks = new Asks(1);
  const signal = new AbortController().signal;
  let free = () => {};
  const held = asks.run(signal, () => new Promise<void>((resolve) => (free = resolve)));
  const leaves = new AbortController();
  let begun = false;
  const waits = asks.run(leaves.signal, async () => {
    begun = true;
  });
  const next = asks.run(signal, async () => 'next');
  leaves.abort(new Error('gone'));
  await t.throwsAsync(waits, { message: 'gone' });
  free();
  await held;
  t.is(await next, 'next');
  t.false(begun);
  // Whoever leaves in the middle does not free the place
  const middle = new AbortController();
  const left = asks.run(middle.signal, () => new Promise<void>((resolve) => (free = resolve)));
  await after(1);
  middle.abort(new Error('gone'));
  await t.throwsAsync(left);
  const last = asks.run(signal, async () => 'last');
  t.is(await Promise.race([last, after(5, 'nothing')]), 'nothing');
  free();
  t.is(await last, 'last');
  // A failure ends the others too
  const two = new Asks(2);
  const given: AbortSignal[] = [];
  const both = two.all(signal, [1, 2, 3], async (n, own) => {
    given.push(own);
    if (n === 2) throw new Error('failed');
    await new Promise((_, reject) => own.addEventListener('abort', () => reject(own.reason)));
  });
  await t.throwsAsync(both, { message: 'failed' });
  t.is(given.length, 2);
  t.true(given[0]!.aborted);
  t.is(await two.run(signal, async () => 'free'), 'free');
  const done: number[] = [];
  const all = asks.all(signal, [1, 2, 3], async (n) => {
    done.push(n);
    throw new Error('failed');
  });
  await t.throwsAsync(all, { message: 'failed' });
  t.deepEqual(done, [1]);
});
