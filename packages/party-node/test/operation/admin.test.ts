import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { limits } from '../../src/limits.js';
import { Admin, jsonReply, type Pages } from '../../src/operation/admin.js';
import type { ModelState } from '../../src/operation/events.js';
import { Operation } from '../../src/operation/operation.js';

async function adminOf(t: ExecutionContext, pages: Pages, host = '127.0.0.1'): Promise<number> {
  const admin = new Admin({ host, port: 0, pages, log: () => {} });
  const port = await admin.open();
  t.teardown(() => admin.close());
  return port;
}

async function ask(port: number, options: RequestOptions = {}): Promise<IncomingMessage & { text: string }> {
  const asked = request({ host: '127.0.0.1', port, agent: false, ...options }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return Object.assign(response, { text });
}

test('pages are read by GET and HEAD alone, and nothing of them is kept or guessed', async (t) => {
  const port = await adminOf(t, { '/page': () => jsonReply(200, { a: 1 }) });
  const page = await ask(port, { path: '/page?x=1' });
  t.is(page.statusCode, 200);
  t.is(page.text, '{"a":1}\n');
  t.is(page.headers['cache-control'], 'no-store');
  t.is(page.headers['x-content-type-options'], 'nosniff');
  t.regex(String(page.headers['content-security-policy']), /default-src 'none'/);
  const head = await ask(port, { path: '/page', method: 'HEAD' });
  t.is(head.text, '');
  t.is(head.headers['content-length'], '8');
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    const { statusCode, headers } = await ask(port, { path: '/page', method });
    t.is(statusCode, 405, method);
    t.is(headers.allow, 'GET, HEAD');
  }
  // Of a body that never ends
  const posted = request({
    host: '127.0.0.1',
    port,
    agent: false,
    method: 'POST',
    headers: { 'Content-Length': 10 ** 9 },
  });
  posted.on('error', () => {}).write('begun');
  const [refused] = (await once(posted, 'response')) as [IncomingMessage];
  t.is(refused.statusCode, 405);
  await once(refused.resume(), 'close');
  for (const path of ['/', '/none', '/page/', '/__proto__', '/constructor', '//page'])
    t.is((await ask(port, { path })).statusCode, 404, path);
});

test('a page that fails is a 500 that says nothing of why', async (t) => {
  const fails = () => {
    throw new Error('the reason');
  };
  const port = await adminOf(t, { '/fails': fails, '/later': async () => fails() });
  for (const path of ['/fails', '/later']) {
    const { statusCode, text } = await ask(port, { path });
    t.is(statusCode, 500);
    t.false(text.includes('the reason'));
  }
});

test('on loopback only those who ask this machine by an address or as localhost are answered', async (t) => {
  const port = await adminOf(t, { '/page': () => jsonReply(200, {}) });
  const asked = async (host: string) => (await ask(port, { path: '/page', headers: { host } })).statusCode;
  t.is(await asked('rebound.example.org'), 421);
  t.is(await asked('rebound.example.org:9100'), 421);
  t.is(await asked('localhost:9100'), 200);
  t.is(await asked('[::1]:9100'), 200);
  t.is(await asked(`127.0.0.1:${port}`), 200);
});

test('connections and what they may send are bounded', async (t) => {
  const port = await adminOf(t, { '/page': () => jsonReply(200, {}) });
  const sockets = Array.from({ length: limits.adminConnections + 8 }, () => connect(port, '127.0.0.1').resume());
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  let closed = 0;
  for (const socket of sockets) socket.on('error', () => {}).on('close', () => closed++);
  for (const end = performance.now() + 5_000; closed < 8 && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(closed, 8);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const long = connect(port, '127.0.0.1').resume();
  long
    .on('error', () => {})
    .write(`GET /page HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(limits.adminHeaderBytes)}`);
  await once(long, 'close');
  t.is((await ask(port, { path: '/page' })).statusCode, 200);
});

test('a port that is taken is a mistake in the configuration', async (t) => {
  const port = await adminOf(t, {});
  await t.throwsAsync(new Admin({ host: '127.0.0.1', port, pages: {}, log: () => {} }).open(), {
    code: 'BAD_CONFIGURATION',
    message: /cannot listen on 127\.0\.0\.1:\d+ for --admin/,
  });
});

test('health is the engine’s answer, readiness what is missing', async (t) => {
  let models: ModelState[] | undefined;
  let answers = true;
  const operation: Operation = new Operation({
    node: 'party 0',
    release: '1.2.3',
    log: () => {},
    admin: { host: '127.0.0.1', port: 0 },
    ask: () => {
      const told = models ? [{ kind: 'models' as const, models }] : [];
      if (answers) setImmediate(() => operation.engine([{ kind: 'queue', waiting: 2, underWay: 1 }, ...told]));
    },
  });
  const port = Number(new URL((await operation.open())!).port);
  t.teardown(() => operation.close());
  const json = async (path: string) => {
    const { statusCode, text } = await ask(port, { path });
    return { statusCode, ...JSON.parse(text) };
  };
  const health = await json('/healthz');
  t.like(health, { statusCode: 200, well: true, node: 'party 0', release: '1.2.3' });
  t.true(Math.abs(Date.parse(health.time) - Date.now()) < 5_000);

  t.deepEqual(await json('/readyz'), {
    statusCode: 503,
    ready: false,
    missing: ['party 1 is not connected', 'dealer is not connected', 'the engine has not said yet which models it has'],
  });
  models = [];
  const log = operation.observing(() => {});
  log('connected', { node: 'party 1' });
  log('connected', { node: 'dealer' });
  t.deepEqual(await json('/readyz'), { statusCode: 200, ready: true });
  // The dealer connects again before its old link is gone
  log('connected', { node: 'dealer' });
  log('left', { node: 'dealer' });
  t.is((await json('/readyz')).statusCode, 200);
  models = [{ model: 'sst2@1' }, { model: 'sst2@2', publisher: 'acme', why: 'party1 does not have it' }];
  t.deepEqual((await json('/readyz')).missing, ['sst2@2 is not served: party1 does not have it']);
  // Never a whole list
  models = Array.from({ length: 1000 }, (_, i) => ({ model: `m@${i}`, why: 'damaged' }));
  const many = (await json('/readyz')).missing;
  t.is(many.length, limits.readyLines + 1);
  t.is(many.at(-1), `${1000 - limits.readyLines} more models are not served`);
  models = [{ model: 'm@0', why: 'damaged' }];
  log('draining');
  t.deepEqual((await json('/readyz')).missing, ['this node is being stopped', 'm@0 is not served: damaged']);

  t.regex((await ask(port, { path: '/metrics' })).text, /^secformer_runs\{state="waiting"\} 2$/m);
  answers = false;
  t.like(await json('/healthz'), { statusCode: 503, well: false });
  t.regex((await ask(port, { path: '/metrics' })).text, /^secformer_runs\{state="waiting"\} 2$/m, 'what it said last');
  t.true((await json('/readyz')).missing.includes('m@0 is not served: damaged'), 'what it said last');
});
