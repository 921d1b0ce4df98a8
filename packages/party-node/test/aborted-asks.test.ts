/** Asks and publications that are given up by their signal: others go on, and nothing of them stays. */
import test from 'ava';
import { Asking, limits, type PortLink, Session } from '../src/index.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { heard, listeners, memoryOf, nothingLeft, REASON } from './aborted-calls.js';
import { holding, startEngines, until } from './engines.js';
import { asker, askSmall, publisher, publishSmall, ROWS, requestOf, table, WIDTH, weights } from './publishing.js';

const BAR = 2 ** -12;
const ids = Int32Array.of(1, 2, 3, 4);
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error) => error,
  );

test('a signal that has come before: whoever asks sends nothing', async (t) => {
  const e = await startEngines();
  t.teardown(() => e.stop());
  await publishSmall(e);
  const client = heard(e.as(asker()));
  const asking = await Asking.connect(client.dial, e.token);
  const m = await asking.manifest('small');
  const signal = AbortSignal.abort(REASON);
  const before = [client.sent.length, client.links.length];
  for (const call of [
    () => Asking.connect(client.dial, e.token, { signal }),
    () => asking.models({ signal }),
    () => asking.manifest('small', undefined, { signal }),
    () => asking.asset(m, 'labels.json', { signal }),
    () => asking.ask(m, 0, [new Float32Array(12)], [ids], { signal }),
  ])
    t.is(await reasonOf(call()), REASON, String(call));
  t.deepEqual([client.sent.length, client.links.length], before);
  asking[Symbol.dispose]();
  t.is(asking.dead?.code, 'LINK_CLOSED');
  await t.throwsAsync(asking.models(), { code: 'LINK_CLOSED' });
});

for (const [what, kind] of [
  ['prepared', 'agree'],
  ['computed', 'round'],
] as const) {
  test(`an ask is given up while it is ${what}: what was shared for it is freed, and another goes on`, async (t) => {
    let between: PortLink | undefined;
    const e = await startEngines(2 ** 31, (from: NodeRole, to: NodeRole, link) => {
      if (from === 'party0' && to === 'party1') between = link;
    });
    t.teardown(() => e.stop());
    await publishSmall(e);
    const client = heard(e.as(asker()));
    const asking = await Asking.connect(client.dial, e.token);
    const m = await asking.manifest('small');
    const memory = memoryOf(e);
    t.true((await askSmall(asking)) < BAR);
    await nothingLeft(t, e, memory);
    const stop = new AbortController();
    const signal = stop.signal;
    const hold = holding(between!, kind);
    const ask = asking.ask(m, 0, [new Float32Array(12)], [ids], { signal });
    const other = askSmall(asking, 9);
    t.true(await until(() => hold.held() > 0));
    stop.abort(REASON);
    t.is(await reasonOf(ask), REASON);
    hold.open();
    t.true((await other) < BAR);
    t.true((await askSmall(asking)) < BAR);
    t.deepEqual(client.twice(), []);
    t.is(listeners(signal), 0);
    await nothingLeft(t, e, memory);
    asking.close();
  });
}

test('an ask is given up as it shares, begins or ends; what the pool had prepared for it is gone', async (t) => {
  const e = await startEngines(2 ** 31, undefined, 2 ** 30);
  t.teardown(() => e.stop());
  await publishSmall(e);
  const client = heard(e.as(asker()));
  await using asking = await Asking.connect(client.dial, e.token);
  const m = await asking.manifest('small');
  const free = () => [...e.party0.runs.values()].filter((run) => run.isFree).map((run) => run.ticket);
  for (const phase of ['sharing', 'running', 'done']) {
    t.true(await until(() => free().length === 2 * limits.pooledRuns, 20_000), 'the pool is full');
    const before = free();
    const stop = new AbortController();
    const onProgress = (event: { phase: string }) => {
      if (event.phase === phase) stop.abort(REASON);
    };
    const ask = asking.ask(m, 0, [new Float32Array(12)], [ids], { signal: stop.signal, onProgress });
    t.is(await reasonOf(ask), REASON, phase);
    t.true(await until(() => NODES.every((role) => [...e[role].runs.values()].every((run) => run.isFree))));
    if (phase !== 'sharing')
      t.true(
        before.some((ticket) => !free().includes(ticket)),
        'its randomness is gone',
      );
    t.true((await askSmall(asking)) < BAR);
    t.is(listeners(stop.signal), 0);
  }
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i++) {
    await asking.models({ signal });
    await asking.manifest('small', '1', { signal });
    await asking.asset(m, 'labels.json', { signal });
    await asking.ask(m, 0, [new Float32Array(12)], [ids], { signal });
  }
  t.is(listeners(signal), 0);
  t.deepEqual(client.twice(), []);
});

test('a publication is given up until it is made visible, and leaves nothing', async (t) => {
  const e = await startEngines();
  t.teardown(() => e.stop());
  const memory = memoryOf(e);
  const publish = async (phase: string) => {
    const stop = new AbortController();
    using session = await Session.connect(e.as(publisher()), e.token);
    await session.write(1, table, [ROWS, WIDTH]);
    await session.write(2, weights, [WIDTH, 3]);
    const onProgress = (event: { phase: string }) => {
      if (event.phase === phase) stop.abort(REASON);
    };
    const published = await session
      .publish(requestOf('1'), { signal: stop.signal, onProgress })
      .catch((error) => error);
    t.is(listeners(stop.signal), 0, phase);
    const known = NODES.map((role) => e[role].catalogue.mine.map(({ state }) => state).join());
    return { published, known, over: session.dead };
  };
  for (const phase of ['opening', 'sending', 'staging']) {
    const { published, known, over } = await publish(phase);
    t.is(published, REASON, phase);
    t.deepEqual(known, ['', '', ''], 'nothing is staged when it has rejected');
    t.is(over, undefined, 'the session goes on');
    await nothingLeft(t, e, memory);
  }
  const { published, known } = await publish('committing');
  t.is(published.version, '1', 'too late');
  t.deepEqual(known, ['live', 'live', 'live']);
  const asking = await Asking.connect(e.as(asker()), e.token);
  t.true((await askSmall(asking)) < BAR);
  asking.close();
});
