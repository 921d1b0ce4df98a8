// docs/tutorial.md, block by block: its commands in an empty folder, its files under the names it gives them.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const text = readFileSync(join(root, 'docs/tutorial.md'), 'utf8');

/** What the tutorial says to run below a heading, line by line; what is continued is one line. */
function commands(heading: string): string[] {
  const section = text
    .slice(text.indexOf(`\n## ${heading}`))
    .slice(1)
    .split(/\n## /)[0];
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)]
    .flatMap(([, block]) => block!.replaceAll('\\\n', ' ').split('\n'))
    .filter(Boolean);
}

/** Its files: a name in backticks, and the next block of code. */
function files(): Record<string, string> {
  const found = text.matchAll(/`(\w+\.js)`(?:(?!```|`\w+\.js`)[\s\S])*?```js\n([\s\S]*?)```/g);
  return Object.fromEntries([...found].map(([, name, code]) => [name!, code!]));
}

async function freePorts(n: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: n },
      () =>
        new Promise<Server>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((s) => (s.address() as AddressInfo).port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}

test('the tutorial works as it says', async (t) => {
  t.timeout(300_000);
  const above = mkdtempSync(join(tmpdir(), 'tutorial-'));
  t.teardown(() => rmSync(above, { recursive: true, force: true }));
  const folder = join(above, 'private-model');
  // As a clone beside the folder; it is installed and built already
  symlinkSync(root, join(above, 'secformer'));
  const run = (command: string, cwd = folder) => {
    const env = { ...process.env, npm_config_loglevel: 'error' };
    const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { cwd, encoding: 'utf8', env });
    t.is(status, 0, `${command}\n${stderr}`);
    return stdout;
  };

  const [install, make, pack, enter, ...rest] = commands('1.') as [string, string, string, string, ...string[]];
  t.deepEqual([install, make, enter], ['npm ci', 'mkdir -p ../private-model/packages', 'cd ../private-model']);
  mkdirSync(join(folder, 'packages'), { recursive: true });
  run(pack.replace('../private-model', folder), root);
  for (const command of rest) run(command.replace(/^npm i /, 'npm i --prefer-offline --ignore-scripts --no-audit '));

  const made = files();
  t.deepEqual(Object.keys(made), ['first.js', 'model.js', 'train.js', 'ask.js', 'seen.js', 'bert.js']);
  for (const [name, code] of Object.entries(made)) writeFileSync(join(folder, name), code);

  const numbers = (output: string) => (output.match(/-?\d+(?:\.\d+)?(?:e-?\d+)?/g) ?? []).map(Number);
  t.true(Math.abs(numbers(run(commands('2.')[0]!))[0]! - 0.99478) < 1e-3);
  const [train, ask] = commands('3.') as [string, string];
  const plain = numbers(run(train)).slice(0, 4);
  const near = (output: string) => plain.every((v, i) => Math.abs(numbers(output)[i]! - v) < 1e-3);
  t.true(near(run(ask)));

  const [nodeToken, clientToken, ...more] = commands('4.') as [string, string, ...string[]];
  run(nodeToken);
  run(clientToken);
  const [dealer, party0, party1] = (await freePorts(3)) as [number, number, number];
  const ports: Record<string, number> = { 24700: dealer, 24701: party0, 24702: party1 };
  const here = (command: string) => command.replace(/2470[0-2]/g, (port) => String(ports[port]));
  const nodes = more.slice(0, 3).map((command) => {
    const script = join(folder, 'node_modules/@secformer/party-node/bin.js');
    const node = spawn(process.execPath, [script, ...here(command).split(/ +/).slice(2)], { cwd: folder });
    t.teardown(() => node.kill('SIGKILL'));
    return node;
  });
  const ready = async (node: ChildProcess) => {
    for await (const line of createInterface({ input: node.stderr! })) if (JSON.parse(line).event === 'ready') return;
  };
  await Promise.all(nodes.map(ready));
  t.true(near(run(more.slice(3).map(here).join('\n'))));

  const [first, second] = run(commands('5.')[0]!).match(/^[0-9a-f]{64} .*$/gm)!;
  t.is(first, second);
  t.regex(first!, /^[0-9a-f]{64} \d+ \[\] \[$/);

  t.regex(run(commands('7.')[0]!), /'negative', 'positive' \] \[ \[ -2\.99\d*, 2\.77\d* \] \]/);
});
