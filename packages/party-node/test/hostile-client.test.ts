/** What one client can do to a node and to other clients: nothing that outlasts it, nothing to the others. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { type Graph, writtenTensor } from '@secformer/secformer-ops';
import test from 'ava';
import { limits, type RunRequest, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';
import type { Link } from '../src/wire/link.js';
import { type BoundInput, jsonBytes, type MessageOf } from '../src/wire/messages.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { startEngines, until } from './engines.js';
import { RawClient } from './raw-client.js';

const PARTIES = ['party0', 'party1'] as const;
const failures: string[] = [];
const trio = startTrio((why) => failures.push(why));
test.after.always(() => trio.stop());
const attacker = (open = true) => RawClient.connect(trio.dial, trio.token, open);

const double: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 2] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 0], shape: [2, 2] },
  ],
  outputs: [1],
};

/** A run of somebody else. @returns milliseconds */
async function honest(
  t: { true(v: boolean, m?: string): void },
  at: { dial: (role: never) => Promise<Link>; token: typeof trio.token } = trio,
): Promise<number> {
  const start = performance.now();
  const s = await Session.connect(at.dial as typeof trio.dial, at.token);
  await s.write(1, Float32Array.of(1, 2, 3, 4), [2, 2]);
  const { outputs } = await s.run({ graph: double, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
  t.true(
    [7, 10, 15, 22].every((v, i) => Math.abs(outputs[0]![i]! - v) < 1e-3),
    String(outputs[0]),
  );
  s.close();
  return performance.now() - start;
}

const error = (m: unknown) => (m as MessageOf<'failed'>).error;

test.serial('a Program whose refusal would be too long a text gets a short one, and the node lives', async (t) => {
  const client = await attacker();
  const inputs = Array.from({ length: 4096 }, () => ({
    kind: 'share',
    shape: [1, 2, 3, 4, 5, 6, 7, 8],
    fracBits: 16,
    bits: 64,
    magnitude: 14,
  }));
  const program = {
    version: 1,
    inputs,
    constants: [],
    instructions: [{ op: 'add', in: inputs.map((_, i) => i) }],
    outputs: [],
    keeps: [],
  };
  for (const role of NODES) {
    const answer = await client.ask<'program'>(role, { t: 'program', hash: '00'.repeat(32) }, jsonBytes(program));
    t.is(answer?.t, 'failed');
    t.is(error(answer).code, 'BAD_PROGRAM');
    t.true(error(answer).message.length <= 1000, String(error(answer).message.length));
  }
  await honest(t);
  client.close();
  t.deepEqual(failures, []);
});

test.serial('a client that does not read and leaves while an answer waits for it takes nobody along', async (t) => {
  const wide = 2 ** 22;
  const graph: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [wide] },
      { op: 'add', in: [0, 0], shape: [wide] },
    ],
    outputs: [1],
  };
  let stalled = false;
  const raw: Link[] = [];
  const slow = async (role: 'party0' | 'party1' | 'dealer') => {
    const link = await trio.dial(role);
    raw.push(link);
    return link;
  };
  const client = await RawClient.connect(slow, trio.token);
  for (const link of raw) {
    const read = link.onFrame;
    link.onFrame = (frame) => (stalled ? new Promise(() => {}) : read(frame));
  }
  await client.put(1, [wide]);
  const { hash, bindings } = await client.program(graph, 1);
  const ticket = await client.prepare(hash, bindings);
  for (const role of NODES) t.truthy(await client.next(({ from, m }) => from === role && m.t === 'prepared'));
  stalled = true;
  for (const role of NODES) await client.start(role, ticket, { shares: [1], keeps: [] });
  // Its result of 32 MiB waits at both parties, and answers behind it
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const role of NODES)
    await client.links[role].send({
      t: 'put',
      re: 99,
      tensor: 2,
      shape: [1],
      fracBits: 16,
      bits: 64,
      magnitude: 14,
      seed: false,
    });
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await honest(t);
  t.deepEqual(failures, []);
});

