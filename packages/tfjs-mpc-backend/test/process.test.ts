import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { runtime as browser } from '../src/runtime/browser.js';

const here = dirname(fileURLToPath(import.meta.url));

/** Runs a script in a process of its own, beside this package so that its imports resolve. */
function script(t: { teardown(f: () => void): void }, text: string, name = 'script.mjs') {
  const folder = mkdtempSync(join(here, 'script-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 60_000 });
}

const head = "import * as tf from '@tensorflow/tfjs';\nimport '@secformer/tfjs-mpc-backend';\nawait tf.setBackend('secformer');\n";

test('an untouched script exits by itself, with and without a read', (t) => {
  for (const body of ['console.log("done");', 'console.log((await tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).data())[0].toFixed(2), "done");']) {
    const { status, stdout, signal } = script(t, head + body);
    t.is(signal, null);
    t.is(status, 0);
    t.regex(stdout, /done/);
  }
});

test('dataSync works as the very first thing', (t) => {
  const { status, stdout } = script(t, `${head}console.log(tf.relu(tf.tensor1d([-1, 2])).dataSync().join());`);
  t.is(status, 0);
  t.is(stdout.trim().split('\n').at(-1), '0,2');
});

test('a failed read says why and leaves the process able to go on', (t) => {
  const { status, stdout } = script(
    t,
    `process.env.SECFORMER_PARTIES = 'ws://127.0.0.1:9,ws://127.0.0.1:9';
process.env.SECFORMER_DEALER = 'ws://127.0.0.1:9';
process.env.SECFORMER_TOKEN = 'a token that nobody knows';
${head}
for (const read of ['dataSync', 'data']) {
  try { await tf.relu(tf.tensor1d([-1, 2]))[read](); } catch (e) { console.log(e.name, e.code, e.node); }
}
console.log('alive');`,
  );
  t.is(status, 0);
  t.regex(stdout, /(NodeError UNREACHABLE (party 0|party 1|dealer)\n){2}alive/);
});

test('in a browser dataSync is refused, with what to use instead', (t) => {
  t.throws(() => browser.askSync(), { code: 'NO_SYNC_READ', message: /await tensor\.data\(\)/ });
});
