import test from 'ava';
import { limits } from '../../src/limits.js';
import { startLocalNodes } from '../../src/node.js';
import { NODES } from '../../src/wire/tokens.js';
import type { Flood } from './flood.js';
import { census, connect, harm, honest, inChild, linesOf, median, showCensus, sleep, targetOf, until } from './kit.js';

const attack = new URL('./flood.js', import.meta.url).href;

/**
 * Proves that connections which prove nothing, however many wait at a node and come back at once, keep out neither
 * clients nor a party that restarts: the list of those that have proved nothing has room for who comes next, because
 * the oldest goes, and a client that had to go before it could be told why tries again. Fails where a full list refuses
 * the newest in its place.
 */
test('more connections than a node lets stand, which come back once they are closed, keep nobody out', async (t) => {
  t.timeout(150_000);
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  await honest(nodes);
  const before = census(nodes);
  let there = false;
  const f = inChild<Flood>(
    attack,
    'flood',
    { targets: NODES.map((role) => targetOf(nodes.urls[role])), count: limits.unprovenConnections + 476, ms: 9_000 },
    () => {
      there = true;
    },
  );
  t.teardown(f.kill);
  t.true(await until(() => there, 60_000), 'the flood has begun');
  const took: number[] = [];
  for (let client = 0; client < 20; client++) {
    const start = performance.now();
    const session = await connect(nodes);
    took.push(performance.now() - start);
    session.close();
  }
  t.log(
    `${took.length} clients connected: median ${median(took).toFixed()} ms, slowest ${Math.max(...took).toFixed()} ms`,
  );
  t.true(Math.max(...took) < 5_000, `${took.map((ms) => ms.toFixed())}`);

  const ready = (role: 'party0' | 'dealer') => linesOf(nodes.log(role), 'ready').length;
  const [a, b] = [ready('party0'), ready('dealer')];
  nodes.processes.party1.kill('SIGKILL');
  const killed = performance.now();
  await nodes.restart('party1');
  t.true(await until(() => ready('party0') > a && ready('dealer') > b), 'both have party 1 again');
  t.log(`party 1 was back ${(performance.now() - killed).toFixed()} ms after it was killed`);
  await honest(nodes);
  t.log(`the flood: ${JSON.stringify(await f.result)}`);

  await sleep(limits.handshakeMs + 500);
  await honest(nodes);
  const after = census(nodes);
  t.log(`before: ${showCensus(before)}; after: ${showCensus(after)}`);
  t.deepEqual(harm({ dealer: before.dealer, party0: before.party0 }, after), []);
});