test.serial(
  'one connection is one session: a second open is refused, and what was counted goes with the client',
  async (t) => {
    const nodes = await startEngines();
    t.teardown(() => nodes.stop());
    const client = await RawClient.connect(nodes.dial, nodes.token);
    const all = nodes.party0.budget.left;
    const n = 2 ** 16;
    for (let i = 1; i < 4; i++) {
      await client.put(i, [n]);
      const again = await client.ask<'open'>('party0', { t: 'open', session: bytesToHex(randomBytes(16)) });
      t.is(again?.t, 'failed');
      t.regex(error(again).message, /'open' twice/);
      t.is(all - nodes.party0.budget.left, i * 8 * n);
    }
    client.close();
    t.true(await until(() => nodes.party0.budget.left === all));
    await honest(t, nodes);
  },
);

test.serial('commands before a session are refused, whatever their size', async (t) => {
  const client = await attacker(false);
  await client.links.party0.send({ t: 'program', re: 1, hash: '00'.repeat(32) }, new Uint8Array(2 ** 20));
  t.true(await until(() => client.closed.has('party0')));
  t.regex(client.closed.get('party0')!, /before 'open'/);
  client.close();
  await honest(t);
});

test.serial(
  'a small message that asks for gigabytes is refused before any are taken, and the connection goes on',
  async (t) => {
    const nodes = await startEngines(2 ** 30);
    t.teardown(() => nodes.stop());
    const client = await RawClient.connect(nodes.dial, nodes.token);
    const before = process.memoryUsage().arrayBuffers;
    const put = { t: 'put' as const, tensor: 1, shape: [2 ** 28], fracBits: 16, bits: 64, magnitude: 14, seed: true };
    const answer = await client.ask<'put'>('party0', put, new Uint8Array(32));
    t.is(error(answer).code, 'LIMIT_EXCEEDED');
    // One bit a word: 64 times as much at party 1
    const one = await client.ask<'put'>(
      'party1',
      { ...put, bits: 1, shape: [2 ** 27], fracBits: -14, magnitude: 14, seed: false },
      new Uint8Array(2 ** 24),
    );
    t.is(error(one).code, 'LIMIT_EXCEEDED');
    t.true(process.memoryUsage().arrayBuffers - before < 2 ** 26);
    t.deepEqual(
      (await client.put(2, [4])).map((m) => m?.t),
      ['done', 'done', 'done'],
    );
    client.close();
  },
);

test.serial('unfinished messages are counted before they are there', async (t) => {
  const nodes = await startEngines(2 ** 30);
  t.teardown(() => nodes.stop());
  let firstOnly = false;
  const dial = async (role: NodeRole) => {
    const link = await nodes.dial(role);
    const send = link.send.bind(link);
    // Continuations never come
    link.send = async (frame) => {
      if (!firstOnly || frame[1] === 0) await send(frame);
    };
    return link;
  };
  const client = await RawClient.connect(dial, nodes.token);
  const all = nodes.party1.budget.left;
  firstOnly = true;
  const n = 2 ** 23;
  const bytes = new Uint8Array(8 * n);
  for (let i = 1; i <= 40; i++)
    await client.links.party1.send(
      { t: 'put', re: i, tensor: i, shape: [n], fracBits: 16, bits: 64, magnitude: 14, seed: false },
      bytes,
    );
  // Each takes 64 MiB and as much again while it is unpacked, of a gibibyte
  const refusals = async (expected: number) => {
    let refused = 0;
    // A loaded machine takes its time for the first, and would for one too many
    while (await client.next(({ m }) => m.t === 'failed', refused < expected ? 20_000 : 300)) refused++;
    return refused;
  };
  t.is(await refusals(33), 33);
  // Programs of 48 MiB count as well: of 128 MiB that are left, less what one session may not have
  const text = new Uint8Array(48 * 2 ** 20);
  for (let i = 1; i <= 4; i++)
    await client.links.party1.send({ t: 'program', re: 100 + i, hash: '00'.repeat(32) }, text);
  t.is(await refusals(3), 3);
  t.true(nodes.party1.budget.left >= 0);
  client.close();
  t.true(await until(() => nodes.party1.budget.left === all));
});

