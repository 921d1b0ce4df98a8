import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** All blocks of a language below a heading, up to the next heading. */
function blocks(heading: string, language: string): string[] {
  const from = readme.indexOf(`## ${heading}`);
  const section = readme.slice(from, readme.indexOf('\n## ', from + 3));
  return [...section.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((m) => m[1]!);
}

/** A folder in which imports resolve as in the repository. */
function folderOf(t: { teardown(f: () => void): void }): string {
  const folder = mkdtempSync(join(here, 'readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function run(folder: string, text: string, env: Record<string, string> = {}) {
  const file = join(folder, 'snippet.mjs');
  writeFileSync(file, text);
  return spawnSync(process.execPath, [file], {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, ...env },
  });
}

test.serial('the snippets of “The one line” run as printed', (t) => {
  const [line, model] = blocks('The one line', 'js') as [string, string];
  const folder = folderOf(t);
  const first = run(folder, line);
  t.is(first.status, 0, first.stderr);
  t.true(Math.abs(Number(/0\.99\d+/.exec(first.stdout)?.[0]) - 0.99478) < 1e-3, first.stdout);
  const second = run(folder, model);
  t.is(second.status, 0, second.stderr);
  t.regex(second.stdout, /-2\.99\d*, 2\.77/);
});

test.serial('the snippet of “Ranges” carries values beyond the default range', (t) => {
  const [snippet] = blocks('Ranges', 'js') as [string];
  const { status, stdout, stderr } = run(folderOf(t), snippet);
  t.is(status, 0, stderr);
  const [a, b] = [...stdout.matchAll(/\d+(?:\.\d+)?/g)].map(Number) as [number, number];
  t.true(Math.abs(a / 90601 - 1) < 1e-4 && Math.abs(b / 2553604 - 1) < 1e-4, stdout);
});

async function freePorts(n: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: n },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const s = createServer().listen(0, '127.0.0.1', () => resolve(s));
        }),
    ),
  );
  const ports = servers.map((s) => (s.address() as { port: number }).port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}

test.serial('“Three real nodes”, step by step', async (t) => {
  t.timeout(120_000);
  const folder = folderOf(t);
  const ports = await freePorts(3);
  // As printed, but for the ports, which somebody may be using
  const local = (text: string) =>
    ['24700', '24701', '24702'].reduce((s, p, i) => s.replaceAll(`127.0.0.1:${p}`, `127.0.0.1:${ports[i]}`), text);
  const lines = local(blocks('Three real nodes', 'sh')[0]!)
    .split('\n')
    .filter((l) => l.trim());
  const nodes: ChildProcess[] = [];
  t.teardown(() => {
    for (const n of nodes) n.kill('SIGKILL');
  });
  const bin = join(root, 'node_modules/.bin/party-node');
  for (const line of lines) {
    const args = line.split(/\s+/).slice(2);
    if (args[0] === 'token') {
      execFileSync(bin, args, { cwd: folder });
      continue;
    }
    const node = spawn(bin, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    nodes.push(node);
    await new Promise<void>((resolve, reject) => {
      node.stderr!.on('data', (d) => String(d).includes('listening') && resolve());
      node.on('exit', () => reject(new Error(`${line} stopped`)));
    });
  }
  t.is(nodes.length, 3);
  t.is(lines.length, 5);
  const [line] = blocks('The one line', 'js') as [string];
  const configured = local(blocks('Three real nodes', 'js')[0]!).replace(
    "'client.token'",
    JSON.stringify(join(folder, 'client.token')),
  );
  const text = line.replace(
    "await tf.setBackend('secformer');",
    `${configured.replace(/^import .*$/gm, (i) => i)}\nawait tf.setBackend('secformer');`,
  );
  const byCode = run(folder, text);
  t.is(byCode.status, 0, byCode.stderr);
  t.regex(byCode.stdout, /0\.99\d+/);
  const variables = [...local(readme).matchAll(/(SECFORMER_[A-Z]+)=([^\s"`]+)/g)]
    .slice(0, 2)
    .map((m) => [m[1]!, m[2]!]);
  const byEnvironment = run(folder, line, {
    ...Object.fromEntries(variables),
    SECFORMER_TOKEN: readFileSync(join(folder, 'client.token'), 'utf8'),
  });
  t.is(byEnvironment.status, 0, byEnvironment.stderr);
  t.regex(byEnvironment.stdout, /0\.99\d+/);
});

const printed: Record<string, RegExp> = {
  ring: /2\.25,\s*4/,
  'secformer-ops': /^3 7\.(3[5-9]|4)/,
  'party-node': /0,\s*2/,
  'tfjs-mpc-backend': /\[ 0 \], \[ 6 \][\s\S]*\n5/,
  'bert-loader': /1,\s*0/,
};

for (const [name, output] of Object.entries(printed)) {
  test.serial(`the snippet of ${name}'s README prints what it says`, (t) => {
    t.timeout(120_000);
    const text = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8');
    const { status, stdout, stderr } = run(folderOf(t), /```js\n([\s\S]*?)```/.exec(text)![1]!);
    t.is(status, 0, stderr);
    t.regex(stdout.trim(), output);
  });
}
