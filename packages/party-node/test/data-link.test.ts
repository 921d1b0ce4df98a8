import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { randomBytes } from '@noble/hashes/utils.js';
import { frameChannel, Secret } from '@secformer/ring';
import test from 'ava';
import { limits } from '../src/limits.js';
import { DataLink } from '../src/node/data/data-link.js';
import { takeDescriptor } from '../src/node/data/descriptors.js';
import { FrameCiphers } from '../src/node/data/frame-ciphers.js';
import { dataKeys, isDataPreamble, preambleOf, readPreamble } from '../src/node/data/preamble.js';
import { bytes, complies, contains } from './link-compliance.js';

const channel = frameChannel();
/** Where no native code was built there are WebSockets alone. */
const native = channel ? test : test.skip;
/** What a loaded machine may take. */
const PATIENCE_MS = 30_000;
/** Before and after a frame's content. */
const AROUND = 20;
/** What the accepting side says first: a nonce, and a frame without content. */
const OPENING = 16 + AROUND;

/** Two ends of a TCP connection. */
async function tcp(): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  near.pause();
  const [[far]] = await Promise.all([once(server, 'connection'), once(near, 'connect')]);
  server.close();
  return [near, far as Socket];
}

interface End {
  link: DataLink;
  isReady: boolean;
  ready: Promise<void>;
}

function end(
  socket: Socket,
  side: 'dial' | 'accept',
  seed: Secret,
  nonce: Uint8Array,
  withinMs: number = PATIENCE_MS,
): End {
  const own = { isReady: false } as End;
  own.ready = new Promise((resolve, reject) => {
    const ready = () => {
      own.isReady = true;
      resolve();
    };
    const traffic = { sent: 0, received: 0 };
    own.link = new DataLink(takeDescriptor(socket, channel!)!, {
      channel: channel!,
      seed,
      side,
      nonce,
      traffic,
      ready,
      withinMs,
    });
    own.link.onClose = (why) => reject(new Error(why));
  });
  own.ready.catch(() => {});
  return own;
}

async function pair() {
  const seed = new Secret(randomBytes(32));
  const nonce = randomBytes(16);
  const [near, far] = await tcp();
  const [a, b] = [end(near, 'dial', seed, nonce), end(far, 'accept', seed, nonce)];
  await Promise.all([a.ready, b.ready]);
  const done = () => {
    a.link.close('done');
    b.link.close('done');
  };
  return { a: a.link, b: b.link, done };
}

if (channel) {
  complies('data connection', pair);
  contains('data connection', pair);
}

native('data connection: frames of every size arrive while others are held', async (t) => {
  const { a, b, done } = await pair();
  const sizes = Array.from({ length: 60 }, (_, i) => [1, 100, 4096, 70_000, limits.frameBytes][i % 5]!);
  let n = 0;
  const all = new Promise<void>((resolve) => {
    b.onFrame = async (frame) => {
      const own = n++;
      t.is(frame.length, sizes[own]!);
      t.deepEqual(frame.subarray(-50), bytes(frame.length, own).subarray(-50), 'before it was held');
      if (own % 3 === 0) await new Promise((go) => setTimeout(go, 2));
      t.deepEqual(frame.subarray(0, 50), bytes(frame.length, own).subarray(0, 50), 'while it was held');
      if (n === sizes.length) resolve();
    };
  });
  for (const [i, size] of sizes.entries()) {
    const frame = a.frame(size);
    frame.set(bytes(size, i));
    await a.send(frame);
  }
  await all;
  done();
});

/** Two ends with somebody between them, who sees what the one that accepts says, and passes on what he likes. */
async function tampered(change: (frames: Buffer[]) => Buffer[]) {
  const seed = new Secret(randomBytes(32));
  const nonce = randomBytes(16);
  const [[near, mine], [far, theirs]] = [await tcp(), await tcp()];
  const [a, b] = [end(near, 'dial', seed, nonce), end(far, 'accept', seed, nonce)];
  mine.on('data', (chunk) => theirs.write(chunk));
  let said = Buffer.alloc(0);
  let passed = false;
  theirs.on('data', (chunk: Buffer) => {
    said = Buffer.concat([said, chunk]);
    if (said.length < OPENING) return;
    if (!passed) mine.write(said.subarray(0, OPENING));
    passed = true;
  });
  mine.resume();
  theirs.resume();
  await Promise.all([a.ready, b.ready]);
  const got: number[] = [];
  a.link.onFrame = (frame) => void got.push(frame[0]!);
  const closed = new Promise<string>((resolve) => {
    a.link.onClose = resolve;
  });
  for (let i = 0; i < 4; i++) await b.link.send(new Uint8Array(1000).fill(i));
  const whole = OPENING + 4 * (1000 + AROUND);
  while (said.length < whole) await new Promise((resolve) => setTimeout(resolve, 5));
  const frames = [0, 1, 2, 3].map((i) => {
    const from = OPENING + i * (1000 + AROUND);
    return said.subarray(from, from + 1000 + AROUND);
  });
  mine.write(Buffer.concat(change(frames)));
  const why = await closed;
  b.link.close('done');
  mine.destroy();
  theirs.destroy();
  return { got, why };
}

