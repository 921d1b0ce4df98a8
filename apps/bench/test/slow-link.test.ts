/** The emulated network: when frames arrive, in which order, and that none is lost where it is turned on or off. */
import type { Link } from '@secformer/party-node';
import test from 'ava';
import { loopback, type Network } from '../src/network.js';
import { arrivingLate, slowed } from '../src/slow-link.js';

/** Two ends of a link that passes frames at once, in a buffer that is used again as a data connection's is. */
function pair(): [Link, Link] {
  const room = new Uint8Array(1 << 16);
  const end = (): Link => ({ onFrame: () => {}, onClose: () => {}, send: async () => {}, close: () => {} });
  const [a, b] = [end(), end()];
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.send = async (frame) => {
      room.set(frame);
      await to.onFrame(room.subarray(0, frame.length));
      room.fill(255, 0, frame.length);
    };
    from.close = (why) => to.onClose(why);
  }
  return [a, b];
}

const network: Network = { roundTripMs: 40, bytesPerSecond: 1e6 };
const frames = Array.from({ length: 4 }, (_, i) => new Uint8Array(10_000).fill(i + 1));

/** What arrives, and how long after the first was sent. */
async function arrivals(from: Link, to: Link): Promise<{ first: number; length: number; ms: number }[]> {
  const seen: { first: number; length: number; ms: number }[] = [];
  const start = performance.now();
  const all = new Promise<void>((resolve) => {
    to.onFrame = (frame) => {
      seen.push({ first: frame[0]!, length: frame.length, ms: performance.now() - start });
      if (seen.length === frames.length) resolve();
    };
  });
  for (const frame of frames) void from.send(frame);
  await all;
  return seen;
}

/** Half a round trip after the last of so many bytes has left, and not much later on a machine at work. */
function checkTimes(t: { true(ok: boolean, why?: string): void }, ms: readonly number[]): void {
  for (const [i, at] of ms.entries()) {
    const due = network.roundTripMs / 2 + 10 * (i + 1);
    t.true(at >= due - 1 && at < due + 1000, `frame ${i} after ${at} ms, due after ${due}`);
  }
}

for (const [name, ends] of [
  ['arrivingLate', ([a, b]: [Link, Link]) => [arrivingLate(a, () => network), arrivingLate(b, () => network)]],
  [
    'slowed',
    ([a, b]: [Link, Link]) => [{ ...a, send: (f: Uint8Array) => a.send(f.slice()) }, slowed(copied(b), () => network)],
  ],
] as const)
  test(`${name}: frames arrive in order, at the network's rate and half a round trip later`, async (t) => {
    const [a, b] = ends(pair()) as [Link, Link];
    const seen = await arrivals(a, b);
    t.deepEqual(
      seen.map(({ first, length }) => [first, length]),
      frames.map((f) => [f[0], f.length]),
    );
    checkTimes(
      t,
      seen.map(({ ms }) => ms),
    );
  });

/** A link as a WebSocket is: each of its frames is a buffer of its own. */
function copied(link: Link): Link {
  const own: Link = { ...link, onFrame: () => {} };
  link.onFrame = (frame) => own.onFrame(frame.slice());
  return own;
}

test('what is under way when the network is turned off still arrives first', async (t) => {
  let now = network;
  const [a, b] = pair().map((link) => arrivingLate(link, () => now)) as [Link, Link];
  const seen: number[] = [];
  b.onFrame = (frame) => void seen.push(frame[0]!);
  void a.send(frames[0]!);
  now = loopback;
  await a.send(frames[1]!);
  await a.send(frames[2]!);
  t.deepEqual(seen, []);
  while (seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual(seen, [1, 2, 3]);
  // Nothing is in the way of the next one
  await a.send(frames[3]!);
  t.deepEqual(seen, [1, 2, 3, 4]);
});

test('what is closed delivers nothing more, and says so', async (t) => {
  const [a, b] = pair().map((link) => arrivingLate(link, () => network)) as [Link, Link];
  const seen: unknown[] = [];
  b.onFrame = (frame) => void seen.push(frame[0]);
  b.onClose = (why) => seen.push(why);
  void a.send(frames[0]!);
  a.close('enough');
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.deepEqual(seen, ['enough']);
});
