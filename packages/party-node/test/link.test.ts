import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { limits } from '../src/limits.js';
import { PortLink } from '../src/wire/port-link.js';
import { type Socket, SocketLink } from '../src/wire/socket-link.js';
import { complies, contains, type Pair } from './link-compliance.js';

/** What a loaded machine may take. */
const PATIENCE_MS = 30_000;

const ports: Pair = async () => {
  const { port1, port2 } = new MessageChannel();
  const [a, b] = [new PortLink(port1), new PortLink(port2)];
  return { a, b, done: () => a.close('done') };
};

const sockets: Pair = async () => {
  const server = createServer();
  const accept = new WebSocketServer({ server, perMessageDeflate: false });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<WebSocket>((resolve) => accept.once('connection', resolve));
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await new Promise((resolve) => client.once('open', resolve));
  const [a, b] = [new SocketLink(client as unknown as Socket), new SocketLink((await accepted) as unknown as Socket)];
  return {
    a: Object.assign(a, { raw: client }),
    b,
    done() {
      a.close('done');
      b.close('done');
      server.close();
    },
  };
};

complies('message port', ports);
contains('message port', ports);
complies('WebSocket', sockets);
contains('WebSocket', sockets);

for (const [what, send] of Object.entries({
  'an empty message': (socket: WebSocket) => socket.send(Buffer.alloc(0)),
  'an empty message in two fragments': (socket: WebSocket) => {
    socket.send(Buffer.alloc(0), { fin: false });
    socket.send(Buffer.alloc(0), { fin: true });
  },
  text: (socket: WebSocket) => socket.send('hello'),
})) {
  test(`WebSocket: ${what} closes the link, each time it comes`, async (t) => {
    for (let i = 0; i < 3; i++) {
      const { a, b, done } = await sockets();
      // As a node does: the buffer goes to another thread
      const { port1, port2 } = new MessageChannel();
      b.onFrame = (frame) => port1.postMessage(frame.buffer, [frame.buffer as ArrayBuffer]);
      const closed = new Promise<string>((resolve) => {
        b.onClose = resolve;
      });
      send((a as unknown as { raw: WebSocket }).raw);
      t.regex(await closed, /only binary frames/);
      port1.close();
      port2.close();
      done();
    }
  });
}

test('WebSocket: an end whose process does not answer is noticed', async (t) => {
  const { a, b, done } = await sockets();
  t.true(await b.answers!(PATIENCE_MS));
  const { raw } = a as unknown as { raw: WebSocket };
  raw.pause();
  t.false(await b.answers!(200));
  raw.resume();
  t.true(await b.answers!(PATIENCE_MS));
  done();
  t.false(await b.answers!(PATIENCE_MS));
});

test('WebSocket: while large frames are taken at once, other events have their turn', async (t) => {
  const sent: number[] = [];
  const socket: Socket = {
    binaryType: '',
    bufferedAmount: 0,
    // As long as masking and writing may take
    send(frame) {
      const until = performance.now() + 5;
      while (performance.now() < until);
      sent.push(frame.length);
    },
    close() {},
    addEventListener() {},
  };
  const links = [new SocketLink(socket), new SocketLink(socket)];
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  await Promise.all(
    links.map(async (link) => {
      for (let i = 0; i < 40; i++) await link.send(new Uint8Array(limits.frameBytes));
    }),
  );
  clearInterval(others);
  t.is(sent.length, 80);
  t.true(turns >= 4, `${turns} turns in ${5 * sent.length} ms`);
});
