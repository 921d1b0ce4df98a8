import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import type { Link } from '../src/wire/link.js';
import { PortLink } from '../src/wire/port-link.js';
import { type Socket, SocketLink } from '../src/wire/socket-link.js';

/** What a loaded machine may take. */
const PATIENCE_MS = 30_000;

/** Two ends of a fresh link, and how to clean up. */
type Pair = () => Promise<{ a: Link; b: Link; done(): void }>;

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

const bytes = (n: number, seed: number) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + seed) & 255);

/** What every link promises, whatever carries it. */
function complies(name: string, make: Pair): void {
  test(`${name}: frames arrive whole, in order, both ways`, async (t) => {
    const { a, b, done } = await make();
    const got: { a: number[]; b: number[] } = { a: [], b: [] };
    await new Promise<void>((resolve) => {
      const check = () => got.a.length === 3 && got.b.length === 20 && resolve();
      a.onFrame = (f) => {
        got.a.push(f.length);
        check();
      };
      b.onFrame = (f) => {
        t.deepEqual(Uint8Array.from(f), bytes(f.length, got.b.length));
        got.b.push(f.length);
        check();
      };
      for (let i = 0; i < 20; i++) void a.send(bytes(1 + i * 1000, i));
      for (let i = 0; i < 3; i++) void b.send(bytes(i + 1, 0));
    });
    t.deepEqual(
      got.b,
      Array.from({ length: 20 }, (_, i) => 1 + i * 1000),
    );
    done();
  });

  test(`${name}: a view into a larger buffer sends its own bytes only`, async (t) => {
    const { a, b, done } = await make();
    const frame = new Promise<Uint8Array>((resolve) => {
      b.onFrame = (f) => resolve(Uint8Array.from(f));
    });
    const large = bytes(100, 0);
    await a.send(large.subarray(10, 20));
    t.deepEqual(await frame, bytes(100, 0).slice(10, 20));
    t.is(large.length, 100, 'the caller keeps its buffer');
    done();
  });

  test(`${name}: a slow receiver holds the sender back`, async (t) => {
    const { a, b, done } = await make();
    let release: () => void = () => {};
    b.onFrame = () =>
      new Promise<void>((resolve) => {
        release = resolve;
      });
    let sent = 0;
    const sending = (async () => {
      // 64 MB are more than any buffer between the ends takes
      for (let i = 0; i < 64; i++) {
        await a.send(new Uint8Array(2 ** 20));
        sent++;
      }
    })();
    sending.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.true(sent < 64, 'everything was sent to a receiver that took nothing');
    b.onFrame = () => {};
    release();
    await sending;
    t.is(sent, 64);
    done();
  });

  test(`${name}: closing one end tells the other once, and sending fails from then on`, async (t) => {
    const { a, b, done } = await make();
    let closed = 0;
    const told = new Promise<void>((resolve) => {
      b.onClose = () => {
        closed++;
        resolve();
      };
    });
    a.close('enough');
    await told;
    await t.throwsAsync(a.send(new Uint8Array(1)), { message: /enough/ });
    await t.throwsAsync(b.send(new Uint8Array(1)));
    b.close('again');
    t.is(closed, 1);
    done();
  });
}

/**
 * What no end of a link can do to the process: tests of their own, for an exception that nobody catches would end them
 * all.
 */
function contains(name: string, make: Pair): void {
  for (const [what, handler] of Object.entries({
    throws: () => {
      throw new Error('not me');
    },
    rejects: () => Promise.reject(new Error('not me')),
  })) {
    test(`${name}: a handler that ${what} closes this link, with its reason, and no other`, async (t) => {
      const [broken, other] = [await make(), await make()];
      broken.b.onFrame = handler;
      const closed = new Promise<string>((resolve) => {
        broken.a.onClose = resolve;
      });
      const got = new Promise<number>((resolve) => {
        other.b.onFrame = (f) => resolve(f.length);
      });
      await broken.a.send(bytes(20, 0));
      t.regex(await closed, /not me/);
      await other.a.send(bytes(20, 0));
      t.is(await got, 20);
      broken.done();
      other.done();
    });
  }

  test(`${name}: an owner that cannot handle the end does not end the process`, async (t) => {
    const { a, b, done } = await make();
    const error = console.error;
    const said = new Promise<string>((resolve) => {
      console.error = (text: string) => resolve(text);
    });
    t.teardown(() => {
      console.error = error;
    });
    b.onClose = () => {
      throw new Error('not prepared for this');
    };
    a.close('enough');
    t.regex(await said, /enough.*not prepared for this/s);
    done();
  });
}

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
