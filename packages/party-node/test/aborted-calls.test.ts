/** Calls of a session that are given up by their signal: what they leave at the nodes, which is nothing. */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type RunRequest, Session } from '../src/index.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { heard, listeners, memoryOf, nothingLeft, REASON } from './aborted-calls.js';
import { type Engines, holding, startEngines, until } from './engines.js';

const square: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 2] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [2, 2] },
    { op: 'relu', in: [1], shape: [2, 2] },
  ],
  outputs: [2],
};
const values = Float32Array.of(1, 2, 3, 4);
const request = (tensor: number, kept: RunRequest['kept'] = []): RunRequest => ({
  graph: square,
  slots: [{ tensor }],
  revealed: [0],
  kept,
  suite: 'exact',
});
const right = ({ outputs }: { outputs: Float32Array[] }) =>
  [7, 10, 15, 22].every((v, i) => Math.abs(outputs[0]![i]! - v) < 1e-2);

/** Nodes, and a client of them; messages of that kind from party 0 to party 1 are held back. */
async function started(kind = 'none') {
  const hold: { now?: ReturnType<typeof holding> } = {};
  const e = await startEngines(2 ** 31, (from: NodeRole, to: NodeRole, link) => {
    if (from === 'party0' && to === 'party1') hold.now = holding(link, kind);
  });
  const client = heard(e.dial);
  const session = await Session.connect(client.dial, e.token);
  session.prepareAhead = false;
  await session.write(1, values, [2, 2]);
  return { e, client, session, held: () => hold.now!.held(), open: () => hold.now!.open() };
}

/** What is left once the nodes have the Programs, and the opening of tensor 1. */
async function memoryWithPrograms(e: Engines, s: Session): Promise<number[]> {
  for (const kept of [[], [], [{ output: 0, tensor: 5 }]]) await s.run(request(1, kept));
  s.free([5]);
  // Answered after what came before
  await s.unpublish('a', '1').catch(() => {});
  await until(() => NODES.every((role) => e[role].runs.size === 0));
  return memoryOf(e);
}

test('a signal that has come before a call: it rejects with the reason, and nothing is sent', async (t) => {
  const { e, client, session: s } = await started();
  t.teardown(() => e.stop());
  const prepared = await s.prepare(request(1));
  const signal = AbortSignal.abort(REASON);
  const before = client.sent.length;
  let dials = 0;
  const dial = async (role: NodeRole) => {
    dials++;
    return e.dial(role);
  };
  for (const call of [
    () => Session.connect(dial, e.token, { signal }),
    () => s.run(request(1), { signal }),
    () => s.prepare(request(1), { signal }),
    () => prepared.run({ signal }),
    () => s.write(2, values, [2, 2], {}, { signal }),
    () => s.publish({} as never, { signal }),
    () => s.unpublish('a', '1', { signal }),
  ])
    t.is(
      await call().then(
        () => 'done',
        (error) => error,
      ),
      REASON,
      String(call),
    );
  t.is(client.sent.length, before);
  t.is(dials, 0);
  await t.throwsAsync(s.run(request(1), { signal: 'soon' as never }), { instanceOf: TypeError });
  t.true(right(await prepared.run()), 'what was prepared is there still');
  s.close();
});

test('connecting is given up while a node does not answer: links close, one that comes late too', async (t) => {
  const e = await startEngines();
  t.teardown(() => e.stop());
  const client = heard(e.dial);
  let answer = () => {};
  const late = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const stop = new AbortController();
  const connecting = Session.connect(
    async (role) => {
      if (role === 'dealer') await late;
      return client.dial(role);
    },
    e.token,
    { signal: stop.signal },
  );
  t.true(await until(() => client.links.length === 2));
  stop.abort(REASON);
  t.is(await connecting.catch((error) => error), REASON);
  answer();
  t.true(await until(() => client.links.length === 3));
  await new Promise((resolve) => setTimeout(resolve));
  for (const link of client.links) await t.throwsAsync(link.send(new Uint8Array(64)), { message: /given up/ });
  t.is(listeners(stop.signal), 0);
});

