import test from 'ava';
import { readManifest } from '../../src/wire/manifest.js';
import { NODES } from '../../src/wire/tokens.js';
import { HEAD, headerOf } from '../attacks/mutations.js';
import { startEngines } from '../engines.js';
import { asker, KEY, publisher, publishSmall } from '../publishing.js';
import { CLIENTS, type Conversation, recordConversation, type Speaker } from './conversation.js';
import { planOf, type Service, type SessionPlan, speakerOf } from './plan.js';
import { recordClients } from './service-speech.js';

let conversation: Conversation;
let service: Service;
test.before(async () => {
  conversation = await recordConversation();
  const e = await startEngines();
  const { name, version, generation, programs } = await publishSmall(e, 'base');
  const who = { token: e.token, key: KEY };
  await recordClients(conversation, { asker: e.as(asker()), publisher: e.as(publisher()) }, who, who);
  e.stop();
  const hash = '11'.repeat(32);
  const listed = { name, version, generation, hash, publisher: 'acme', published: 1, state: 'live' as const };
  service = { served: { listed, programs: programs.map((p) => p.hash) }, key: KEY };
});

const kindsOf = (frames: readonly { frame: Buffer }[]) => new Set(frames.map(({ frame }) => headerOf(frame)?.t));
const numberOf = (as: Speaker) => Array.from({ length: 1000 }, (_, i) => i).find((i) => speakerOf(i) === as)!;
const framesOf = ({ lines }: SessionPlan) =>
  Object.entries(lines).flatMap(([speaker, to]) =>
    Object.entries(to).flatMap(([role, list]) =>
      list.map(({ frame, ...rest }) => ({ speaker, role, ...rest, frame: frame.toString('hex') })),
    ),
  );

test('a conversation has every message that clients and nodes send in it', (t) => {
  const client = ['open', 'program', 'put', 'putOpened', 'free', 'prepare', 'run', 'cancel'];
  for (const role of NODES)
    t.true(
      client.every((kind) => kindsOf(conversation.client[role]!).has(kind)),
      role,
    );
  for (const kind of ['agree', 'confirm', 'round', 'kept'])
    t.true(kindsOf(conversation.party1.party0!).has(kind), kind);
  for (const role of NODES) {
    for (const kind of ['put', 'program', 'upload', 'stage', 'commit', 'unpublish'])
      t.true(kindsOf(conversation.publisher[role]!).has(kind), kind);
    for (const kind of ['models', 'manifest', 'put', 'prepare', 'run'])
      t.true(kindsOf(conversation.asker[role]!).has(kind), kind);
  }
  for (const kind of ['agree', 'turn', 'material']) t.true(kindsOf(conversation.dealer.party1!).has(kind), kind);
});

test('what a session sends follows from the seed and its number', (t) => {
  for (const as of [...CLIENTS, ...NODES] as const) {
    const number = numberOf(as);
    const once = framesOf(planOf(conversation, 5, number, service));
    t.deepEqual(framesOf(planOf(conversation, 5, number, service)), once, as);
    t.notDeepEqual(framesOf(planOf(conversation, 6, number, service)), once, as);
    t.true(
      once.some(({ changed }) => changed),
      as,
    );
  }
});

test('sessions have tickets of their own, and what is not changed is a frame that a node reads', (t) => {
  const tickets = new Set<unknown>();
  const first = numberOf('client');
  for (const number of [first, first + 1, first + 2])
    for (const { frame, changed } of Object.values(planOf(conversation, 1, number).lines.client).flat()) {
      if (changed) continue;
      const header = headerOf(frame);
      t.truthy(header?.t);
      t.true(frame.length - HEAD - frame.readUInt16LE(2) === frame.readDoubleLE(8));
      if (header?.t === 'prepare') tickets.add(`${number} ${header.ticket}`);
    }
  const alone = new Set([...tickets].map((name) => String(name).split(' ')[1]));
  t.is(alone.size, tickets.size);
});

test('a publisher has models of its own, signed, and the same ones for all three nodes', (t) => {
  const first = numberOf('publisher');
  const found = new Map<string, Set<string>>();
  for (let number = first; speakerOf(number) === 'publisher'; number++)
    for (const [role, lines] of Object.entries(planOf(conversation, 1, number, service).lines.publisher))
      for (const { frame, changed } of lines) {
        if (changed || headerOf(frame)?.t !== 'stage') continue;
        const signed = JSON.parse(frame.subarray(HEAD + frame.readUInt16LE(2)).toString());
        const { generation, version } = readManifest(signed, 'client');
        t.regex(version, /^s\d+-\d$/);
        found.set(generation, (found.get(generation) ?? new Set()).add(role));
      }
  t.true([...found.values()].some((roles) => roles.size === NODES.length));
});

test('a node says what models it has, and has runs prepared', (t) => {
  for (const role of NODES) {
    const { lines } = planOf(conversation, 1, numberOf(role), service);
    const kinds = kindsOf(Object.values(lines[role]).flat());
    for (const kind of ['have', 'pool', 'ready', 'computed']) t.true(kinds.has(kind), `${role} ${kind}`);
  }
});
