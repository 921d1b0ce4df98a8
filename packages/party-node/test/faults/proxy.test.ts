import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { sleep, until } from '../attacks/kit.js';
import { FaultProxy } from './proxy.js';
import { CARRIED, CHANGED, type Fault, type Script, scriptFrom, show } from './script.js';
import { Units, webSocketReader } from './units.js';

interface Through {
  proxy: FaultProxy;
  client: WebSocket;
  server: WebSocket;
  /** what came to the server, a byte of each message, and when */
  got: { text: string; at: number }[];
  texts(): string;
}

/** A WebSocket through a proxy, with nothing behind it. */
async function through(t: { teardown(f: () => void): void }): Promise<Through> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const proxy = await FaultProxy.listen(() => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }));
  const accepted = once(server, 'connection') as Promise<[WebSocket]>;
  const client = new WebSocket(proxy.url);
  await once(client, 'open');
  const [end] = await accepted;
  const got: Through['got'] = [];
  end.on('message', (data) => got.push({ text: String(data)[0]!, at: performance.now() }));
  for (const socket of [client, end]) socket.on('error', () => {});
  t.teardown(() => {
    client.terminate();
    server.close();
    void proxy.close();
  });
  return { proxy, client, server: end, got, texts: () => got.map(({ text }) => text).join('') };
}

const after = (frames: number, fault: Fault): Script => [{ after: { frames }, direction: 'up', do: fault }];

/** Sends 'a', 'b', … and waits until nothing more comes. */
async function letters({ client }: Through, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    client.send(String.fromCharCode(97 + i).repeat(100));
    await sleep(5);
  }
  await sleep(200);
}

for (const [fault, texts] of [
  [{ kind: 'drop' }, 'abde'],
  [{ kind: 'repeat' }, 'abccde'],
  [{ kind: 'reorder' }, 'abdce'],
  [{ kind: 'split', bytes: 3, frames: 2 }, 'abcde'],
  [{ kind: 'join', frames: 3 }, 'abcde'],
  [{ kind: 'halfClose' }, 'ab'],
  [{ kind: 'cut', reset: true }, 'ab'],
  [{ kind: 'cut', reset: false }, 'ab'],
] as [Fault, string][])
  test(`${JSON.stringify(fault)}: ${texts} of abcde arrives`, async (t) => {
    const w = await through(t);
    w.proxy.arm(after(2, fault));
    await letters(w, 5);
    t.is(w.texts(), texts);
    t.is(w.proxy.fired.length, 1);
    const ends = fault.kind === 'cut' || fault.kind === 'halfClose';
    t.is(w.server.readyState === WebSocket.OPEN, !ends);
    t.is(await until(() => w.proxy.connections === 0, ends ? 3_000 : 50), ends);
  });

test('a flipped bit is one bit of one frame', async (t) => {
  const w = await through(t);
  // Behind a head of two bytes and a mask of four, of 106 bytes
  w.proxy.arm(after(1, { kind: 'flip', at: 6.5 / 106, bit: 1 }));
  await letters(w, 3);
  t.is(w.texts(), `a${String.fromCharCode('b'.charCodeAt(0) ^ 2)}c`);
});

test('a delay and a rate hold frames back in their order, and are over with the script', async (t) => {
  const w = await through(t);
  w.proxy.arm([...after(1, { kind: 'delay', ms: 60 }), ...after(2, { kind: 'throttle', bytesPerSecond: 1_000 })]);
  const start = performance.now();
  for (const text of ['a', 'b', 'c']) w.client.send(text.repeat(100));
  t.true(await until(() => w.got.length === 3));
  t.is(w.texts(), 'abc');
  t.true(w.got[1]!.at - start >= 55);
  // The delay twice, and 106 bytes at a thousand a second
  t.true(w.got[2]!.at - start >= 2 * 55 + 100);
  w.proxy.disarm();
  // At that rate it would take a quarter of a minute
  w.client.send('d'.repeat(15_000));
  const sent = performance.now();
  t.true(await until(() => w.got.length === 4));
  t.true(w.got[3]!.at - sent < 10_000);
});

test('pings pass one kind of stall and not the other; what waited goes on in its order', async (t) => {
  const w = await through(t);
  let pongs = 0;
  w.client.on('pong', () => pongs++);
  w.proxy.arm(after(1, { kind: 'stall', ms: 60_000, pings: true }));
  await letters(w, 3);
  w.client.ping();
  t.true(await until(() => pongs === 1, 2_000));
  t.is(w.texts(), 'a');
  w.proxy.arm(after(0, { kind: 'stall', ms: 60_000, pings: false }));
  t.true(await until(() => w.texts() === 'abc', 2_000), w.texts());
  w.client.send('d');
  w.client.ping();
  await sleep(200);
  t.is(pongs, 1);
  t.is(w.texts(), 'abc');
  w.proxy.disarm();
  t.true(await until(() => w.texts() === 'abcd' && pongs === 2, 2_000));
});

test('a step after some time happens without a frame', async (t) => {
  const w = await through(t);
  w.proxy.arm([{ after: { ms: 50 }, direction: 'down', do: { kind: 'cut', reset: true } }]);
  t.true(await until(() => w.server.readyState === WebSocket.CLOSED, 2_000));
});

test('a script follows from its seed', (t) => {
  const kinds = [...CARRIED, ...CHANGED];
  for (let seed = 0; seed < 50; seed++) t.is(show(scriptFrom(seed, kinds)), show(scriptFrom(seed, kinds)));
  t.true(new Set(Array.from({ length: 50 }, (_, seed) => show(scriptFrom(seed, kinds)))).size > 45);
});

test('frames are found however the stream is cut', (t) => {
  const frame = (length: number) => {
    const head = length < 126 ? Buffer.from([130, length]) : Buffer.from([130, 126, length >> 8, length & 255]);
    return Buffer.concat([head, Buffer.alloc(length, 7)]);
  };
  const all = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), ...[0, 5, 125, 126, 3000].map(frame)];
  for (const size of [1, 2, 7, 100, 10_000]) {
    const units = new Units(webSocketReader());
    const stream = Buffer.concat(all);
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size)
      for (const { bytes } of units.push(stream.subarray(at, at + size))) found.push(Buffer.from(bytes));
    t.deepEqual(found, all);
    t.is(units.rest.length, 0);
  }
});
