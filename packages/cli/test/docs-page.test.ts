/** The page that describes the proxy's routes to people. */
import { createHash } from 'node:crypto';
import test from 'ava';
import { type Described, pageOf } from '../src/proxy/docs-page.js';
import { CLASSIFIER, EMBEDDER, MadeUp } from './proxy-models.js';

const HOST = { host: '127.0.0.1:8470' };

test('/docs has every route of the description, its fields and a command for it', async (t) => {
  const { app } = await new MadeUp(EMBEDDER, CLASSIFIER).server();
  const { paths } = (await app.inject({ url: '/openapi.json', headers: HOST })).json() as Required<Described>;
  const { statusCode, headers, body } = await app.inject({ url: '/docs', headers: HOST });
  t.is(statusCode, 200);
  t.is(headers['content-type'], 'text/html; charset=utf-8');
  for (const [path, operations] of Object.entries(paths))
    for (const method of Object.keys(operations))
      t.true(body.includes(`<code>${method.toUpperCase()} ${path}</code>`), `${method} ${path}`);
  t.true(body.includes('<code>vectors@1</code>, <code>sst2@1</code>'));
  t.true(body.includes('<td><code>truncate</code></td><td>boolean, or null</td>'));
  t.true(body.includes("curl http://127.0.0.1:8470/embed --json '{&quot;inputs&quot;:&quot;…&quot;}'"));
  t.true(body.includes('curl http://127.0.0.1:8470/v2/models/vectors/versions/1/infer'));
  t.notRegex(body, /\{name\}<\/pre>|undefined|\[object/);
});

test('/docs runs no script, fetches nothing, and its own style is all that its policy lets in', async (t) => {
  const { app } = await new MadeUp(EMBEDDER).server();
  const { headers, body } = await app.inject({ url: '/docs', headers: HOST });
  const style = /<style>([\s\S]*?)<\/style>/.exec(body)![1]!;
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = String(headers['content-security-policy']);
  t.true(policy.startsWith("default-src 'none'; ") && policy.includes(`style-src 'sha256-${hash}'`), policy);
  t.notRegex(policy, /script|unsafe/);
  t.notRegex(body, /<script|<link|<img|style=|\son\w+=/);
  t.is(headers['x-frame-options'], 'DENY');
});

test('/docs is guarded as every route is', async (t) => {
  const { app } = await new MadeUp(EMBEDDER).server();
  const status = async (headers: Record<string, string>) => (await app.inject({ url: '/docs', headers })).statusCode;
  t.is(await status({ host: 'rebound.test' }), 421);
  t.is(await status({ ...HOST, origin: 'https://elsewhere.test' }), 403);
  t.is(await status({ ...HOST, 'sec-fetch-site': 'cross-site' }), 403);
  t.is(await status({ ...HOST, 'sec-fetch-site': 'none' }), 200);
  const { app: closed } = await new MadeUp(EMBEDDER).server({ local: false, token: 'abc' });
  t.is((await closed.inject({ url: '/docs' })).statusCode, 401);
  const shown = { host: '"><script>', authorization: 'Bearer abc' };
  const { statusCode, body } = await closed.inject({ url: '/docs', headers: shown });
  t.is(statusCode, 200);
  t.notRegex(body, /<script/);
});

test('what a description says is text, and never markup', (t) => {
  const properties = { '<i>': { type: 'string', description: '<b>&"' } };
  const operation = { summary: '<u>', requestBody: { content: { 'application/json': { schema: { properties } } } } };
  const described = { info: { title: '<s>', version: '1' }, paths: { '/<a>': { post: operation } } };
  const page = pageOf(described, ['<m>'], '');
  t.notRegex(page, /<(i|b|u|s|a|m)>/);
  t.true(page.includes('&lt;b&gt;&amp;&quot;'));
});
