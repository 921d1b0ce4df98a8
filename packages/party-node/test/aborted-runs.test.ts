/** What runs that fail or wait leave behind at the nodes and keep from others: nothing. */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type RunRequest, Session } from '../src/index.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { holding, startEngines, until } from './engines.js';
import { RawClient } from './raw-client.js';

const lookup: Graph = {
  nodes: [
    { op: 'oneHot', slot: 0, depth: 64, in: [], shape: [32, 64] },
    { op: 'input', slot: 1, in: [], shape: [64, 8] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [32, 8] },
  ],
  outputs: [2],
};
const table = Float32Array.from({ length: 512 }, (_, i) => (i % 17) / 4);
const ids = Int32Array.from({ length: 32 }, (_, i) => (i * 7) % 64);
const request = (tensor: number): RunRequest => ({
  graph: lookup,
  slots: [{ indices: ids }, { tensor }],
  revealed: [0],
  kept: [],
  suite: 'exact',
});
const right = (out: Float32Array) =>
  out.every((v, i) => Math.abs(v - table[ids[Math.floor(i / 8)]! * 8 + (i % 8)]!) < 1e-3);

test('a run that is aborted while its word to the other party waits writes into nobody’s memory', async (t) => {
  let hold: ReturnType<typeof holding> | undefined;
  const nodes = await startEngines(2 ** 31, (from, to, link) => {
    if (from === 'party0' && to === 'party1') hold = holding(link, 'confirm');
  });
  t.teardown(() => nodes.stop());
  const s = await Session.connect(nodes.dial, nodes.token);
  s.prepareAhead = false;
  await s.write(1, table, [64, 8]);
  const running = s.run(request(1));
  running.catch(() => {});
  t.true(await until(() => hold!.held() > 0));
  const { arena } = nodes.party0;
  s.close();
  await t.throwsAsync(running);
  t.true(await until(() => nodes.party0.runs.size === 0));
  // Whoever borrows now has memory that nothing else writes
  const theirs = Array.from({ length: 40 }, () => arena.borrow(32 * 64 * 8).fill(7));
  hold!.open();
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.true(theirs.every((w) => w.every((v) => v === 7)));
  arena.release(theirs);
  const again = await Session.connect(nodes.dial, nodes.token);
  await again.write(1, table, [64, 8]);
  t.true(right((await again.run(request(1))).outputs[0]!));
  again.close();
});

test('a frame that came while one’s own waits goes back with the run', async (t) => {
  let hold: ReturnType<typeof holding> | undefined;
  const nodes = await startEngines(2 ** 31, (from, to, link) => {
    if (from === 'party0' && to === 'party1') hold = holding(link, 'round');
  });
  t.teardown(() => nodes.stop());
  const s = await Session.connect(nodes.dial, nodes.token);
  s.prepareAhead = false;
  // Frames large enough to be the arena's
  const shape = [64, 64];
  await s.write(1, new Float32Array(64 * 64), shape);
  const square: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape },
    ],
    outputs: [1],
  };
  const running = s.run({ graph: square, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
  running.catch(() => {});
  t.true(await until(() => hold!.held() > 0));
  // Party 1 has sent its frame and waits for this one
  await new Promise((resolve) => setTimeout(resolve, 100));
  s.close();
  await t.throwsAsync(running);
  t.true(await until(() => nodes.party0.runs.size === 0));
  hold!.open();
  t.true(
    await until(() => NODES.every((role) => nodes[role].arena.usedBytes === 0)),
    NODES.map((role) => nodes[role].arena.usedBytes).join(),
  );
});

