// Every example is run as its README says, against nodes that one of them starts.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLocalNodes } from '@secformer/party-node/node';
import test from 'ava';
import { chromium } from 'playwright-core';
import { example, Nodes, Running, root, run, servedStatic } from './example-runs.js';

const CHROMIUM = [process.env.SECFORMER_CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path));
const inBrowser = CHROMIUM ? test.serial : test.serial.skip;
if (!CHROMIUM)
  test.skip('no browser: neither the variable SECFORMER_CHROMIUM nor /usr/bin/chromium leads to Chromium', () => {});

let nodes;
let browser;

test.before(async (t) => {
  t.timeout(240_000);
  nodes = await Nodes.start();
  // Chromium's sandbox needs a user of its own; what is loaded are these pages alone
  if (CHROMIUM) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});
test.after.always(async () => {
  await browser?.close();
  await nodes?.stop();
});

/** What the example's README shows of what it prints: its last block. */
const shown = (name) =>
  readFileSync(example(name, 'README.md'), 'utf8')
    .split(/^```.*\n/m)
    .at(-2);

const NUMBER = /-?\d+\.\d+/g;
/** Was this printed, but for what fixed point leaves open of numbers? */
function printed(t, text, expected) {
  t.deepEqual(text.replace(NUMBER, '#').split('\n'), expected.replace(NUMBER, '#').split('\n'));
  const numbers = text.match(NUMBER) ?? [];
  for (const [i, number] of (expected.match(NUMBER) ?? []).entries())
    t.true(Math.abs(numbers[i] - number) < 2e-3, `${numbers[i]} in place of ${number}`);
}

test.serial('local-nodes: files that nobody else can read', (t) => {
  for (const name of ['publisher.key', 'client.key', 'config.json', 'network.json', 'sst2.grant', 'vectors.grant'])
    if (process.platform === 'win32') t.true(existsSync(nodes.file(name)), name);
    else t.is(statSync(nodes.file(name)).mode & 0o777, 0o600, name);
});

test.serial('node-script: on threads, and on nodes that the environment names', async (t) => {
  t.timeout(240_000);
  const local = await startLocalNodes();
  t.teardown(() => local.stop());
  const { dealer, party0, party1 } = local.urls;
  const given = { SECFORMER_PARTIES: `${party0},${party1}`, SECFORMER_DEALER: dealer, SECFORMER_TOKEN: local.token };
  for (const env of [{}, given]) {
    const { code, out, errors } = await run(['index.js'], { cwd: example('node-script'), env });
    t.is(code, 0, errors);
    printed(t, out, shown('node-script'));
  }
});

test.serial('graph-model: published, and asked by its publisher and by a client', async (t) => {
  t.timeout(240_000);
  const cwd = example('graph-model');
  const published = await run(['publish.js'], { cwd, env: nodes.as('publisher.key') });
  t.is(published.code, 0, published.errors);
  const asked = await run(['ask.js'], { cwd, env: nodes.as('publisher.key') });
  t.is(asked.code, 0, asked.errors);
  printed(t, published.out + asked.out, shown('graph-model'));
  const again = await run(['publish.js'], { cwd, env: nodes.as('publisher.key') });
  t.not(again.code, 0);
  t.regex(again.errors, /MODEL_EXISTS/);
  const refused = await run(['ask.js'], { cwd, env: nodes.as('client.key', 'sst2.grant') });
  t.not(refused.code, 0);
  t.regex(refused.errors, /GRANT_REFUSED/);
});

test.serial('desktop: makes a key, keeps a grant, asks about lines and a file', async (t) => {
  t.timeout(240_000);
  const config = nodes.file('config');
  mkdirSync(config);
  const ask = (args, input) =>
    run(['ask.js', ...args], { cwd: example('desktop'), env: { XDG_CONFIG_HOME: config }, input });
  const early = await ask([]);
  t.is(early.code, 1);
  t.regex(early.errors, /there is no grant in .*private-ask yet/);
  const made = await ask(['key']);
  t.regex(made.out, /^ed25519:\S+\n$/);
  t.is((await ask(['key'])).out, made.out, 'the key stays');
  if (process.platform !== 'win32') t.is(statSync(join(config, 'private-ask/key')).mode & 0o777, 0o600);
  writeFileSync(nodes.file('my.grant'), await nodes.grant('sst2', made.out.trim()));
  t.is((await ask(['keep', nodes.file('network.json'), nodes.file('my.grant')])).code, 0);
  const typed = await ask([], 'A delight.\n\nA bore from start to end.\n');
  t.is(typed.code, 0, typed.errors);
  printed(t, typed.out, shown('desktop'));
  writeFileSync(nodes.file('lines.txt'), 'A delight.\n');
  printed(t, (await ask([nodes.file('lines.txt')])).out, shown('desktop').replace(/.*bore.*\n/, ''));
  t.is((await ask([nodes.file('nothing')])).code, 1);
});

test.serial('express: answers, refuses with statuses, and ends at SIGTERM', async (t) => {
  t.timeout(240_000);
  const key = await run([join(root, 'packages/party-node/bin.js'), 'keygen', nodes.file('server.key')]);
  writeFileSync(nodes.file('server.grant'), await nodes.grant('sst2', key.out.trim(), '--quota', '1/3600'));
  const env = { ...nodes.as('server.key', 'server.grant'), PORT: '0' };
  const server = new Running(['server.js'], { cwd: example('express'), env });
  t.teardown(() => server.end('SIGKILL'));
  const url = (await server.said(/^listening/)).replace('listening on ', '');
  const ask = (body) => fetch(`${url}/ask`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  for (const bad of ['{"text": 5}', '{', '[]']) t.is((await ask(bad)).status, 400, bad);
  t.is((await ask(JSON.stringify({ text: 'a'.repeat(20_000) }))).status, 413);
  const answer = await ask('{"text": "A delight."}');
  t.is(answer.status, 200);
  t.like(await answer.json(), { label: 'positive', truncated: false });
  const refused = await ask('{"text": "A delight."}');
  t.is(refused.status, 429);
  t.true(Number(refused.headers.get('retry-after')) > 3000);
  t.is((await refused.json()).code, 'QUOTA_SPENT');
  const { code, errors } = await server.end('SIGTERM');
  if (process.platform !== 'win32') t.is(code, 0, errors);
  t.notRegex(errors, /delight/);
});

test.serial('langchain: unchanged, through the proxy of its package.json', async (t) => {
  t.timeout(240_000);
  const cwd = example('langchain');
  const [command, ...args] = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')).scripts.proxy.split(' ');
  t.is(command, 'secformer');
  const env = nodes.as('client.key', 'vectors.grant');
  const proxy = new Running([join(root, 'packages/cli/bin.js'), ...args, '--listen', '127.0.0.1:0'], { env });
  t.teardown(() => proxy.end('SIGKILL'));
  const url = (await proxy.said(/^listening/)).replace('listening on ', '');
  const { code, out, errors } = await run(['index.js'], { cwd, env: { OPENAI_BASE_URL: `${url}/v1` } });
  t.is(code, 0, errors);
  printed(t, out, shown('langchain'));
});

/** A page's answer to the sentence that stands in it, and what its console said. */
async function askedPage(t, folder, config) {
  const site = await servedStatic(folder, () => JSON.stringify(config));
  const page = await browser.newPage();
  t.teardown(async () => {
    await page.close();
    site.close();
  });
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const elsewhere = [];
  page.on('request', (request) => request.url().startsWith(site.url) || elsewhere.push(request.url()));
  await page.goto(site.url);
  const output = page.locator('output');
  const settled = (waiting) =>
    page.waitForFunction((w) => document.querySelector('output').textContent !== w, waiting, { timeout: 120_000 });
  await settled('Connecting …');
  const first = await output.textContent();
  if (first === 'Ready') {
    await page.click('button');
    await settled('Asking …');
  }
  t.deepEqual(errors, []);
  t.deepEqual(
    elsewhere.filter((url) => url.startsWith('http')),
    [],
  );
  return output.textContent();
}

for (const name of ['browser-bundler', 'browser-no-bundler'])
  inBrowser(`${name}: a sentence has its label, and a client without a grant is told why not`, async (t) => {
    t.timeout(240_000);
    const config = JSON.parse(nodes.read('config.json'));
    let folder = example(name);
    if (name === 'browser-bundler') {
      folder = nodes.file('built');
      const vite = join(root, 'node_modules/vite/bin/vite.js');
      const built = await run([vite, 'build', '--outDir', folder, '--logLevel', 'warn'], { cwd: example(name) });
      t.is(built.code, 0, built.errors);
    }
    t.regex(await askedPage(t, folder, config), /^positive \(99\.\d %\)$/);
    t.regex(await askedPage(t, folder, { ...config, grant: undefined }), /\(NOT_AUTHENTICATED\)$/);
  });
