import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import { NodeError } from '../src/index.js';
import { WIRE_VERSION } from '../src/limits.js';
import { MessageLink } from '../src/wire/framing.js';
import { type HandshakeOptions, handshake } from '../src/wire/handshake.js';
import { freshKeyPair, type KeyPair } from '../src/wire/keys.js';
import type { Message } from '../src/wire/messages.js';
import type { Principal } from '../src/wire/principal.js';
import type { NodeRole, WireRole } from '../src/wire/tokens.js';
import { client, closeAll, linkOf, meet, side, tokensOf } from './handshakes.js';

test.after.always(closeAll);

const keys = { party0: freshKeyPair(), party1: freshKeyPair(), dealer: freshKeyPair(), client: freshKeyPair() };
const pins = { party0: keys.party0.public, party1: keys.party1.public, dealer: keys.dealer.public };
const known: Principal = {
  kind: 'publisher',
  name: 'acme',
  key: '00'.repeat(32),
  limits: { models: 1, bytes: 1, runs: 1 },
};
const bytes = (fill: number) => new Uint8Array(32).fill(fill);
/** A side that has a key and knows the nodes', over a connection that is bound. */
const keyed = (mine: WireRole, more: Partial<HandshakeOptions> = {}): HandshakeOptions =>
  side(mine, {}, { key: keys[mine], pins, channel: { binding: bytes(7) }, ...more });
const client1 = (more: Partial<HandshakeOptions> = {}) => keyed('client', { expect: 'dealer', ...more });
const dealer1 = (more: Partial<HandshakeOptions> = {}) => keyed('dealer', { identify: () => known, ...more });

test('by keys: each side knows the other by its key, and what a client is let do', async (t) => {
  const claims: unknown[] = [];
  const identify = (claim: unknown) => {
    claims.push(claim);
    return known;
  };
  for (const [a, b, principal] of [
    [keyed('party1', { expect: 'party0' }), keyed('party0'), { kind: 'node', role: 'party1' }],
    [client1({ grant: 'a.b.c' }), dealer1({ identify }), known],
    [client1({ channel: {} }), dealer1({ identify }), known],
    // A certificate that nobody verified will do where both sides are bound
    [client1({ channel: { binding: bytes(7), unverified: 'SELF_SIGNED' } }), dealer1({ identify }), known],
    [client1(), dealer1({ identify, channel: {} }), known],
    [
      keyed('party0', { channel: {}, expect: 'dealer' }),
      dealer1({ unboundNodes: true }),
      { kind: 'node', role: 'party0' },
    ],
  ] as const) {
    const [mine, theirs] = await meet(a, b).both;
    if (mine.status !== 'fulfilled' || theirs.status !== 'fulfilled')
      return t.fail(`${mine.status === 'rejected' && mine.reason} ${theirs.status === 'rejected' && theirs.reason}`);
    t.deepEqual(mine.value.seed.bytes, theirs.value.seed.bytes);
    t.deepEqual(theirs.value.principal, principal);
    t.is(theirs.value.public, a.key!.public);
    t.deepEqual(mine.value.principal, { kind: 'node', role: b.mine as NodeRole });
    t.is(mine.value.public, b.key!.public);
  }
  t.deepEqual(claims[0], { public: keys.client.public, grant: 'a.b.c' });
  t.deepEqual(claims[1], { public: keys.client.public, grant: undefined });
});

test('at a node that has both, by a token a client is an owner, and by a key what the key is', async (t) => {
  const node = dealer1({ tokens: { client } });
  const [, owner] = await meet(side('client', { client }, { expect: 'dealer' }), node).both;
  t.true(owner.status === 'fulfilled' && owner.value.principal.kind === 'owner' && owner.value.public === undefined);
  const [, publisher] = await meet(client1(), node).both;
  t.true(publisher.status === 'fulfilled' && publisher.value.principal === known);
});

