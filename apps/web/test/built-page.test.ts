/** The built page: how large it is, and how it is served. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { PAGE, POLICY, servePage } from '../server/page-server.js';

/** What a first visit may load. */
const LARGEST = 600_000;

const files = readdirSync(PAGE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

test('the page with TensorFlow.js, tokenizer and kernels is at most 600 kB, compressed', (t) => {
  const sizes = files.map((file) => gzipSync(readFileSync(file)).length);
  const bytes = sizes.reduce((a, b) => a + b, 0);
  t.log(`${bytes} bytes in ${files.length} files`);
  t.true(bytes <= LARGEST, `${bytes} bytes`);
});

test('it asks nobody else for anything, and nothing in it is inline', (t) => {
  const html = readFileSync(join(PAGE, 'index.html'), 'utf8');
  t.notRegex(html, /(src|href)="(https?:)?\/\//);
  t.notRegex(html, /<style|style=|<script(?![^>]*\ssrc=)|\son\w+=/);
  for (const file of files) t.notRegex(readFileSync(file, 'utf8'), /@import|@font-face|sourceMappingURL/);
});

test('it is served to this machine alone, with its policy, and no other path is', async (t) => {
  const page = await servePage(() => undefined);
  t.teardown(() => page.close());
  const index = await fetch(page.url);
  t.is(index.status, 200);
  t.is(index.headers.get('content-security-policy'), POLICY);
  t.regex(await index.text(), /<title>/);
  for (const path of ['config.json', 'nothing', '../package.json', '..%2fpackage.json', '%00'])
    t.is((await fetch(page.url + path)).status, 404, path);
  t.is((await fetch(page.url, { method: 'POST' })).status, 405);
});

test('config.json is for the page’s own name only', async (t) => {
  const page = await servePage(() => ({ model: 'm' }));
  t.teardown(() => page.close());
  const { request } = await import('node:http');
  const asked = (host: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = request(`${page.url}config.json`, { headers: { host } }, (response) => {
        let text = '';
        response.on('data', (data) => (text += data));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      sent.once('error', reject);
      sent.end();
    });
  t.deepEqual(await asked(new URL(page.url).host), { status: 200, text: '{"model":"m"}' });
  t.deepEqual(await asked('rebound.test'), { status: 421, text: '' });
});
