/** Reads that are given up by a signal: the run is over, nothing of it stays, and the next read is right. */
import { getEventListeners } from 'node:events';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { calibrate, configure, prepare, type RunProgress, read, share } from '../src/index.js';
import type { Request } from '../src/runtime/messages.js';
import { runtime } from '../src/runtime/node.js';
import { protocols, sample } from './harness.js';

const REASON = new Error('nobody waits for it');
const given = () => tf.tensor2d(sample(24, -2, 2), [4, 6]);
const soft = (x: tf.Tensor2D) => tf.tidy(() => tf.softmax(tf.matMul(x, x, false, true)));
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error) => error,
  );

let want: Float32Array;
test.serial.before(async () => {
  await tf.setBackend('cpu');
  want = (await soft(given()).data()) as Float32Array;
  await tf.setBackend('secformer');
});
test.afterEach.always(() => protocols());

const right = (got: ArrayLike<number>) =>
  got.length === want.length && Array.from(got).every((v, i) => Math.abs(v - want[i]!) < 2e-3);

/** What is asked of the session's thread while f runs. */
async function asked(f: () => Promise<void>): Promise<Request[]> {
  const seen: Request[] = [];
  const { ask, tell } = runtime;
  runtime.ask = (r, ...rest) => {
    seen.push(r);
    return ask.call(runtime, r, ...rest);
  };
  runtime.tell = (r) => {
    seen.push(r);
    tell.call(runtime, r);
  };
  try {
    await f();
  } finally {
    Object.assign(runtime, { ask, tell });
  }
  return seen;
}

test.serial('a signal that has come before: nothing is asked', async (t) => {
  t.timeout(60_000);
  const signal = AbortSignal.abort(REASON);
  const y = soft(given());
  const prepared = await prepare(y);
  const seen = await asked(async () => {
    for (const call of [
      () => read(y, { signal }),
      () => prepare(y, { signal }),
      () => prepared.run({ signal }),
      () => share(y, { signal }),
      () => calibrate(() => y, [1], undefined, { signal }),
    ])
      t.is(await reasonOf(call()), REASON, String(call));
  });
  t.deepEqual(seen, []);
  await t.throwsAsync(read(y, { signal: {} as never }), { instanceOf: TypeError });
  t.true(right((await prepared.run()).values), 'what was prepared is there still');
});

for (const phase of ['sharing', 'running', 'done'] as const) {
  test.serial(`a read is given up while it is ${phase}, and the next one is right`, async (t) => {
    t.timeout(60_000);
    const stop = new AbortController();
    const events: RunProgress[] = [];
    protocols({
      onProgress: (e) => {
        events.push(e);
        if (e.phase === phase) stop.abort(REASON);
      },
    });
    const [x, before] = [given(), tf.memory().numTensors - 1];
    const y = soft(x);
    // Stays at the nodes with the read
    const z = tf.tidy(() => tf.square(y));
    const reading = read(z, { signal: stop.signal });
    const seen = await asked(async () => {
      t.is(await reasonOf(reading), REASON);
    });
    t.is(listeners(stop.signal), 0);
    if (phase !== 'sharing') {
      const freed = seen.flatMap((r) => (r.kind === 'free' ? r.tensors : []));
      t.is(freed.length, 1, 'what it would have left there');
    }
    protocols();
    t.true(right(await y.data()));
    t.true(right(await read(y, { signal: new AbortController().signal })), 'of what was read before');
    await z.data();
    tf.dispose([x, y, z]);
    t.is(tf.memory().numTensors, before);
  });
}

test.serial('who gives up a read that others wait for too ends its own wait alone', async (t) => {
  t.timeout(60_000);
  const [a, b] = [new AbortController(), new AbortController()];
  const y = soft(given());
  const seen = await asked(async () => {
    const [one, other, third] = [read(y, { signal: a.signal }), read(y, { signal: b.signal }), y.data()];
    const later = read(soft(given()), { signal: b.signal });
    a.abort(REASON);
    t.is(await reasonOf(one), REASON);
    b.abort(REASON);
    t.is(await reasonOf(other), REASON);
    t.is(await reasonOf(later), REASON, 'one that waits for its turn');
    t.true(right(await third));
  });
  t.is(seen.filter((r) => r.kind === 'run').length, 1);
  const c = new AbortController();
  const z = soft(given());
  const given_up = read(z, { signal: c.signal });
  c.abort(REASON);
  const again = read(z);
  t.is(await reasonOf(given_up), REASON);
  t.true(right(await again), 'one that comes after the last has gone');
});

