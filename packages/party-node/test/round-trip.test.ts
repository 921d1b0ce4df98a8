/** What lies between the parties: measured by their transports, said to clients when a session begins. */
import test from 'ava';
import { limits, NodeError, Session, SocketLink, tokenFrom } from '../src/index.js';
import { leastRoundTrip } from '../src/node/round-trip.js';
import { dialSocket, startLocalNodes } from '../src/node.js';
import type { Link } from '../src/wire/link.js';
import { message } from '../src/wire/messages.js';
import type { Socket } from '../src/wire/socket-link.js';

/** A socket whose pings are seen; `answer` is what a pong does. */
function pinged() {
  const pings: string[] = [];
  let pong: (data?: { toString(): string }) => void = () => {};
  const socket: Socket = {
    binaryType: '',
    bufferedAmount: 0,
    send() {},
    close() {},
    addEventListener() {},
    ping: (data) => void pings.push(data ?? ''),
    on: (_, listener) => {
      pong = listener;
    },
  };
  return { socket, pings, answer: (data: string) => pong(Buffer.from(data)) };
}

test('a round trip ends with the answer to its own ping, and with no other', async (t) => {
  const { socket, pings, answer } = pinged();
  const link = new SocketLink(socket);
  let over = false;
  const trip = link.roundTrip(60_000).then((ms) => {
    over = true;
    return ms;
  });
  answer('');
  answer('trip 99');
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.false(over);
  answer(pings[0]!);
  t.true((await trip)! >= 15);
  t.is(await link.roundTrip(5), 5, 'as long as it has waited');
  const cut = link.roundTrip(60_000);
  link.close('over');
  t.is(await cut, undefined);
  t.is(await link.roundTrip(60_000), undefined);
});

test('the least of a few counts; without any there is none', async (t) => {
  const trips = (...ms: (number | undefined)[]) => {
    const left = [...ms];
    return { roundTrip: async () => left.shift() } as unknown as Link;
  };
  t.is(await leastRoundTrip(trips(9, 3, 7, 40, 3.5, 8, 8, 8, 1)), 3, `${limits.roundTrips} of them`);
  t.is(await leastRoundTrip(trips(9, undefined)), 9);
  t.is(await leastRoundTrip(trips(undefined)), undefined);
  t.is(await leastRoundTrip({} as Link), undefined);
});

test('what a node says of it is bounded', (t) => {
  const done = (roundTripMs: unknown) => message.safeParse({ t: 'done', re: 1, roundTripMs }).success;
  t.true(done(0.2) && done(undefined));
  for (const wrong of [-1, 1e9, Number.NaN, '3', null]) t.false(done(wrong), String(wrong));
});

test('parties on one machine say that they are near', async (t) => {
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  const { urls, token } = nodes;
  // They may be measuring yet when the first client comes
  for (let ms: number | undefined, tries = 0; ; tries++) {
    const session = await Session.connect((role) => dialSocket(urls[role], 'client'), tokenFrom(token));
    ms = session.roundTripMs;
    session.close();
    if (ms !== undefined) {
      t.true(ms > 0 && ms < limits.roundTripMs, `${ms} ms`);
      return;
    }
    if (tries === 100) throw new NodeError('client', 'NO_PROGRESS', 'no party has measured anything');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
