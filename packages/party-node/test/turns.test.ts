import test from 'ava';
import { limits } from '../src/limits.js';
import { type Taker, Turns } from '../src/node/turns.js';

const wait = (turn: Promise<void>) => turn;

function taker(subject: object = {}, mode: Taker['mode'] = 'streamed'): Taker {
  return { subject, mode };
}

/** Turns that are all taken. */
function full() {
  const turns = new Turns();
  const active = Array.from({ length: limits.concurrentRuns }, () => taker());
  for (const a of active) void turns.take(a, wait);
  const had: string[] = [];
  const enter = (name: string, t: Taker, how: 'take' | 'resume' = 'take') => {
    const turn = turns[how](t, wait);
    void turn.then(() => had.push(name)).catch(() => {});
    return turn;
  };
  return { turns, active, had, enter };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('runs take turns, and beyond those that may wait one is told: busy, and when to come again', async (t) => {
  const { turns, active, had, enter } = full();
  const waiting = Array.from({ length: limits.queuedRuns }, () => taker());
  for (const [i, w] of waiting.entries()) void enter(String(i), w);
  const error = await t.throwsAsync<Error & { retryAfterMs: number }>(enter('one more', taker()), {
    code: 'BUSY',
    message: /2 runs are under way and 32 wait; try again later/,
  });
  t.true(error!.retryAfterMs > 0);
  await settled();
  t.deepEqual(had, []);
  // One that gives up makes room for another; a turn goes to whoever waits longest
  turns.leave(waiting[0]!);
  await t.notThrowsAsync(async () => void enter('late', taker()));
  turns.leave(active[0]!);
  await settled();
  t.deepEqual(had, ['1']);
});

test('sessions come round: who has much to do waits for who has little', async (t) => {
  const { turns, active, had, enter } = full();
  const [greedy, modest] = [{}, {}];
  const many = Array.from({ length: 6 }, () => taker(greedy));
  for (const [i, m] of many.entries()) void enter(`greedy ${i}`, m);
  const one = taker(modest);
  void enter('modest', one);
  turns.leave(active[0]!);
  turns.leave(many[0]!);
  turns.leave(one);
  await settled();
  t.deepEqual(had, ['greedy 0', 'modest', 'greedy 1']);
});

test('one session never has all turns', async (t) => {
  const turns = new Turns();
  const [greedy, other] = [{}, {}];
  const had: string[] = [];
  const enter = (name: string, of: object) => {
    const x = taker(of);
    void turns.take(x, wait).then(() => had.push(name));
    return x;
  };
  const first = enter('greedy 1', greedy);
  enter('greedy 2', greedy);
  await settled();
  t.deepEqual(had, ['greedy 1']);
  const modest = enter('modest', other);
  await settled();
  t.deepEqual(had, ['greedy 1', 'modest']);
  turns.leave(modest);
  await settled();
  t.deepEqual(had, ['greedy 1', 'modest']);
  turns.leave(first);
  await settled();
  t.deepEqual(had, ['greedy 1', 'modest', 'greedy 2']);
});

test('what nobody waits for comes last, and a run that gave its turn up comes first', async (t) => {
  const { turns, active, had, enter } = full();
  const [spare, run, again] = [taker({}, 'spare'), taker(), taker()];
  void enter('spare', spare);
  void enter('run', run);
  void enter('again', again, 'resume');
  for (const a of active) turns.leave(a);
  turns.leave(again);
  await settled();
  t.deepEqual(had, ['again', 'run', 'spare']);
});
