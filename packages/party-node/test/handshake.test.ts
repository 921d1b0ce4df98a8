import { MessageChannel } from 'node:worker_threads';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import test from 'ava';
import { NodeError, reportOf, tokenFrom } from '../src/index.js';
import { limits, WIRE_VERSION } from '../src/limits.js';
import { MessageLink } from '../src/wire/framing.js';
import { CROWDED, type HandshakeOptions, handshake } from '../src/wire/handshake.js';
import { jsonBytes, type Message, message } from '../src/wire/messages.js';
import { type NodeRole, tokensFromOne } from '../src/wire/tokens.js';
import { client, closeAll, linkOf, meet, pair, side, tokensOf } from './handshakes.js';

test.after.always(closeAll);

test('two nodes agree on a seed that never travels, nor does the token', async (t) => {
  const sides = [
    side('party0', tokensOf('party0'), { expect: 'dealer' }),
    side('dealer', tokensOf('dealer'), {}),
  ] as const;
  const { both, frames } = meet(...sides);
  const [a, b] = await both;
  if (a.status !== 'fulfilled' || b.status !== 'fulfilled') return t.fail();
  t.deepEqual(a.value.seed.bytes, b.value.seed.bytes);
  t.is(a.value.role, 'dealer');
  t.is(b.value.role, 'party0');
  t.is(b.value.process, sides[0].process);
  const wire = Buffer.concat(frames).toString('latin1');
  for (const secret of [a.value.seed.bytes, pair('party0', 'dealer').bytes]) {
    t.false(wire.includes(Buffer.from(secret).toString('hex')));
    t.false(wire.includes(Buffer.from(secret).toString('latin1')));
  }
  const again = (await meet(...sides).both)[0];
  t.true(
    again.status === 'fulfilled' && Buffer.compare(again.value.seed.bytes, a.value.seed.bytes) !== 0,
    'each connection has a seed of its own',
  );
});

test('a wrong token is refused on both sides with the code that says so', async (t) => {
  const wrong = tokenFrom('another token');
  const cases: [HandshakeOptions, HandshakeOptions][] = [
    [side('party1', { nodes: { party0: wrong } }, {}), side('party0', tokensOf('party0'), {})],
    [side('party1', tokensOf('party1'), {}), side('party0', { nodes: { party1: wrong } }, {})],
    [side('client', { client: wrong }, { expect: 'dealer' }), side('dealer', tokensOf('dealer'), {})],
  ];
  for (const [a, b] of cases) {
    for (const r of await meet(a, b).both) {
      if (r.status !== 'rejected') return t.fail('a handshake with the wrong token succeeded');
      t.true(r.reason instanceof NodeError);
      t.is(r.reason.code, 'NOT_AUTHENTICATED');
      t.regex(r.reason.message, /does not know the token/);
    }
  }
});

test('nobody can pose as another with a token that is its own', async (t) => {
  const wants = side('dealer', tokensOf('dealer'), {});
  const impostors: [string, HandshakeOptions][] = [
    // It knows the clients' token and claims to be party 1
    ['a client as party 1', side('party1', { client, nodes: { dealer: client } }, {})],
    // What it shares with the dealer is party 1's, not party 0's
    ['party 1 as party 0', side('party0', { nodes: { dealer: pair('party1', 'dealer') } }, {})],
  ];
  for (const [what, impostor] of impostors) {
    const [mine, theirs] = await meet(impostor, wants).both;
    t.is(mine.status, 'rejected', what);
    t.true(theirs.status === 'rejected' && theirs.reason.code === 'NOT_AUTHENTICATED', what);
  }
});

test('one secret for three nodes gives each pair a token of its own', (t) => {
  const one = tokenFrom('one secret');
  const of = (mine: NodeRole, other: NodeRole) => bytesToHex((tokensFromOne(one, mine)[other] as Secret).bytes);
  t.is(of('party0', 'dealer'), of('dealer', 'party0'));
  t.is(new Set([of('party0', 'dealer'), of('party1', 'dealer'), of('party0', 'party1')]).size, 3);
});

test('the role at the other end has to be the expected one, and one that has a token here', async (t) => {
  const [mine] = await meet(
    side('party1', tokensOf('party1'), { expect: 'party0' }),
    side('dealer', tokensOf('dealer'), {}),
  ).both;
  t.true(mine.status === 'rejected' && /expected party0/.test(String(mine.reason)));
  const [, theirs] = await meet(side('party1', tokensOf('party1'), {}), side('dealer', { client }, {})).both;
  t.true(theirs.status === 'rejected' && /no token/.test(String(theirs.reason)));
});

test('whoever dials proves first: a stranger who dials hears nothing to guess a token against', async (t) => {
  const { port1, port2 } = new MessageChannel();
  handshake(linkOf(port2), side('dealer', tokensOf('dealer'), { side: 'accept' })).catch(() => {});
  const heard: Message[] = [];
  const link = new MessageLink(linkOf(port1), () => 'dealer');
  const closed = new Promise<void>((resolve) => {
    link.onClose = () => resolve();
  });
  const answer = new Promise<void>((resolve) => {
    link.onMessage = (m) => {
      heard.push(m);
      resolve();
    };
  });
  await link.send({
    t: 'hello',
    version: WIRE_VERSION,
    role: 'client',
    nonce: '11'.repeat(32),
    key: '22'.repeat(32),
    process: '33'.repeat(16),
  });
  await answer;
  t.deepEqual(Object.keys(heard[0]!).sort(), ['key', 'nonce', 'process', 'role', 't', 'version']);
  await link.send({ t: 'proof', mac: '00'.repeat(32) });
  await closed;
  t.deepEqual(
    heard.map((m) => m.t),
    ['hello', 'refused'],
  );
});

