import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { LocalProcesses } from '../src/node/local-process.js';
import { processFlags } from '../src/node/process-flags.js';

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));

test('the command starts Node with the flags of a node, which this Node knows', (t) => {
  const [first] = readFileSync(bin, 'utf8').split('\n');
  t.is(first, `#!/usr/bin/env -S node ${processFlags.join(' ')}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...processFlags, '-p', 'process.execArgv.length'], {
    encoding: 'utf8',
  });
  t.is(status, 0, stderr);
  t.true(Number(stdout) >= processFlags.length);
});

test('processes of this machine are started with them', async (t) => {
  // Says its flags in place of a node's log
  const said = new LocalProcesses(['-e', 'console.error(process.execArgv.join(" ")); process.exit(1)', '--']);
  t.teardown(() => said.stop());
  await t.throwsAsync(said.start('dealer', '0', '/nonexistent', []), { message: /did not start/ });
  t.true(said.log('dealer').some((line) => line.startsWith(processFlags.join(' '))));
});