test('by keys: everything else is refused on both sides', async (t) => {
  const stranger = freshKeyPair();
  const refuse = () => {
    throw new NodeError('client', 'GRANT_REFUSED', 'shows a grant that is over');
  };
  const half = (one: keyof typeof keys): KeyPair => ({ secret: stranger.secret, public: keys[one].public });
  const cases: [string, HandshakeOptions, HandshakeOptions, RegExp, string?][] = [
    ['a stranger as party 1', keyed('party1', { key: stranger }), keyed('party0'), /another key than the network file/],
    ['party 0 as party 1', keyed('party1', { key: keys.party0 }), keyed('dealer'), /another key than the network/],
    ['a public key alone', keyed('party1', { key: half('party1') }), keyed('party0'), /has not the key that it shows/],
    ['a client’s public key alone', client1({ key: half('client') }), dealer1(), /has not the key that it shows/],
    ['a stranger as the dealer', client1(), dealer1({ key: stranger }), /another key than the network file/],
    [
      'a refused grant',
      client1({ grant: 'a.b.c' }),
      dealer1({ identify: refuse }),
      /grant that is over/,
      'GRANT_REFUSED',
    ],
    ['no access file', client1(), keyed('dealer'), /no --access file/],
    ['no key at the node', client1(), side('dealer', { client }, { identify: () => known }), /was given tokens alone/],
    ['no network file at the client', client1({ pins: {} }), dealer1(), /no network file/],
    ['no network file at the node', keyed('party0'), dealer1({ pins: undefined }), /no network file/],
    ['a node without a key', side('party0', tokensOf('party0'), {}), dealer1(), /shows no key/],
    ['no owner sessions', side('client', { client }, {}), dealer1(), /takes no token of clients/],
    ['an unbound node', keyed('party0', { channel: {} }), dealer1(), /--behind-tls-proxy/],
    ['unbound at the other side', keyed('party0'), dealer1({ channel: {} }), /--behind-tls-proxy/],
    [
      'behind a proxy with a certificate that is not verified',
      keyed('party0', { channel: { binding: bytes(7), unverified: 'SELF_SIGNED' }, expect: 'dealer' }),
      dealer1({ channel: {}, unboundNodes: true }),
      /not to be trusted \(SELF_SIGNED\)/,
    ],
    [
      'the same of a client',
      client1({ channel: { unverified: 'SELF_SIGNED' } }),
      dealer1(),
      /not to be trusted \(SELF_SIGNED\)/,
    ],
    [
      'a token over a certificate that is not verified',
      side('client', { client }, { channel: { binding: bytes(7), unverified: 'SELF_SIGNED' } }),
      dealer1({ tokens: { client } }),
      /not to be trusted \(SELF_SIGNED\)/,
    ],
  ];
  for (const [what, a, b, message, code = 'NOT_AUTHENTICATED'] of cases)
    for (const r of await meet(a, b).both) {
      if (r.status !== 'rejected') return t.fail(`${what}: let in`);
      t.is(r.reason.code, code, what);
      t.regex(r.reason.message, message, what);
    }
});

test('whoever has the dealer’s public key alone is no dealer to a client', async (t) => {
  const key = { secret: freshKeyPair().secret, public: pins.dealer };
  const [mine] = await meet(client1(), dealer1({ key })).both;
  t.true(mine.status === 'rejected' && /has not the key that it shows/.test(mine.reason.message));
});

test('somebody between the two, whose TLS connections are two, gets no proof that either takes', async (t) => {
  const between = { channel: { binding: bytes(8) } };
  const tokens = { client };
  for (const [a, b] of [
    [keyed('party0', { expect: 'dealer' }), dealer1(between)],
    [client1(), dealer1(between)],
    [
      side('client', tokens, { channel: { binding: bytes(7) } }),
      side('dealer', tokensOf('dealer'), { side: 'accept', ...between }),
    ],
  ] as const) {
    const [mine, theirs] = await meet(a, b).both;
    t.true(mine.status === 'rejected' && mine.reason.code === 'NOT_AUTHENTICATED');
    t.true(theirs.status === 'rejected' && /something between the two ends TLS/.test(theirs.reason.message));
  }
});

/** The frames of a handshake pass through here, where they may be changed. */
function relayed(a: HandshakeOptions, b: HandshakeOptions, change: (m: Message, from: 'a' | 'b') => Message) {
  const [left, right] = [new MessageChannel(), new MessageChannel()];
  const near = new MessageLink(linkOf(left.port2), () => 'client');
  const far = new MessageLink(linkOf(right.port2), () => 'client');
  near.onMessage = (m) => void far.send(change(m, 'a')).catch(() => {});
  far.onMessage = (m) => void near.send(change(m, 'b')).catch(() => {});
  return Promise.allSettled([
    handshake(linkOf(left.port1), { ...a, side: 'dial' }),
    handshake(linkOf(right.port1), { ...b, side: 'accept' }),
  ]);
}