for (const [what, kind] of [
  ['prepared', 'agree'],
  ['computed', 'round'],
] as const) {
  test(`a run is given up while it is ${what}: it is over at the nodes, and the next ones are right`, async (t) => {
    const { e, client, session: s, held, open } = await started(kind);
    t.teardown(() => e.stop());
    const stop = new AbortController();
    const kept = [{ output: 0, tensor: 9 }];
    const running = s.run(request(1, kept), { signal: stop.signal });
    const waits = new AbortController();
    const waiting = s.run(request(1), { signal: waits.signal });
    const last = s.run(request(1));
    t.true(await until(() => held() > 0));
    waits.abort(REASON);
    t.is(await waiting.catch((error) => error), REASON, 'one that waits for its turn');
    stop.abort(REASON);
    t.is(await running.catch((error) => error), REASON);
    t.false(s.has(9));
    t.is(client.sent.filter(({ t: kind }) => kind === 'cancel').length, 3, 'each node is told once, of one run');
    open();
    t.true(right(await last));
    t.is(new Set(client.sent.flatMap((m) => (m.t === 'prepare' ? [m.ticket] : []))).size, 2);
    t.deepEqual(client.twice(), []);
    t.true(right(await s.run(request(1, kept))), 'under the same number');
    s.free([9, 1]);
    s.close();
    t.is(listeners(stop.signal) + listeners(waits.signal), 0);
    const all = NODES.map((role) => e[role].budget.bytes);
    await nothingLeft(t, e, all);
  });
}

test('a run is given up as it begins, again and again, and leaves no memory taken', async (t) => {
  const { e, client, session: s } = await started();
  t.teardown(() => e.stop());
  const memory = await memoryWithPrograms(e, s);
  for (const phase of ['running', 'done']) {
    const stop = new AbortController();
    const onProgress = (event: { phase: string }) => {
      if (event.phase === phase) stop.abort(REASON);
    };
    const run = s.run(request(1, [{ output: 0, tensor: 5 }]), { signal: stop.signal, onProgress });
    t.is(await run.catch((error) => error), REASON, phase);
    await nothingLeft(t, e, memory);
    t.false(s.has(5));
  }
  t.true(right(await s.run(request(1))));
  t.deepEqual(client.twice(), []);
  s.close();
});

test('what was prepared is given up while it runs, or at the end of a block, and is used up then', async (t) => {
  const { e, client, session: s } = await started();
  t.teardown(() => e.stop());
  const memory = await memoryWithPrograms(e, s);
  const stop = new AbortController();
  const prepared = await s.prepare(request(1));
  const onProgress = () => stop.abort(REASON);
  t.is(await prepared.run({ signal: stop.signal, onProgress }).catch((error) => error), REASON);
  await t.throwsAsync(prepared.run(), { code: 'INPUT_REFUSED' });
  await nothingLeft(t, e, memory);
  {
    using unused = await s.prepare(request(1));
    t.is(typeof unused.run, 'function');
  }
  await nothingLeft(t, e, memory);
  const run = async () => {
    await using used = await s.prepare(request(1));
    return used.run();
  };
  t.true(right(await run()), 'one that runs is let be');
  const gone = await s.prepare(request(1));
  gone.cancel();
  const before = client.sent.filter((m) => m.t === 'run').length;
  await t.throwsAsync(gone.run(), { code: 'RUN_FAILED', message: /cancelled/ });
  t.is(client.sent.filter((m) => m.t === 'run').length, before, 'no input leaves');
  const early = new AbortController();
  const preparing = s.prepare(request(1), { signal: early.signal });
  await until(() => client.sent.filter((m) => m.t === 'prepare').length > 0);
  early.abort(REASON);
  t.is(await preparing.catch((error) => error), REASON);
  t.deepEqual(client.twice(), []);
  await nothingLeft(t, e, memory);
  s.close();
});

test('a tensor whose writing is given up is freed, and may be written again at once', async (t) => {
  const { e, session: s } = await started();
  t.teardown(() => e.stop());
  const memory = await memoryWithPrograms(e, s);
  const stop = new AbortController();
  const writing = s.write(2, values, [2, 2], {}, { signal: stop.signal });
  stop.abort(REASON);
  t.is(await writing.catch((error) => error), REASON);
  t.false(s.has(2));
  await s.write(2, values, [2, 2]);
  t.true(right(await s.run(request(2))));
  s.free([2]);
  await nothingLeft(t, e, memory);
  s.close();
});

test('nothing listens to a signal after calls, however many there were', async (t) => {
  const { e, session: s } = await started();
  t.teardown(() => e.stop());
  const { signal } = new AbortController();
  for (let i = 0; i < 30; i++) {
    await s.write(10 + i, values, [2, 2], {}, { signal });
    const all = [s.run(request(1), { signal }), s.run(request(99), { signal }).catch(() => {})];
    await Promise.all(all);
  }
  (await Session.connect(e.dial, e.token, { signal })).close();
  await (await s.prepare(request(1), { signal })).run({ signal });
  await t.throwsAsync(s.unpublish('a', '1', { signal }));
  t.is(listeners(signal), 0);
  s.close();
});
