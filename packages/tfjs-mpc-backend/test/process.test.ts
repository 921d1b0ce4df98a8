import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { runtime as browser } from '../src/runtime/browser.js';

const here = dirname(fileURLToPath(import.meta.url));

/** Runs a script in a process of its own, beside this package so that its imports resolve. */
function script(t: { teardown(f: () => void): void }, text: string, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(here, 'script-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'script.mjs');
  writeFileSync(file, text);
  return spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ...env } });
}

const head =
  "import * as tf from '@tensorflow/tfjs';\nimport '@secformer/tfjs-mpc-backend';\nawait tf.setBackend('secformer');\n";

test.serial('an untouched script exits by itself, with and without a read', (t) => {
  for (const body of [
    'console.log("done");',
    'console.log((await tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).data())[0].toFixed(2), "done");',
  ]) {
    const { status, stdout, signal } = script(t, head + body);
    t.is(signal, null);
    t.is(status, 0);
    t.regex(stdout, /done/);
  }
});

test.serial('dataSync works as the very first thing', (t) => {
  const { status, stdout } = script(
    t,
    `${head}console.log(tf.relu(tf.matMul(tf.tensor2d([[-1], [2]]), tf.tensor2d([[1]]))).dataSync().join());`,
  );
  t.is(status, 0);
  t.is(stdout.trim().split('\n').at(-1), '0,2');
});

test.serial('a program given on the command line or on standard input reads too, whichever way comes first', (t) => {
  const text = (...reads: string[]) =>
    head +
    reads
      .map(
        (read) =>
          `console.log((await tf.relu(tf.matMul(tf.tensor2d([[-1], [2]]), tf.tensor2d([[1]]))).${read}()).join());`,
      )
      .join('\n');
  const options = { cwd: here, encoding: 'utf8', timeout: 120_000 } as const;
  for (const { status, stdout, stderr } of [
    spawnSync(process.execPath, ['--input-type=module', '-e', text('data', 'dataSync')], options),
    spawnSync(process.execPath, ['--input-type=module'], { ...options, input: text('dataSync', 'data') }),
  ]) {
    t.is(status, 0, stderr);
    t.deepEqual(stdout.trim().split('\n').slice(-2), ['0,2', '0,2']);
  }
});

test.serial('a failed read says why and leaves the process able to go on', (t) => {
  const { status, stdout } = script(
    t,
    `process.env.SECFORMER_PARTIES = 'ws://127.0.0.1:9,ws://127.0.0.1:9';
process.env.SECFORMER_DEALER = 'ws://127.0.0.1:9';
process.env.SECFORMER_TOKEN = 'a token that nobody knows';
${head}
for (const read of ['dataSync', 'data']) {
  const made = tf.relu(tf.matMul(tf.tensor2d([[-1], [2]]), tf.tensor2d([[1]])));
  try { await made[read](); } catch (e) { console.log(e.name, e.code, e.node); }
}
console.log('alive');`,
  );
  t.is(status, 0);
  t.regex(stdout, /(NodeError UNREACHABLE (party 0|party 1|dealer)\n){2}alive/);
});

const openssl = spawnSync('openssl', ['version']).status === 0;

(openssl ? test.serial : test.serial.skip)(
  'SECFORMER_CA names the file of the authority that wss:// is checked against',
  (t) => {
    const folder = mkdtempSync(join(here, 'tls-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const file = (name: string) => join(folder, name);
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key')];
    t.is(spawnSync('openssl', ['req', '-x509', ...key, '-out', file('cert'), '-days', '1', ...subject]).status, 0);
    writeFileSync(file('text'), 'no certificate');
    const text = `import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { configure } from '@secformer/tfjs-mpc-backend';
${head}
const cert = readFileSync(${JSON.stringify(file('cert'))});
const key = readFileSync(${JSON.stringify(file('key'))});
const server = createServer({ cert, key });
let trusted = 0;
server.on('upgrade', (_, socket) => { trusted++; socket.destroy(); });
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = 'wss://127.0.0.1:' + server.address().port;
configure({ parties: [url, url], dealer: url, token: Buffer.from('a token that nobody knows') });
for (const authority of ${JSON.stringify([undefined, file('cert'), file('nowhere'), file('text')])}) {
  trusted = 0;
  if (authority) process.env.SECFORMER_CA = authority;
  const made = tf.relu(tf.matMul(tf.tensor2d([[-1], [2]]), tf.tensor2d([[1]])));
  try { await made.data(); } catch (e) { console.log(e.code, trusted > 0 ? 'trusted' : 'not trusted', e.message); }
}
server.close();`;
    const { stdout } = script(t, text);
    for (const said of [
      /^UNREACHABLE not trusted/m,
      /^UNREACHABLE trusted/m,
      /^BAD_CONFIGURATION not trusted .*SECFORMER_CA: cannot read the file .*nowhere/m,
      /^BAD_CONFIGURATION not trusted .*SECFORMER_CA: .*text holds no certificate/m,
    ])
      t.regex(stdout, said);
  },
);

test.serial('in a browser dataSync is refused, with what to use instead', (t) => {
  t.throws(() => browser.askSync(), { code: 'NO_SYNC_READ', message: /await tensor\.data\(\)/ });
});
