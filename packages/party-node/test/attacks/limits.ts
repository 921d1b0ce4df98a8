/** Strangers who stay within the rules and take their time, or send without end. */
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { rawSocket, sleep, type Target } from './kit.js';
import { openWeb, upgradeRequest, webFrame } from './web.js';

export interface Stayed {
  /** until the node closed the connection; infinite where it did not */
  ms: number;
  /** that the node took until then, at most */
  bytes: number;
}

type Wire = ReturnType<typeof rawSocket>;

/** Writes parts with pauses between them, until the other end has had enough. */
async function drip(
  socket: Wire | undefined,
  part: (at: number) => Uint8Array | undefined,
  pauseMs: number,
  mostMs = 10_000,
): Promise<Stayed> {
  const start = performance.now();
  if (!socket) return { ms: 0, bytes: 0 };
  socket.resume();
  for (let at = 0; !socket.destroyed && performance.now() - start < mostMs; at++) {
    const bytes = part(at);
    if (bytes) socket.write(bytes);
    await Promise.race([sleep(pauseMs), new Promise((resolve) => socket.once('close', resolve))]);
    socket.removeAllListeners('close');
  }
  const ms = socket.destroyed ? performance.now() - start : Number.POSITIVE_INFINITY;
  socket.destroy();
  return { ms, bytes: socket.bytesWritten };
}

/** A ClientHello as Node sends it, caught by a socket that leads nowhere. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const client = connectTls({ host: '127.0.0.1', port });
  client.on('error', () => {});
  const hello = await new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => socket.on('error', () => {}).once('data', resolve)),
  );
  client.destroy();
  server.close();
  return hello;
}

/** Without TLS, whatever the target speaks. */
function bare({ host, port }: Target): Wire {
  return connect({ host, port }).on('error', () => {});
}

/** Slow ones: a node has to close each in its time. */
export const slow: Record<string, (target: Target) => Promise<Stayed>> = {
  'TCP and nothing': async (to) => drip(bare(to), () => undefined, 50),
  'TLS and nothing': async (to) => drip(rawSocket(to), () => undefined, 50),
  'half a ClientHello': async (to) => {
    const hello = await clientHello();
    return drip(bare(to), (at) => (at === 0 ? hello.subarray(0, hello.length / 2) : undefined), 50);
  },
  'a ClientHello and nothing': async (to) => {
    const hello = await clientHello();
    return drip(bare(to), (at) => (at === 0 ? hello : undefined), 50);
  },
  'a ClientHello, byte by byte': async (to) => {
    const hello = await clientHello();
    return drip(bare(to), (at) => hello.subarray(at, at + 1), 40);
  },
  'an upgrade, byte by byte': async (to) => {
    const request = Buffer.from(upgradeRequest(to));
    return drip(rawSocket(to), (at) => request.subarray(at, at + 1), 40);
  },
  'a WebSocket and a ping now and then': async (to) => drip(await openWeb(to), () => webFrame(9, Buffer.alloc(4)), 100),
  'a message, byte by byte': async (to) =>
    drip(await openWeb(to), (at) => (at === 0 ? webFrame(2, Buffer.alloc(1), { length: 2000 }) : Buffer.alloc(1)), 40),
};

/** 400 KB in a second: more than a stranger may send, and slow enough to see when it is noticed. */
const PART = Buffer.alloc(8_000, 0x41);
const PART_MS = 20;

/** Long ones: a node has to close each before it has sent much more than a stranger may. */
export const long: Record<string, (target: Target) => Promise<Stayed>> = {
  'one long message': async (to) =>
    drip(await openWeb(to), (at) => (at === 0 ? webFrame(2, PART, { length: 2 ** 20 - 1 }) : PART), PART_MS),
  fragments: async (to) => drip(await openWeb(to), (at) => webFrame(at === 0 ? 2 : 0, PART, { fin: false }), PART_MS),
  // More of them at once, and `ws` itself ends a connection that does not take its pongs
  pings: async (to) =>
    drip(await openWeb(to), () => Buffer.concat(Array(16).fill(webFrame(9, PART.subarray(0, 120)))), PART_MS / 4),
  'the body of a request': async (to) =>
    drip(
      rawSocket(to),
      (at) => (at === 0 ? Buffer.from('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n') : PART),
      PART_MS,
    ),
};
