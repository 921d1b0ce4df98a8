import { MessageChannel, type MessagePort } from 'node:worker_threads';
import test from 'ava';
import { NodeError, PortLink, tokenFrom } from '../src/index.js';
import { limits, WIRE_VERSION } from '../src/limits.js';
import { MessageLink } from '../src/wire/framing.js';
import { handshake, type Tokens, type WireRole } from '../src/wire/handshake.js';

const tokens = { node: tokenFrom('the token of the nodes'), client: tokenFrom('the token of the clients') };

const open: PortLink[] = [];
const linkOf = (port: MessagePort): PortLink => {
  const link = new PortLink(port);
  open.push(link);
  return link;
};
test.after.always(() => {
  for (const link of open) link.close('the tests are over');
});

function meet(a: WireRole, aTokens: Tokens, b: WireRole, bTokens: Tokens, expect?: WireRole) {
  const { port1, port2 } = new MessageChannel();
  const frames: Uint8Array[] = [];
  const [left, right] = [linkOf(port1), linkOf(port2)];
  for (const link of [left, right]) {
    const send = link.send.bind(link);
    link.send = (f) => {
      frames.push(f.slice());
      return send(f);
    };
  }
  const both = Promise.allSettled([handshake(left, a, aTokens, 'dial', expect), handshake(right, b, bTokens, 'accept')]);
  return { both, frames };
}

test('two nodes agree on a seed that never travels, nor does the token', async (t) => {
  const { both, frames } = meet('party0', tokens, 'dealer', tokens, 'dealer');
  const [a, b] = await both;
  if (a.status !== 'fulfilled' || b.status !== 'fulfilled') return t.fail();
  t.deepEqual(a.value.seed.bytes, b.value.seed.bytes);
  t.is(a.value.role, 'dealer');
  t.is(b.value.role, 'party0');
  const wire = Buffer.concat(frames).toString('latin1');
  for (const secret of [a.value.seed.bytes, tokens.node.bytes]) {
    t.false(wire.includes(Buffer.from(secret).toString('hex')));
    t.false(wire.includes(Buffer.from(secret).toString('latin1')));
  }
  const again = (await meet('party0', tokens, 'dealer', tokens).both)[0];
  t.true(again.status === 'fulfilled' && Buffer.compare(again.value.seed.bytes, a.value.seed.bytes) !== 0, 'each connection has a seed of its own');
});

test('a wrong token is refused on both sides, by name', async (t) => {
  const wrong = { ...tokens, node: tokenFrom('another token of nodes') };
  for (const [x, y] of [
    [tokens, wrong],
    [wrong, tokens],
  ] as const) {
    const results = await meet('party1', x, 'party0', y).both;
    for (const r of results) {
      if (r.status !== 'rejected') return t.fail('a handshake with the wrong token succeeded');
      t.true(r.reason instanceof NodeError);
    }
  }
});

test('a client cannot pose as a node', async (t) => {
  // It knows the clients' token and claims to be party 1
  const impostor = { node: tokens.client, client: tokens.client };
  const [mine, theirs] = await meet('party1', impostor, 'dealer', tokens).both;
  t.is(mine.status, 'rejected');
  t.is(theirs.status, 'rejected');
});

test('the role at the other end has to be the expected one', async (t) => {
  const [mine] = await meet('party1', tokens, 'dealer', tokens, 'party0').both;
  t.true(mine.status === 'rejected' && /expected party0/.test(String(mine.reason)));
});

test('another version of the protocol is refused with a message that says both', async (t) => {
  const { port1, port2 } = new MessageChannel();
  const theirs = linkOf(port2);
  const accepting = handshake(linkOf(port1), 'dealer', tokens, 'accept');
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
