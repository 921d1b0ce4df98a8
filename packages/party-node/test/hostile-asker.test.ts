/** What a client with a grant can try, and what each node says by itself; others notice nothing. */
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import test from 'ava';
import { limits } from '../src/index.js';
import type { MessageOf, ModelRef } from '../src/wire/messages.js';
import { jsonBytes } from '../src/wire/messages.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { startEngines, until } from './engines.js';
import { asker, askerOf, askSmall, publishSmall } from './publishing.js';
import { RawClient } from './raw-client.js';

const BAR = 2 ** -12;
const e = await startEngines();
const { generation, programs } = await publishSmall(e);
const model: ModelRef = { name: 'small', version: '1', generation };
const { hash } = programs[0]!;
const rest = e.party0.budget.room;
test.after.always(() => e.stop());

const hostile = (open = true, subject = 'mallory') => RawClient.connect(e.as(asker({ subject })), e.token, open);
const ticketOf = () => bytesToHex(randomBytes(16));
const error = (m: unknown) => (m as MessageOf<'failed'> | undefined)?.error;

async function prepare(
  c: RawClient,
  more: Partial<MessageOf<'prepare'>> = {},
  bindings: unknown = [],
  roles: readonly NodeRole[] = NODES,
): Promise<string> {
  const ticket = ticketOf();
  const m: MessageOf<'prepare'> = { t: 'prepare', ticket, program: hash, mode: 'streamed', model, ...more };
  for (const role of roles) await c.links[role].send(m, jsonBytes(bindings));
  return ticket;
}

/** The code that each node by itself refuses a run with. */
async function refusals(c: RawClient, more: Partial<MessageOf<'prepare'>>, bindings: unknown = []): Promise<string[]> {
  const codes: string[] = [];
  for (const role of NODES) {
    const ticket = await prepare(c, more, bindings, [role]);
    const got = await c.next(({ m, from }) => m.t === 'abort' && m.ticket === ticket && from === role);
    codes.push(error(got?.m)?.code ?? 'none');
  }
  return codes;
}

async function others(t: { true(v: boolean): void }): Promise<void> {
  const asking = await askerOf(e, asker({ subject: 'honest' }));
  t.true((await askSmall(asking)) < BAR);
  asking.close();
}

test.serial('a program of its own, a publisher’s command, a run to be prepared: refused at every node', async (t) => {
  const c = await hostile();
  for (const role of NODES) {
    const program = await c.ask<'program'>(role, { t: 'program', hash }, new TextEncoder().encode('{}'));
    t.is(error(program)?.code, 'NOT_ALLOWED');
    for (const m of [
      { t: 'stage' },
      { t: 'commit', generation },
      { t: 'discard', generation },
      { t: 'unpublish', name: 'small', version: '1' },
      { t: 'upload', sha256: hash },
    ])
      t.is(error(await c.ask(role, m as never))?.code, 'NOT_ALLOWED', m.t);
  }
  t.deepEqual(await refusals(c, { model: undefined }), Array(3).fill('NOT_ALLOWED'));
  t.deepEqual(await refusals(c, { mode: 'ahead' }), Array(3).fill('NOT_ALLOWED'));
  t.deepEqual(await refusals(c, {}, [{ kind: 'share' }]), Array(3).fill('NOT_ALLOWED'));
  t.deepEqual(await refusals(c, { program: '00'.repeat(32) }), Array(3).fill('MODEL_UNKNOWN'));
  t.deepEqual(await refusals(c, { model: { ...model, generation: '00'.repeat(16) } }), Array(3).fill('MODEL_UNKNOWN'));
  t.deepEqual(await refusals(c, { model: { ...model, name: 'other' } }), Array(3).fill('GRANT_REFUSED'));
  await others(t);
  c.close();
});

test.serial('ten thousand programs cost nothing that stays', async (t) => {
  const c = await hostile();
  await until(() => e.party0.budget.room === rest);
  const held = e.party0.budget.room;
  const text = new TextEncoder().encode('{"version":1}');
  const program = () => ({ t: 'program' as const, hash: bytesToHex(randomBytes(32)) });
  for (let sent = 1; sent < 10_000; sent++) {
    await c.links.party0.send({ ...program(), re: 10_000 + sent }, text);
    // Its node has this one thread, and so have the others here
    if (sent % 500 === 499) t.is(error(await c.ask('party0', program(), text))?.code, 'NOT_ALLOWED');
    if (sent === 5_000) await others(t);
  }
  t.true(await until(() => e.party0.budget.room === held));
  c.close();
});

