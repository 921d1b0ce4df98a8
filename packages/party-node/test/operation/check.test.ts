import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlain, type Server } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { NodeError } from '../../src/index.js';
import { findingLines } from '../../src/node/check-node.js';
import { glance } from '../../src/node/glance.js';
import { check, type OtherNode } from '../../src/operation/check.js';
import type { Link } from '../../src/wire/link.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const link: Link = { send: async () => {}, onFrame: () => {}, onClose: () => {}, close: () => {} };
const dealer = (over: Partial<OtherNode> = {}): OtherNode => ({
  node: 'dealer',
  url: 'wss://dealer.example.org',
  open: async () => link,
  prove: async () => {},
  glance: async () => ({ time: NOW }),
  ...over,
});
const found = (over: Partial<OtherNode>, rest: Partial<Parameters<typeof check>[0]> = {}) =>
  check({ mine: 'party 0', release: '1.2.3', now: () => NOW, ...rest, others: [dealer(over)] });
const fails = (error: Error) => async () => Promise.reject(error);

test('a node that is there and can be trusted is well', async (t) => {
  const findings = await found({}, { callers: ['party 1'] });
  t.true(findings.every(({ well }) => well));
  t.deepEqual(findingLines(findings), [
    'well  dealer is at wss://dealer.example.org, and each of the two has shown the other who it is; party 0 is not ' +
      'connected there',
    'well  dealer its clock agrees with this one',
    'well  party 1 dials party 0 and is not dialled by it: look from there',
  ]);
  const there = new NodeError('party 0', 'ALREADY_CONNECTED', 'another process that is party 0 is connected');
  t.like((await found({ prove: fails(there) }))[0]!, {
    well: true,
    says: 'is at wss://dealer.example.org, knows party 0, and is connected to it',
  });
});

test('what is wrong is said once, and the rest is looked at as far as it can be', async (t) => {
  const unreachable = new NodeError('dealer', 'UNREACHABLE', 'no connection to it (is it running?)');
  t.deepEqual(await found({ open: fails(unreachable) }), [
    { node: 'dealer', well: false, says: 'no connection to it (is it running?)' },
  ]);
  for (const code of ['NOT_AUTHENTICATED', 'VERSION_MISMATCH', 'BUSY', 'LINK_CLOSED'] as const) {
    const findings = await found({ prove: fails(new NodeError('dealer', code, 'the reason')) });
    t.deepEqual(
      findings.map(({ well, says }) => [well, says]),
      [
        [false, 'the reason'],
        [true, 'its clock agrees with this one'],
      ],
      code,
    );
  }
  let closed = 0;
  await found({ open: async () => ({ ...link, close: () => closed++ }) });
  t.is(closed, 1, 'nothing stays connected');
});

test('clocks, and certificates that end', async (t) => {
  const wrong = async (g: Awaited<ReturnType<OtherNode['glance']>>) =>
    (await found({ glance: async () => g })).filter(({ well }) => !well).map(({ says }) => says);
  t.deepEqual(await wrong({ time: NOW - 25_000 }), []);
  t.deepEqual(await wrong({ time: NOW - 90_500 }), [
    'its clock is 90 s behind this one: one of the two is wrong, and grants begin and end by it',
  ]);
  t.regex((await wrong({ time: NOW + 3_600_000 }))[0]!, /its clock is 3601 s ahead of this one/);
  t.deepEqual(await wrong({ certificateUntil: NOW + 3.5 * 86_400_000 }), ['its certificate ends in 3 days; renew it']);
  t.deepEqual(await wrong({ certificateUntil: NOW + 60 * 86_400_000 }), []);
  t.deepEqual(await wrong({}), []);
});

async function portOf(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('an admin port says which release runs and whether it is ready', async (t) => {
  let pages: Record<string, unknown> = {};
  const port = await portOf(
    t,
    createPlain((request, response) => response.end(JSON.stringify(pages[request.url!] ?? null))),
  );
  const admins = { 'party 0': `http://127.0.0.1:${port}` } as const;
  const asked = async () => await check({ mine: 'party 0', release: '1.2.3', others: [], admins });
  pages = { '/healthz': { well: true, node: 'party 0', release: '1.2.3' }, '/readyz': { ready: true } };
  t.deepEqual(findingLines(await asked()), ['well  party 0 runs release 1.2.3', 'well  party 0 is ready']);
  pages = {
    '/healthz': { well: true, node: 'party 0', release: '1.2.2\u001b[2J' },
    '/readyz': { ready: false, missing: ['dealer is not connected'] },
  };
  t.deepEqual(findingLines(await asked()), [
    'WRONG party 0 runs release 1.2.2?[2J, and this is 1.2.3: run the same everywhere, and start it again',
    'WRONG party 0 is not ready: dealer is not connected',
  ]);
  pages = { '/healthz': { well: true, node: 'dealer', release: '1.2.3' } };
  t.regex(findingLines(await asked())[0]!, /^WRONG party 0 at http.* is the admin port of dealer$/);
  pages = { '/healthz': { well: false, why: 'the engine did not answer' } };
  t.deepEqual(findingLines(await asked()), ['WRONG party 0 is not well: the engine did not answer']);
  pages = {};
  t.regex(
    findingLines(await asked())[0]!,
    /^WRONG party 0 its admin port http.* does not answer \(it is no admin port/,
  );
});

test('a plain request tells a node’s time, and its certificate’s end', async (t) => {
  const plain = await portOf(
    t,
    createPlain((_, response) => response.writeHead(426).end()),
  );
  const seen = await glance(`ws://127.0.0.1:${plain}`, 'dealer');
  t.true(Math.abs(seen.time! - Date.now()) < 5_000);
  t.is(seen.certificateUntil, undefined);
  await t.throwsAsync(glance(`ws://127.0.0.1:1`, 'dealer'), { code: 'UNREACHABLE', message: /no answer to a plain/ });

  const folder = mkdtempSync(join(tmpdir(), 'glance-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  const flags = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert];
  const names = ['-days', '3', '-subj', '/CN=node', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const { status } = spawnSync('openssl', ['req', '-x509', ...flags, ...names]);
  if (status !== 0) {
    t.log('there is no openssl here');
    return;
  }
  const pem = readFileSync(cert, 'utf8');
  const tls = await portOf(
    t,
    createTls({ key: readFileSync(key), cert: pem }, (_, response) => response.writeHead(426).end()),
  );
  const { certificateUntil } = await glance(`wss://127.0.0.1:${tls}`, 'dealer', { ca: pem });
  t.true(Math.abs(certificateUntil! - Date.now() - 3 * 86_400_000) < 60_000);
  await t.throwsAsync(glance(`wss://127.0.0.1:${tls}`, 'dealer'), { code: 'UNREACHABLE' });
});
