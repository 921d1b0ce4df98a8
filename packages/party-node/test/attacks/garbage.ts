/** What a stranger may send instead of a handshake. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { randomBytesFrom, randomFrom, rawSocket, sleep, type Target } from './kit.js';
import { openWeb, upgradeRequest, webFrame } from './web.js';

type Random = (n: number) => number;
/** Sends one kind of garbage on a new connection. @returns the socket, whose end the node has to bring about */
type Garbage = (target: Target, random: Random) => Promise<Socket | undefined>;

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** A connection to which something is written as soon as it is there. */
async function bare(target: Target, ...parts: (string | Buffer)[]): Promise<Socket> {
  const socket = rawSocket(target);
  for (const part of parts) socket.write(part);
  return socket;
}

/** Something written to an open WebSocket. */
async function web(target: Target, ...parts: Buffer[]): Promise<Socket | undefined> {
  const socket = await openWeb(target);
  socket?.write(Buffer.concat(parts));
  return socket;
}

/** A frame of the nodes' own protocol, inside one of a WebSocket. */
function wire(header: unknown, { version = 3, kind = 0, total = 0 } = {}): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(16);
  head[0] = version;
  head[1] = kind;
  head.writeUInt16LE(json.length, 2);
  head.writeUInt32LE(1, 4);
  head.writeDoubleLE(total, 8);
  return webFrame(BINARY, Buffer.concat([head, json]));
}

/** A connection through TLS can't be reset from here; it ends without a word. */
function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

const hello = {
  t: 'hello',
  version: 3,
  role: 'client',
  nonce: '00'.repeat(32),
  key: '09'.padEnd(64, '0'),
  process: '11'.repeat(16),
};