const flipped = (frame: Buffer, at: number) => {
  const copy = Buffer.from(frame);
  copy[at]! ^= 1;
  return copy;
};

for (const [what, change, good] of [
  ['altered', ([a, b, c, d]: Buffer[]) => [a!, flipped(b!, 500), c!, d!], [0]],
  ['with an altered tag', ([a, b, c, d]: Buffer[]) => [a!, b!, flipped(c!, 1019), d!], [0, 1]],
  ['repeated', ([a, b, c, d]: Buffer[]) => [a!, b!, b!, c!, d!], [0, 1]],
  ['left out', ([a, , c, d]: Buffer[]) => [a!, c!, d!], [0]],
  ['in another order', ([a, b, c, d]: Buffer[]) => [a!, c!, b!, d!], [0]],
  ['said to be the last one', ([a, b, c, d]: Buffer[]) => [a!, b!, flipped(c!, 3), d!], [0, 1]],
  ['shorter than it says', ([a, b]: Buffer[]) => [a!, flipped(b!, 0), b!], [0]],
  ['made up', ([a]: Buffer[]) => [a!, Buffer.concat([a!.subarray(0, 4), randomBytes(1016)])], [0]],
] as const)
  native(`data connection: a frame that is ${what} ends it, and nothing of it or after it is taken`, async (t) => {
    const { got, why } = await tampered(change as (frames: Buffer[]) => Buffer[]);
    t.deepEqual(got, [...good]);
    t.regex(why, /did not seal|were allowed|are allowed/);
  });

native('data connection: a length beyond the limit ends it before any memory is taken', async (t) => {
  const { got, why } = await tampered(([a]) => [a!, Buffer.from([255, 255, 255, 127])]);
  t.deepEqual(got, [0]);
  t.regex(why, /a frame of 2147483647 bytes came; at most 1048576 are allowed/);
});

for (const side of ['dial', 'accept'] as const)
  native(
    `data connection: who has not the seed and would ${side === 'dial' ? 'accept' : 'dial'} learns nothing`,
    async (t) => {
      const nonce = randomBytes(16);
      const [near, far] = await tcp();
      const other = side === 'dial' ? 'accept' : 'dial';
      const own = end(near, side, new Secret(randomBytes(32)), nonce);
      const stranger = end(far, other, new Secret(randomBytes(32)), nonce);
      const closed = new Promise<string>((resolve) => {
        own.link.onClose = resolve;
      });
      t.regex(await closed, /did not seal|closed/);
      t.false(own.isReady);
      t.false(stranger.isReady);
    },
  );

native('data connection: who says nothing, or what is no frame, is let go in time', async (t) => {
  for (const what of [undefined, randomBytes(3000), Buffer.alloc(10_000)]) {
    const [near, far] = await tcp();
    const own = end(near, 'accept', new Secret(randomBytes(32)), randomBytes(16), 500);
    far.on('error', () => {});
    far.resume();
    if (what) far.write(what);
    const why = await new Promise<string>((resolve) => {
      own.link.onClose = resolve;
    });
    t.regex(why, what ? /are allowed|did not seal/ : /did not show its keys in time/);
    t.false(own.isReady);
    far.destroy();
  }
});

test('a preamble names its link to who has the seed, and each connection has keys of its own', (t) => {
  const seed = new Secret(randomBytes(32));
  const { bytes: said, nonce } = preambleOf(seed);
  t.true(isDataPreamble(said));
  for (const other of [Buffer.from('GET / HTTP/1.1'), Buffer.from([22, 3, 1])]) t.false(isDataPreamble(other));
  t.deepEqual(readPreamble(said)!.nonce, nonce);
  t.deepEqual(readPreamble(said)!.id, readPreamble(preambleOf(seed).bytes)!.id);
  t.notDeepEqual(readPreamble(said)!.id, readPreamble(preambleOf(new Secret(randomBytes(32))).bytes)!.id);
  t.is(readPreamble(said.subarray(1)), undefined);
  t.is(readPreamble(Uint8Array.of(...said, 1)), undefined);
  const [first, again] = [randomBytes(16), randomBytes(16)];
  const mine = dataKeys(seed, 'dial', nonce, first);
  const theirs = dataKeys(seed, 'accept', nonce, first);
  t.deepEqual([mine.seals, mine.opens], [theirs.opens, theirs.seals]);
  const keys = [mine.seals, mine.opens, ...Object.values(dataKeys(seed, 'dial', nonce, again))];
  t.is(new Set(keys.map(String)).size, 4);
});

native(
  'keys of frames go on to the next one at both ends, and what was sealed by the one before opens no more',
  (t) => {
    const key = randomBytes(32);
    const [seals, opens] = [true, false].map((seal) => new FrameCiphers(channel!, key.slice(), seal, 100));
    const frame = new Uint8Array(AROUND + 8);
    const seen = new Set<string>();
    for (let i = 0; i < 310; i++) {
      frame.fill(7);
      t.true(seals!.next(frame));
      // The first frame of a key and the first of the next differ in nothing but the key
      if (i % 100 === 0) seen.add(String(frame));
      t.true(opens!.next(frame), `frame ${i}`);
      t.is(frame[4], 7);
    }
    t.is(seen.size, 4);
  },
);