test.serial('the weights’ numbers, another session’s tensors and a kept value are not to be had', async (t) => {
  const [c, victim] = [await hostile(), await hostile(true, 'victim')];
  await victim.put(1, [4, 3]);
  const start = async (names: { shares: number[]; keeps: number[] }) => {
    const ticket = await prepare(c);
    await c.next(({ m }) => m.t === 'prepared' && m.ticket === ticket);
    for (const role of NODES) {
      const bytes = role === 'dealer' ? 0 : e[role].inputBytes(e[role].runs.get(ticket)! as never);
      await c.start(role, ticket, names, new Uint8Array(bytes));
    }
    return error((await c.end(ticket))?.m)?.code;
  };
  t.is(await start({ shares: [1], keeps: [] }), 'TENSOR_LOST');
  await c.put(1, [4, 3]);
  t.is(await start({ shares: [1], keeps: [7] }), 'BAD_MESSAGE');
  t.is(await start({ shares: [], keeps: [] }), 'BAD_MESSAGE');
  t.is(await start({ shares: [1, 1], keeps: [] }), 'BAD_MESSAGE');
  await c.put(2, [3, 4]);
  t.is(await start({ shares: [2], keeps: [] }), 'BAD_MESSAGE');
  await others(t);
  c.close();
  victim.close();
});

test.serial('a second set of inputs under the same masks ends the run', async (t) => {
  const c = await hostile();
  await c.put(1, [4, 3]);
  const ticket = await prepare(c);
  await c.next(({ m }) => m.t === 'prepared' && m.ticket === ticket);
  const bytes = e.party0.inputBytes(e.party0.runs.get(ticket)! as never);
  for (let i = 0; i < 2; i++)
    await c.start('party0', ticket, { shares: [1], keeps: [] }, new Uint8Array(bytes).fill(i));
  t.is(error((await c.end(ticket))?.m)?.code, 'INPUT_REFUSED');
  await others(t);
  c.close();
});

test.serial(
  'shapes of 2^31, more tensors and more bytes than a text takes: refused before memory is taken',
  async (t) => {
    const c = await hostile();
    const seed = { t: 'put' as const, fracBits: 16, bits: 64, magnitude: 14, seed: true };
    const before = e.party0.budget.room;
    const { seed: _, ...type } = { ...seed, tensor: 1, shape: [1] };
    const opening = { ...type, t: 'putOpened' as const, width: 48, opening: bytesToHex(randomBytes(16)) };
    const opened = await c.ask<'putOpened'>('dealer', opening, new Uint8Array(64));
    t.is(error(opened)?.code, 'NOT_ALLOWED', "weights are publishers'");
    const huge = await c.ask<'put'>('dealer', { ...seed, tensor: 1, shape: [2 ** 31] });
    t.is(error(huge)?.code, 'LIMIT_EXCEEDED');
    const large = await c.ask<'put'>(
      'party0',
      { ...seed, tensor: 2, shape: [limits.askerBytes / 8] },
      new Uint8Array(32),
    );
    t.is(error(large)?.code, 'LIMIT_EXCEEDED');
    for (let i = 0; i < limits.askerTensors; i++)
      t.is((await c.ask<'put'>('dealer', { ...seed, tensor: 10 + i, shape: [0] }))?.t, 'done');
    t.is(error(await c.ask<'put'>('dealer', { ...seed, tensor: 9999, shape: [0] }))?.code, 'LIMIT_EXCEEDED');
    t.is(e.party0.budget.room, before);
    await others(t);
    c.close();
  },
);

test.serial(
  'masked rows that are no one-hot rows give their sender an answer that means nothing, and no more',
  async (t) => {
    const c = await hostile();
    await c.put(1, [4, 3]);
    const ticket = await prepare(c);
    for (const role of NODES) await c.next(({ m, from }) => m.t === 'prepared' && m.ticket === ticket && from === role);
    const bytes = e.party0.inputBytes(e.party0.runs.get(ticket)! as never);
    const rows = randomBytes(bytes);
    for (const role of NODES)
      await c.start(role, ticket, { shares: [1], keeps: [] }, ...(role === 'dealer' ? [] : [rows]));
    t.is((await c.end(ticket))?.m.t, 'result');
    await others(t);
    c.close();
  },
);

test.serial('a subject has so many connections and runs, whatever it calls its sessions', async (t) => {
  const all: RawClient[] = [];
  for (let i = 0; i < limits.subjectConnections; i++) all.push(await hostile());
  const more = await hostile(false);
  const refused = await more.ask<'open'>('party0', { t: 'open', session: more.session });
  t.is(error(refused)?.code, 'TOO_MANY_CONNECTIONS');
  t.true((error(refused)?.retryAfterMs ?? 0) > 0);
  // Announced to one node, never started
  const tickets: string[] = [];
  for (const c of all) tickets.push(await prepare(c, {}, [], ['dealer']));
  const codes = await Promise.all(
    tickets.map(async (ticket, i) => {
      const got = await all[i]!.next(({ m }) => m.t === 'abort' && m.ticket === ticket, 5_000);
      return (got?.m as MessageOf<'abort'> | undefined)?.error.code;
    }),
  );
  t.is(codes.filter((code) => code === 'BUSY').length, limits.subjectConnections - limits.subjectRuns);
  await others(t);
  for (const c of [...all, more]) c.close();
  t.true(await until(() => [...e.dealer.runs.values()].every((run) => run.isFree)));
});
