import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import test from 'ava';
import { tokenFrom } from '../../src/index.js';
import { limits } from '../../src/limits.js';
import { dialSocket } from '../../src/node.js';
import { handshake } from '../../src/wire/handshake.js';
import type { ask426, Thrown } from './garbage.js';
import {
  censusOf,
  harm,
  inChild,
  linesOf,
  median,
  type OneNode,
  secretFiles,
  showCensus,
  sleep,
  startNode,
  targetOf,
} from './kit.js';
import { long, slow } from './limits.js';

const openssl = spawnSync('openssl', ['version']).status === 0;
const attack = new URL('./garbage.js', import.meta.url).href;

const secret = () => randomBytes(32).toString('base64');
const { path, remove } = secretFiles({ client: secret(), party0: secret(), party1: secret(), key: '', cert: '' });
test.after.always(remove);

const files = [
  '--client-token-file',
  path.client,
  '--party0-token-file',
  path.party0,
  '--party1-token-file',
  path.party1,
];

function certificate(): string[] {
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  spawnSync('openssl', ['req', '-x509', ...curve, '-keyout', path.key, '-out', path.cert, '-days', '1', ...names]);
  chmodSync(path.key, 0o600);
  return ['--tls-cert', path.cert, '--tls-key', path.key];
}

/** A client's handshake. @returns milliseconds of it */
async function honestly({ url }: OneNode): Promise<number> {
  const start = performance.now();
  const link = await dialSocket(url, 'dealer', url.startsWith('wss') ? readFileSync(path.cert, 'utf8') : undefined);
  const process = randomBytes(16).toString('hex');
  await handshake(link, {
    mine: 'client',
    process,
    tokens: { client: tokenFrom(readFileSync(path.client, 'utf8')) },
    side: 'dial',
    expect: 'dealer',
  });
  link.close('done');
  return performance.now() - start;
}

/**
 * Proves that the limits of time and of bytes hold from the moment that TCP accepts a connection, before, during and
 * after a TLS handshake, and that garbage does no more harm behind it than before it. Fails where bytes are counted of
 * the WebSocket alone, or time from its opening.
 */
const bounded = test.macro(async (t, tls: boolean) => {
  t.timeout(90_000);
  const node = await startNode('dealer', ...files, ...(tls ? certificate() : []));
  t.teardown(() => node.child.kill('SIGKILL'));
  const target = targetOf(node.url);
  for (let i = 0; i < 3; i++) await honestly(node);
  const before = { dealer: censusOf(node.child) };

  const stayed = await Promise.all(Object.entries(slow).map(async ([name, f]) => [name, await f(target)] as const));
  t.log(`closed after: ${stayed.map(([name, { ms }]) => `${name} ${ms.toFixed()} ms`)}`);
  for (const [name, { ms }] of stayed) t.true(ms < limits.handshakeMs + 1_500, `${name}: ${ms} ms`);

  const sent = await Promise.all(Object.entries(long).map(async ([name, f]) => [name, await f(target)] as const));
  t.log(`closed after: ${sent.map(([name, { ms, bytes }]) => `${name} ${bytes >> 10} KiB in ${ms.toFixed()} ms`)}`);
  // Looked at every 50 ms: what is in the buffers of the machine by then is more on a slow one
  for (const [name, { ms, bytes }] of sent)
    t.true(bytes < 6 * limits.unprovenBytes && ms < limits.handshakeMs - 500, `${name}: ${bytes} bytes in ${ms} ms`);

  if (tls) {
    const thrown = inChild<Thrown>(attack, 'throwGarbage', { targets: [target], count: 400, seed: 3, perSecond: 100 });
    // What a plain port would take, at one that speaks TLS
    const plain = inChild<Thrown>(attack, 'throwGarbage', {
      targets: [{ ...target, tls: false }],
      count: 200,
      seed: 4,
      perSecond: 50,
    });
    const took: number[] = [];
    let over = false;
    const end = Promise.all([thrown.result, plain.result]).finally(() => {
      over = true;
    });
    while (!over) {
      took.push(await honestly(node));
      await sleep(50);
    }
    for (const { connections, left } of await end) {
      t.true(connections >= 200);
      t.deepEqual(left, []);
    }
    t.log(
      `${took.length} honest handshakes during 600 connections of garbage: ` +
        `median ${median(took).toFixed()} ms, slowest ${Math.max(...took).toFixed()} ms`,
    );
    const asked = await inChild<Awaited<ReturnType<typeof ask426>>>(attack, 'ask426', {
      targets: [target],
      count: 100,
      atOnce: 5,
    }).result;
    t.is(asked.answered, 100);
  }
  await sleep(500);
  await honestly(node);
  await sleep(500);
  const after = { dealer: censusOf(node.child) };
  t.log(`before: ${showCensus(before)}; after: ${showCensus(after)}`);
  t.deepEqual(harm(before, after), []);
  t.deepEqual(linesOf(node.log, 'failed'), []);
});

test.serial('without TLS: whoever is slow or long is closed in time', bounded, false);
(openssl ? test.serial : test.serial.skip)(
  'with TLS: whoever is slow or long is closed in time, before it and behind it, and garbage does no harm',
  bounded,
  true,
);