test('nothing of the hellos can be changed or left out on the way', async (t) => {
  const changes: Record<string, (m: Message, from: 'a' | 'b') => Message> = {
    'the grant': (m, from) => (m.t === 'hello' && from === 'a' ? { ...m, grant: 'a.b.d' } : m),
    'no grant': (m) => (m.t === 'hello' ? { ...m, grant: undefined } : m),
    'no key': (m, from) => (m.t === 'hello' && from === 'a' ? { ...m, public: undefined } : m),
    'not bound': (m) => (m.t === 'hello' ? { ...m, bound: undefined } : m),
    'one not bound': (m, from) => (m.t === 'hello' && from === 'b' ? { ...m, bound: false } : m),
    'another nonce': (m, from) => (m.t === 'hello' && from === 'b' ? { ...m, nonce: '00'.repeat(32) } : m),
    'another seed': (m) => (m.t === 'hello' ? { ...m, key: `09${'00'.repeat(31)}` } : m),
    'another key': (m, from) => (m.t === 'hello' && from === 'a' ? { ...m, public: pins.party0 } : m),
    'no signature': (m) => (m.t === 'proof' ? { t: 'proof' } : m),
    'a MAC': (m) => (m.t === 'proof' ? { t: 'proof', mac: '00'.repeat(32) } : m),
  };
  const honest = await relayed(client1({ grant: 'a.b.c' }), dealer1({ tokens: { client } }), (m) => m);
  t.deepEqual(
    honest.map((r) => r.status),
    ['fulfilled', 'fulfilled'],
  );
  for (const [what, change] of Object.entries(changes)) {
    const [mine, theirs] = await relayed(client1({ grant: 'a.b.c' }), dealer1({ tokens: { client } }), change);
    t.is(mine.status, 'rejected', what);
    t.is(theirs.status, 'rejected', what);
  }
});

test('a proof is of no use a second time, nor to the side that it came from', async (t) => {
  let proof: Message | undefined;
  await relayed(client1(), dealer1(), (m, from) => {
    if (m.t === 'proof' && from === 'a') proof = m;
    return m;
  });
  t.truthy(proof);
  const replayed = await relayed(client1(), dealer1(), (m, from) => (m.t === 'proof' && from === 'a' ? proof! : m));
  t.true(replayed[1].status === 'rejected' && /has not the key/.test(replayed[1].reason.message));
  // The dialling node's own proof comes back to it, with the dealer's hello as it was
  const answers: Record<string, Message> = {};
  const { port1, port2 } = new MessageChannel();
  const mirror = new MessageLink(linkOf(port2), () => 'party 0');
  mirror.onMessage = (m) => {
    if (m.t === 'hello') answers.hello = { ...m, role: 'dealer', public: pins.dealer, process: '44'.repeat(16) };
    const answer = m.t === 'hello' ? answers.hello! : m;
    if (m.t !== 'refused') void mirror.send(answer).catch(() => {});
  };
  await t.throwsAsync(handshake(linkOf(port1), keyed('party0', { expect: 'dealer' })), {
    code: 'NOT_AUTHENTICATED',
    message: /has not the key that it shows/,
  });
});

test('a stranger with a key hears the node’s public key, and no proof of it', async (t) => {
  const { port1, port2 } = new MessageChannel();
  handshake(linkOf(port2), dealer1({ side: 'accept' })).catch(() => {});
  const heard: Message[] = [];
  const link = new MessageLink(linkOf(port1), () => 'dealer');
  const closed = new Promise<void>((resolve) => {
    link.onClose = () => resolve();
  });
  link.onMessage = (m) => {
    heard.push(m);
    if (m.t === 'hello') void link.send({ t: 'proof', signature: '00'.repeat(64) }).catch(() => {});
  };
  const { nonce, key, process } = { nonce: '11'.repeat(32), key: '22'.repeat(32), process: '33'.repeat(16) };
  const version = WIRE_VERSION;
  await link.send({ t: 'hello', version, role: 'client', nonce, key, process, public: keys.client.public });
  await closed;
  t.deepEqual(
    heard.map((m) => m.t),
    ['hello', 'refused'],
  );
  t.false(JSON.stringify(heard).includes('signature'));
});