test.serial('expanding a large share of one client holds up nobody', async (t) => {
  const client = await attacker();
  const usual = await honest(t);
  // Some seconds of key stream at party 0
  const put = {
    t: 'put' as const,
    re: 7,
    tensor: 1,
    shape: [2 ** 26],
    fracBits: 16,
    bits: 64,
    magnitude: 14,
    seed: true,
  };
  await client.links.party0.send(put, new Uint8Array(32));
  const slow = await honest(t);
  t.log(`an honest session: ${usual.toFixed(0)} ms, while a share of 512 MiB is expanded ${slow.toFixed(0)} ms`);
  // What holds everybody up does so for longer on a busy machine too
  t.true(slow < Math.max(2_000, 4 * usual));
  client.close();
});

test.serial('runs that are announced and never started take no turn of others', async (t) => {
  const client = await attacker();
  await client.put(1, [256, 1024]);
  // Corrections beyond what may lie at party 1
  const nodes: Graph['nodes'] = [{ op: 'input', slot: 0, in: [], shape: [256, 1024] }];
  for (let i = 0; i < 24; i++) nodes.push({ op: 'gelu', form: 'erf', in: [i], shape: [256, 1024] });
  const { hash, bindings } = await client.program({ nodes, outputs: [24] }, 1);
  for (let i = 0; i < 4; i++) await client.prepare(hash, bindings);
  await client.next(({ from, m }) => from === 'dealer' && m.t === 'prepared');
  const ms = await honest(t);
  t.log(`${ms.toFixed(0)} ms beside four runs that nobody starts`);
  // Not until those runs are given up, nor until the time for a frame is over
  t.true(ms < limits.startMs);
  // To the dealer alone
  for (let i = 0; i < 8; i++) await client.prepare(hash, bindings, 'streamed', ['dealer']);
  t.true((await honest(t)) < limits.startMs);
  // And what was announced ends by itself
  const ends = await Promise.all(
    Array.from({ length: 4 }, () => client.next(({ m }) => m.t === 'abort', 2 * limits.startMs + 5_000)),
  );
  t.true(ends.every(Boolean));
  client.close();
});

test.serial(
  'a session has so many runs, and announcements to one node alone push out no agreement of another session',
  async (t) => {
    const client = await attacker();
    await client.put(1, [2, 2]);
    const { hash, bindings } = await client.program(double, 1);
    const list = jsonBytes(bindings);
    let stop = false;
    // As many as one node once remembered of all sessions together, again and again, as fast as the node takes them
    const flood = (async () => {
      while (!stop) {
        for (let i = 0; i < 1100; i++)
          await client.links.party0.send(
            { t: 'prepare', ticket: bytesToHex(randomBytes(16)), program: hash, mode: 'streamed' },
            list,
          );
        await client.put(2, [1], ['party0']);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    try {
      for (let i = 0; i < 5; i++) await honest(t);
    } finally {
      stop = true;
      await flood;
    }
    const busy = await client.next(({ m }) => m.t === 'abort' && m.error.code === 'BUSY');
    t.truthy(busy);
    t.true((busy!.m as MessageOf<'abort'>).error.retryAfterMs! > 0);
    client.close();
  },
);

test.serial('parties that are bound to different tensors notice it before they begin', async (t) => {
  const client = await attacker();
  const weights: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [2, 2] },
      { op: 'input', slot: 1, in: [], shape: [2, 2] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [2, 2] },
    ],
    outputs: [2],
  };
  await client.put(1, [2, 2]);
  await client.put(2, [2, 2]);
  const { hash, planned, bindings } = await client.program(weights, 2);
  t.true(planned.keeps.length > 0);
  const ticket = await client.prepare(hash, bindings);
  const first = await client.next(({ from, m }) => from === 'dealer' && m.t === 'prepared');
  for (const role of PARTIES) t.truthy(await client.next(({ from, m }) => from === role && m.t === 'prepared'));
  const keeps = planned.keeps.map((k) => (k.kind === 'opened' ? [1, 2][k.slot]! : 0));
  for (const role of NODES) await client.start(role, ticket, { shares: [1, 2], keeps });
  t.is((await client.end(ticket))?.m.t, 'result');
  t.is((await client.end(ticket))?.m.t, 'result');
  // Openings are there: of tensor 1 for party 0, of tensor 2, which has the same type, for party 1
  const { run } = first!.m as MessageOf<'prepared'>;
  const widths = planned.keeps.map((k) => (k.kind === 'opened' ? k.width : 0));
  const again = await client.program(weights, [
    { ...writtenTensor, stored: [widths[0]!] },
    { ...writtenTensor, stored: [widths[1]!] },
  ]);
  const bound = (tensors: number[]) =>
    again.planned.bindings.map(
      (b): BoundInput =>
        b.kind === 'opened' ? { kind: 'opened', tensor: tensors[b.slot]!, width: b.width, run } : { kind: 'share' },
    );
  const shares = (ticket: string) => NODES.map((role) => client.start(role, ticket, { shares: [1, 2], keeps: [] }));
  const right = await client.prepare(again.hash, bound([1, 2]));
  for (const role of NODES) t.truthy(await client.next(({ from, m }) => from === role && m.t === 'prepared'));
  await Promise.all(shares(right));
  t.is((await client.end(right))?.m.t, 'result');
  const apart = await client.prepare(again.hash, bound([1, 2]), 'streamed', ['party0', 'dealer']);
  await client.prepare(again.hash, bound([2, 1]), 'streamed', ['party1'], apart);
  const mode = await client.prepare(again.hash, bound([1, 2]), 'streamed', ['party0', 'dealer']);
  await client.prepare(again.hash, bound([1, 2]), 'ahead', ['party1'], mode);
  for (const ticket of [apart, mode]) {
    const end = await client.end(ticket);
    t.is(end?.m.t, 'abort');
    t.regex(error(end!.m).message, /different programs, inputs or modes/);
  }
  client.close();
});