export const kinds: Record<string, Garbage> = {
  nothing: (to) => bare(to),
  'nothing on a WebSocket': (to) => web(to),
  'two empty messages': (to) => web(to, webFrame(BINARY, Buffer.alloc(0)), webFrame(BINARY, Buffer.alloc(0))),
  'an empty message': (to) => web(to, webFrame(BINARY, Buffer.alloc(0))),
  'an empty message in fragments': (to) =>
    web(to, webFrame(BINARY, Buffer.alloc(0), { fin: false }), webFrame(CONTINUATION, Buffer.alloc(0))),
  text: (to) => web(to, webFrame(TEXT, Buffer.from('{"t":"hello"}'))),
  'broken text': (to) => web(to, webFrame(TEXT, Buffer.from([0xff, 0xfe]))),
  'a message beyond the limit': (to, random) =>
    web(to, webFrame(BINARY, Buffer.alloc(1000), { length: 2 ** 20 + 1 + random(2 ** 31) * 2 ** random(20) })),
  'a message that does not end': (to, random) =>
    web(to, webFrame(BINARY, Buffer.alloc(1000), { length: 2 ** 20 - random(1000) })),
  fragments: (to, random) =>
    web(
      to,
      webFrame(BINARY, randomBytesFrom(random, 20), { fin: false }),
      ...Array.from({ length: random(200) }, () =>
        webFrame(CONTINUATION, randomBytesFrom(random, random(3)), { fin: false }),
      ),
      webFrame(CONTINUATION, randomBytesFrom(random, 5)),
    ),
  'a continuation of nothing': (to) => web(to, webFrame(CONTINUATION, Buffer.alloc(5))),
  'reserved bits': (to, random) => web(to, webFrame(BINARY, Buffer.alloc(5), { reserved: 1 + random(7) })),
  'an unknown opcode': (to, random) =>
    web(to, webFrame([3, 4, 5, 6, 7, 11, 12, 13, 14, 15][random(10)]!, Buffer.alloc(5))),
  'no mask': (to) => web(to, webFrame(BINARY, Buffer.alloc(5), { masked: false })),
  'a long ping': (to) => web(to, webFrame(PING, Buffer.alloc(126))),
  'a ping in fragments': (to) => web(to, webFrame(PING, Buffer.alloc(5), { fin: false })),
  'a wrong close': (to, random) =>
    web(
      to,
      webFrame(
        CLOSE,
        [Buffer.alloc(1), Buffer.from([0, 0]), Buffer.from([3, 0xed]), Buffer.from([3, 0xe8, 0xff])][random(4)]!,
      ),
    ),
  'more pings than a handshake has bytes': (to) =>
    web(to, Buffer.concat(Array(16_000).fill(webFrame(PING, Buffer.alloc(0))))),
  'random bytes on a WebSocket': (to, random) => web(to, randomBytesFrom(random, random(3000))),
  'random bytes in a message': (to, random) => web(to, webFrame(BINARY, randomBytesFrom(random, 1 + random(3000)))),
  'a message of another version': (to, random) => web(to, wire(hello, { version: random(256) })),
  'a hello and no proof': (to) => web(to, wire(hello)),
  'a hello twice': (to) => web(to, wire(hello), wire(hello)),
  'a hello with a wrong proof': (to) => web(to, wire(hello), wire({ t: 'proof', mac: '00'.repeat(32) })),
  'a hello with a key of low order': (to) =>
    web(to, wire({ ...hello, key: '00'.repeat(32) }), wire({ t: 'proof', mac: '00'.repeat(32) })),
  'a hello of another type': (to, random) =>
    web(to, wire({ ...hello, [Object.keys(hello)[random(6)]!]: [null, -1, {}, [], 'x', 1e300][random(6)] })),
  'a hello as a node': (to, random) =>
    web(
      to,
      wire({ ...hello, role: ['party0', 'party1', 'dealer'][random(3)] }),
      wire({ t: 'proof', mac: '00'.repeat(32) }),
    ),
  'a proof and no hello': (to) => web(to, wire({ t: 'proof', mac: '00'.repeat(32) })),
  'a refusal': (to) => web(to, wire({ t: 'refused', code: 'BUSY', message: 'x'.repeat(1000) })),
  'a command and no handshake': (to) => web(to, wire({ t: 'open', re: 1, session: '00'.repeat(16) })),
  'half an upgrade': (to, random) => bare(to, upgradeRequest(to).slice(0, 1 + random(150))),
  'a wrong upgrade': (to, random) =>
    bare(
      to,
      upgradeRequest(
        to,
        [
          { 'Sec-WebSocket-Key': 'x' },
          { 'Sec-WebSocket-Version': '99' },
          { Upgrade: 'h2c' },
          { 'Sec-WebSocket-Extensions': 'permessage-deflate; ;=' },
          { 'Sec-WebSocket-Protocol': ',' },
        ][random(5)]!,
      ),
    ),
  'a request and an upgrade': (to) => bare(to, `GET / HTTP/1.1\r\nHost: x\r\n\r\n${upgradeRequest(to)}`),
  'an upgrade twice': (to) => bare(to, upgradeRequest(to) + upgradeRequest(to)),
  'an upgrade and garbage at once': (to, random) =>
    bare(to, upgradeRequest(to), randomBytesFrom(random, 1 + random(300))),
  'headers without end': (to) =>
    bare(to, `GET / HTTP/1.1\r\n${'X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(3000)}`),
  GET: (to) => bare(to, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  'a POST and its body': (to, random) =>
    bare(to, 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n', Buffer.alloc(random(200_000))),
  'a POST that waits for its turn': (to) =>
    bare(to, 'POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n'),
  CONNECT: (to) => bare(to, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'),
  // Record, version, length; a ClientHello with nothing that a server could use
  'a TLS ClientHello': (to, random) =>
    bare(to, Buffer.from('160301004a010000460303', 'hex'), randomBytesFrom(random, 67)),
  'random bytes': (to, random) => bare(to, randomBytesFrom(random, 1 + random(3000))),
  'half a close': async (to) => {
    const socket = await web(to);
    socket?.end();
    return socket;
  },
  // Twice: what is looked at late has no address any more, and the next has the same
  'a reset at once': async (to) => {
    const sockets = [rawSocket(to), rawSocket(to)];
    for (const socket of sockets) socket.once('connect', () => reset(socket));
    return sockets[0];
  },
  'a reset in the middle': async (to) => {
    const socket = await web(to, wire(hello));
    if (socket) reset(socket);
    return socket;
  },
};

export interface Thrown {
  connections: number;
  /** of each kind, how many; and the longest that a node left one open, in milliseconds */
  byKind: Record<string, { count: number; longestMs: number }>;
  /** connections that a node had not closed after `PATIENCE_MS`, by kind */
  left: string[];
}

/** A node closes what proves nothing in 3 s; a machine that others use takes its time. */
const PATIENCE_MS = 12_000;

/** Throws so many connections of garbage at nodes, as many in a second. */
export async function throwGarbage({
  targets,
  count,
  seed,
  perSecond,
}: {
  targets: Target[];
  count: number;
  seed: number;
  perSecond: number;
}): Promise<Thrown> {
  const random = randomFrom(seed);
  const began = performance.now();
  const names = Object.keys(kinds);
  const thrown: Thrown = { connections: 0, byKind: {}, left: [] };
  const one = async () => {
    const target = targets[thrown.connections++ % targets.length]!;
    const name = names[random(names.length)]!;
    // One for this connection: what else happens does not change what it sends
    const own = randomFrom(random(2 ** 31));
    const start = performance.now();
    const socket = await kinds[name]!(target, own);
    if (socket && !(await ended(socket))) {
      thrown.left.push(name);
      socket.destroy();
    }
    const kind = thrown.byKind[name] ?? { count: 0, longestMs: 0 };
    thrown.byKind[name] = {
      count: kind.count + 1,
      longestMs: Math.max(kind.longestMs, Math.round(performance.now() - start)),
    };
  };
  const all: Promise<void>[] = [];
  while (all.length < count) {
    while (all.length < Math.min(count, ((performance.now() - began) / 1000) * perSecond)) all.push(one());
    await sleep(5);
  }
  await Promise.all(all);
  return thrown;
}

async function ended(socket: Socket): Promise<boolean> {
  socket.resume();
  for (const end = performance.now() + PATIENCE_MS; !socket.destroyed && performance.now() < end; ) {
    await Promise.race([new Promise((resolve) => socket.once('close', resolve)), sleep(1000)]);
  }
  return socket.destroyed;
}

/**
 * Plain requests, which a node answers and ends. @returns how many were answered with 426 and closed, and the longest
 * of them
 */
export async function ask426({
  targets,
  count,
  atOnce,
}: {
  targets: Target[];
  count: number;
  atOnce: number;
}): Promise<{ answered: number; longestMs: number }> {
  let [asked, answered, longestMs] = [0, 0, 0];
  const one = async () => {
    while (asked < count) {
      const at = asked++;
      const start = performance.now();
      const request =
        at % 2 ? 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' : 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi';
      const socket = await bare(targets[at % targets.length]!, request);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      if ((await ended(socket)) && text.startsWith('HTTP/1.1 426 ')) answered++;
      socket.destroy();
      longestMs = Math.max(longestMs, Math.round(performance.now() - start));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return { answered, longestMs };
}

/**
 * Connects more often than a node takes, says nothing, and sends an invalid frame on each connection as soon as that is
 * told to make room; and, with the node full, on new ones at once. @returns how many were told to go
 */
export async function crowd({
  targets,
  count,
}: {
  targets: Target[];
  count: number;
}): Promise<{ opened: number; toldToGo: number }> {
  const invalid = Buffer.from('ff8000000000', 'hex');
  let [opened, toldToGo] = [0, 0];
  const sockets: Socket[] = [];
  await Promise.all(
    [...targets, ...targets, ...targets].map(async (target) => {
      for (let i = 0; i < count / 3; i++) {
        const socket = await openWeb(target);
        if (!socket) continue;
        opened++;
        sockets.push(socket);
        socket.once('data', () => {
          toldToGo++;
          socket.write(invalid);
        });
        if (i % 16 === 15) socket.write(invalid);
      }
    }),
  );
  await Promise.all(sockets.map(ended));
  return { opened, toldToGo };
}

/**
 * Connections that are reset before the node, which is stopped meanwhile, looks at them: they arrive without an
 * address.
 */
export async function resetUnseen(
  target: Target,
  count: number,
  node: { kill(signal: 'SIGSTOP' | 'SIGCONT'): boolean },
): Promise<void> {
  node.kill('SIGSTOP');
  const sockets = Array.from({ length: count }, () => rawSocket(target));
  await Promise.all(
    sockets.map(async (socket) => {
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
      socket.resetAndDestroy();
    }),
  );
  node.kill('SIGCONT');
}