test('what runs that fail at the parties would have kept, the dealer does not keep, and neither do they', async (t) => {
  const nodes = await startEngines();
  t.teardown(() => nodes.stop());
  const client = await RawClient.connect(nodes.dial, nodes.token);
  const square: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [64, 64] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [64, 64] },
    ],
    outputs: [1],
  };
  await client.put(1, [64, 64]);
  const { hash, planned, bindings } = await client.program(square, 1);
  t.is(planned.keeps.length, 1);
  const left = () => NODES.map((role) => nodes[role].budget.left);
  const before = left();
  for (let i = 0; i < 3; i++) {
    const ticket = await client.prepare(hash, bindings);
    for (const role of NODES) await client.next(({ from, m }) => from === role && m.t === 'prepared');
    // Party 1 never starts
    for (const role of ['dealer', 'party0'] as const) await client.start(role, ticket, { shares: [1], keeps: [1] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client.links.party1.send({ t: 'cancel', ticket });
    t.is((await client.end(ticket))?.m.t, 'abort');
  }
  t.true(await until(() => NODES.every((role) => nodes[role].runs.size === 0)));
  t.deepEqual(left(), before);
  // One that names other tensors to the dealer: the parties have theirs, the dealer keeps nothing of another name
  await client.put(2, [64, 64]);
  const dealer = nodes.dealer.budget.left;
  const ticket = await client.prepare(hash, bindings);
  for (const role of NODES) await client.next(({ from, m }) => from === role && m.t === 'prepared');
  await client.start('dealer', ticket, { shares: [2], keeps: [2] });
  for (const role of ['party0', 'party1'] as const) await client.start(role, ticket, { shares: [1], keeps: [1] });
  const refused = await client.next(({ from, m }) => from === 'dealer' && m.t === 'abort' && m.ticket === ticket);
  t.regex((refused!.m as { error: { message: string } }).error.message, /other tensors to the dealer/);
  t.is(nodes.dealer.budget.left, dealer);
  client.close();
  t.true(await until(() => NODES.every((role) => nodes[role].budget.left === nodes[role].budget.bytes)));
});

test('a model that is run again and again after lost links takes the memory of one', async (t) => {
  let cut: ((why: string) => void) | undefined;
  const nodes = await startEngines(2 ** 31, (from, to, link) => {
    if (from === 'party1' && to === 'party0') cut = (why) => link.close(why);
  });
  t.teardown(() => nodes.stop());
  const s = await Session.connect(nodes.dial, nodes.token);
  s.prepareAhead = false;
  await s.write(1, table, [64, 8]);
  const held = (role: NodeRole) => nodes[role].budget.bytes - nodes[role].budget.room;
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    const running = s.run(request(1));
    running.catch(() => {});
    if (i % 2 === 0) {
      cut!('the cable is cut');
      await running.catch(() => {});
      await until(() => NODES.every((role) => nodes[role].runs.size === 0));
    } else {
      t.true(right((await running).outputs[0]!));
      sizes.push(held('dealer'), held('party0'), held('party1'));
    }
  }
  t.deepEqual(sizes.slice(3), sizes.slice(0, 3));
  for (const role of NODES) t.is(nodes[role].arena.usedBytes, 0, role);
  s.close();
});

test('a tensor that is freed after its run was prepared is missed by name', async (t) => {
  const nodes = await startEngines();
  t.teardown(() => nodes.stop());
  const client = await RawClient.connect(nodes.dial, nodes.token);
  await client.put(1, [64, 8]);
  const { hash, bindings } = await client.program(lookup, 2);
  const ticket = await client.prepare(hash, bindings);
  for (const role of NODES) await client.next(({ from, m }) => from === role && m.t === 'prepared');
  await client.links.party0.send({ t: 'free', tensors: [1] });
  await client.start('party0', ticket, { shares: [1], keeps: [1] }, new Uint8Array(32 * 64 * 4));
  const end = await client.end(ticket);
  t.is((end!.m as { error: { code: string } }).error.code, 'TENSOR_LOST');
  client.close();
});

test('a prepared run that party 1 has no more room for waits without a turn, and is right when it comes', async (t) => {
  t.timeout(120_000);
  const nodes = await startEngines(2 ** 30);
  t.teardown(() => nodes.stop());
  const s = await Session.connect(nodes.dial, nodes.token);
  const shape = [256, 1024];
  const layers = 14;
  const gelus: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape },
      ...Array.from({ length: layers }, (_, i): Graph['nodes'][number] => ({
        op: 'gelu',
        form: 'erf',
        in: [i],
        shape,
      })),
    ],
    outputs: [layers],
  };
  await s.write(1, new Float32Array(256 * 1024).fill(8), shape);
  const prepared = await s.prepare({ graph: gelus, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
  t.is(nodes.dealer.runs.size, 1, 'there is more to deal than party 1 takes');
  t.true(await until(() => nodes.dealer.dealing === 0));
  const other = await Session.connect(nodes.dial, nodes.token);
  await other.write(1, table, [64, 8]);
  t.true(right((await other.run(request(1))).outputs[0]!));
  other.close();
  const { outputs } = await prepared.run();
  t.true(outputs[0]!.every((v) => Math.abs(v - 8) < 0.01));
  s.close();
});