test.serial('what is prepared is given up, or cancelled, and is used up then', async (t) => {
  t.timeout(60_000);
  const stop = new AbortController();
  const y = soft(given());
  protocols({ onProgress: (e) => e.phase === 'running' && stop.abort(REASON) });
  const prepared = await prepare(y);
  t.is(await reasonOf(prepared.run({ signal: stop.signal })), REASON);
  protocols();
  await t.throwsAsync(prepared.run(), { code: 'INPUT_REFUSED' });
  const gone: (() => Promise<unknown>)[] = [];
  const seen = await asked(async () => {
    using unused = await prepare(y);
    await using other = await prepare(y);
    gone.push(unused.run, other.run);
  });
  t.is(seen.filter((r) => r.kind === 'discard').length, 2);
  for (const run of gone) await t.throwsAsync(run(), { code: 'INPUT_REFUSED' });
  const early = new AbortController();
  const preparing = prepare(y, { signal: early.signal });
  setTimeout(() => early.abort(REASON), 1);
  t.true([REASON, 'done'].includes(await reasonOf(preparing)));
  t.true(right(await y.data()));
});

test.serial('nothing listens to a signal after a hundred calls', async (t) => {
  t.timeout(120_000);
  const { signal } = new AbortController();
  const x = given();
  for (let i = 0; i < 25; i++) {
    const y = tf.tidy(() => tf.add(x, i));
    await share(y, { signal });
    await read(y, { signal });
    const p = await prepare(y, { signal });
    if (i % 5 === 0) await p.run({ signal });
    else p.cancel();
    y.dispose();
  }
  t.is(listeners(signal), 0);
});

test.serial('sharing and calibrating are given up between two tensors, or two samples', async (t) => {
  t.timeout(60_000);
  const stop = new AbortController();
  let samples = 0;
  const calibrating = calibrate(
    (x: tf.Tensor2D) => {
      if (++samples === 2) setTimeout(() => stop.abort(REASON));
      return soft(x);
    },
    [given(), given(), given(), given()],
    undefined,
    { signal: stop.signal },
  );
  t.is(await reasonOf(calibrating), REASON);
  t.true(samples < 4);
  const other = new AbortController();
  configure({ fold: false, onProgress: (e) => e.phase === 'sharing' && other.abort(REASON) });
  const y = soft(given());
  t.is(await reasonOf(share(y, { signal: other.signal })), REASON);
  protocols();
  t.true(right(await y.data()));
});

test.serial('how far a read is never falls, and ends at the whole', async (t) => {
  t.timeout(60_000);
  const events: RunProgress[] = [];
  protocols({ onProgress: (e) => events.push(e) });
  await soft(given()).data();
  const order = ['connecting', 'sharing', 'waiting', 'running', 'done'];
  const at = events.map((e) => order.indexOf(e.phase));
  t.true(
    at.every((p, i) => p >= 0 && (i === 0 || p >= at[i - 1]!)),
    JSON.stringify(events),
  );
  for (const phase of ['sharing', 'running']) {
    const mine = events.filter((e) => e.phase === phase);
    t.true(
      mine.every((e, i) => i === 0 || e.done! >= mine[i - 1]!.done!),
      phase,
    );
    t.true(mine.every((e) => e.done! <= e.of!));
  }
  t.is(events.filter((e) => e.phase === 'sharing').at(-1)!.done, events.find((e) => e.phase === 'sharing')!.of);
  const last = events.at(-1)!;
  t.deepEqual([last.phase, last.done], ['done', last.of]);
});

test.serial('many reads with one signal: one listener, all of them end, and a signal is no options', async (t) => {
  t.timeout(60_000);
  const stop = new AbortController();
  const reads = Array.from({ length: 20 }, () => reasonOf(read(soft(given()), { signal: stop.signal })));
  t.is(listeners(stop.signal), 1);
  stop.abort(REASON);
  t.deepEqual(new Set(await Promise.all(reads)), new Set([REASON]));
  t.is(listeners(stop.signal), 0);
  await t.throwsAsync(read(given(), stop.signal as never), {
    instanceOf: TypeError,
    message: /read\(tensor, \{ signal/,
  });
  t.true(right(await read(soft(given()))));
});