test.serial('a model of thousands of weights and hundreds of lookups works again and again', async (t) => {
  t.timeout(120_000);
  const s = await Session.connect(trio.dial, trio.token);
  const count = 1500;
  const lookups = 450;
  const nodes: Graph['nodes'] = [{ op: 'input', slot: 0, in: [], shape: [1, 1] }];
  const slots: RunRequest['slots'] = [{ tensor: 1 }];
  await s.write(1, Float32Array.of(1), [1, 1]);
  let sum = 0;
  const add = (x: number) => {
    sum = sum === 0 ? x : nodes.push({ op: 'add', in: [sum, x], shape: [1, 1] }) - 1;
  };
  for (let i = 0; i < count; i++) {
    await s.write(2 + i, Float32Array.of(1 / 64), [1, 1]);
    slots.push({ tensor: 2 + i });
    const w = nodes.push({ op: 'input', slot: slots.length - 1, in: [], shape: [1, 1] }) - 1;
    add(nodes.push({ op: 'matMul', transposeA: false, transposeB: false, in: [0, w], shape: [1, 1] }) - 1);
  }
  await s.write(9999, Float32Array.of(0, 1 / 8), [2, 1]);
  slots.push({ tensor: 9999 });
  const table = nodes.push({ op: 'input', slot: slots.length - 1, in: [], shape: [2, 1] }) - 1;
  for (let i = 0; i < lookups; i++) {
    slots.push({ indices: Int32Array.of(i % 2) });
    const hot = nodes.push({ op: 'oneHot', slot: slots.length - 1, depth: 2, in: [], shape: [1, 2] }) - 1;
    add(nodes.push({ op: 'matMul', transposeA: false, transposeB: false, in: [hot, table], shape: [1, 1] }) - 1);
  }
  const request: RunRequest = { graph: { nodes, outputs: [sum] }, slots, revealed: [0], kept: [], suite: 'exact' };
  const want = count / 64 + lookups / 16;
  for (let run = 0; run < 3; run++) {
    const { outputs } = await s.run(request);
    t.true(Math.abs(outputs[0]![0]! - want) < 0.05, `run ${run}: ${outputs[0]![0]} for ${want}`);
  }
  s.close();
});
