import test from 'ava';
import { NODES } from '../../src/wire/tokens.js';
import { HEAD, headerOf } from '../attacks/mutations.js';
import { type Conversation, recordConversation, type Speaker } from './conversation.js';
import { planOf, type SessionPlan, speakerOf } from './plan.js';

let conversation: Conversation;
test.before(async () => {
  conversation = await recordConversation();
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
  const client = ['open', 'program', 'put', 'free', 'prepare', 'run', 'cancel'];
  for (const role of NODES)
    t.true(
      client.every((kind) => kindsOf(conversation.client[role]!).has(kind)),
      role,
    );
  for (const kind of ['agree', 'confirm', 'round', 'kept'])
    t.true(kindsOf(conversation.party1.party0!).has(kind), kind);
  for (const kind of ['agree', 'turn', 'material']) t.true(kindsOf(conversation.dealer.party1!).has(kind), kind);
});

test('what a session sends follows from the seed and its number', (t) => {
  for (const as of ['client', ...NODES] as const) {
    const number = numberOf(as);
    const once = framesOf(planOf(conversation, 5, number));
    t.deepEqual(framesOf(planOf(conversation, 5, number)), once, as);
    t.notDeepEqual(framesOf(planOf(conversation, 6, number)), once, as);
    t.true(
      once.some(({ changed }) => changed),
      as,
    );
  }
});

test('sessions have tickets of their own, and what is not changed is a frame that a node reads', (t) => {
  const tickets = new Set<unknown>();
  for (const number of [20, 21, 22])
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