test('what the accepting side says against somebody who has proved who it is arrives with its code', async (t) => {
  const there = new NodeError('party 1', 'ALREADY_CONNECTED', 'another process is there');
  const [mine, theirs] = await meet(
    side('party1', tokensOf('party1'), {}),
    side('party0', tokensOf('party0'), {
      admit: async () => {
        throw there;
      },
    }),
  ).both;
  t.true(
    mine.status === 'rejected' &&
      mine.reason.code === 'ALREADY_CONNECTED' &&
      /another process is there/.test(mine.reason.message),
  );
  t.true(theirs.status === 'rejected' && theirs.reason === there);
  const full = new NodeError('dealer', 'TOO_MANY_CONNECTIONS', 'full', { retryAfterMs: 123 });
  const [refused] = await meet(
    side('client', { client }, { expect: 'dealer' }),
    side('dealer', tokensOf('dealer'), {
      admit: () => {
        throw full;
      },
    }),
  ).both;
  t.true(
    refused.status === 'rejected' &&
      refused.reason.code === 'TOO_MANY_CONNECTIONS' &&
      refused.reason.retryAfterMs === 123,
  );
});

test('a text of any length, of any characters, arrives as an error and not as the loss of a connection', async (t) => {
  for (const text of ['x'.repeat(100_000), '€'.repeat(5_000), '😀'.repeat(2_500)]) {
    const admit = () => {
      throw new NodeError('dealer', 'BUSY', text);
    };
    const [mine] = await meet(
      side('client', { client }, { expect: 'dealer' }),
      side('dealer', tokensOf('dealer'), { admit }),
    ).both;
    t.true(
      mine.status === 'rejected' && mine.reason.code === 'BUSY',
      String(mine.status === 'rejected' && mine.reason),
    );
    const error = reportOf(new Error(text), 'party 0');
    for (const m of [
      { t: 'failed', re: 1, error },
      { t: 'abort', ticket: '00'.repeat(16), error },
    ]) {
      t.true(message.safeParse(m).success);
      t.true(jsonBytes(m).length < limits.headerBytes);
    }
  }
});

test('a connection that had to make room knows that it did', async (t) => {
  const { port1, port2 } = new MessageChannel();
  const dialling = handshake(linkOf(port1), side('client', { client }, { expect: 'dealer' }));
  linkOf(port2).close(`${CROWDED}: try again`);
  const error = await t.throwsAsync<NodeError>(dialling, { code: 'TOO_MANY_CONNECTIONS' });
  t.is(error!.retryAfterMs, limits.retryMs);
});

test('another version of the protocol is refused with a message that says both', async (t) => {
  const { port1, port2 } = new MessageChannel();
  const theirs = linkOf(port2);
  const accepting = handshake(linkOf(port1), side('dealer', tokensOf('dealer'), { side: 'accept' }));
  const frame = new Uint8Array(64);
  frame[0] = WIRE_VERSION + 1;
  const closed = new Promise<string>((resolve) => {
    theirs.onClose = resolve;
  });
  await theirs.send(frame);
  await t.throwsAsync(accepting, { instanceOf: NodeError });
  t.regex(await closed, new RegExp(`version ${WIRE_VERSION + 1}`));
});

test('malformed, oversized and unexpected frames close the link and take no memory', async (t) => {
  const head = (kind: number, headLength: number, total: number, json = '') => {
    const body = new TextEncoder().encode(json);
    const frame = new Uint8Array(16 + body.length);
    const view = new DataView(frame.buffer);
    view.setUint8(0, WIRE_VERSION);
    view.setUint8(1, kind);
    view.setUint16(2, headLength, true);
    view.setUint32(4, 1, true);
    view.setFloat64(8, total, true);
    frame.set(body, 16);
    return frame;
  };
  const credit = '{"t":"credit","ticket":"00112233445566778899aabbccddeeff","bytes":1}';
  const cases: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    'shorter than a header': new Uint8Array(3),
    'an unknown kind': head(7, 0, 0),
    'a header longer than its frame': head(0, 500, 0, '{}'),
    'a header that is not JSON': head(0, 3, 0, '{x}'),
    'a message of no kind': head(0, 11, 0, '{"t":"foo"}'),
    'a field of the wrong type': head(0, credit.length + 2, 0, credit.replace(':1}', ':"1"}')),
    'a payload that nobody expects': head(0, credit.length, 2 ** 40, credit),
    'a continuation of nothing': head(1, 0, 10, 'xxxx'),
    'larger than a frame may be': new Uint8Array(limits.frameBytes + 1),
  };
  for (const [what, frame] of Object.entries(cases)) {
    const { port1, port2 } = new MessageChannel();
    const link = new MessageLink(linkOf(port1), () => 'client');
    let messages = 0;
    link.onMessage = () => {
      messages++;
    };
    const other = linkOf(port2);
    const closed = new Promise<string>((resolve) => {
      other.onClose = resolve;
    });
    await other.send(frame);
    t.regex(await closed, /client: /, what);
    t.is(messages, 0, what);
  }
});
