/** `demo --web`: a page on this machine, until it is told to stop. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const bin = join(dirname(fileURLToPath(import.meta.url)), '../../bin.js');

test('the page and what it connects with are served, and Ctrl-C ends the nodes as well', async (t) => {
  t.timeout(120_000);
  const child = spawn(process.execPath, [bin, 'demo', '--web'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGTERM'));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let url: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    url = /http:\/\/127\.0\.0\.1:\d+\//.exec(line)?.[0];
    if (url) break;
  }
  t.truthy(url);
  const page = await fetch(url!);
  t.is(page.status, 200);
  t.regex(page.headers.get('content-security-policy')!, /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
  const config = (await (await fetch(`${url}config.json`)).json()) as {
    model: string;
    network: { dealer: { url: string } };
  };
  t.is(config.model, 'sst2');
  child.kill('SIGINT');
  t.is(await ended, 0);
  // A node listens at most for as long as this command runs
  await t.throwsAsync(fetch(config.network.dealer.url.replace('ws:', 'http:')));
});
