// Runs every package's tests through Nx and sums AVA's TAP into one closing line: N passed, N failed. With --long it
// runs, instead of the others, those of NAME.long.test.ts, which take too long for each change.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const root = dirname(import.meta.dirname);
const nx = join(root, 'node_modules/nx/dist/bin/nx.js');
const long = process.argv.includes('--long');
/** Packages that have tests of that kind. */
const LONG = ['party-node', 'tools', 'bench'];
const args = [
  'run-many',
  '-t',
  'test',
  '--parallel=1',
  '--outputStyle=stream-without-prefixes',
  ...(long ? [`--projects=${LONG}`] : []),
  ...process.argv.slice(2).filter((arg) => arg !== '--long'),
];
const child = spawn(process.execPath, [nx, ...args], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, NX_DAEMON: 'false', FORCE_COLOR: '0', ...(long && { SECFORMER_TESTS: 'long' }) },
});

const counts = { passed: 0, failed: 0, skipped: 0 };
for await (const line of createInterface({ input: child.stdout })) {
  const result = /^(not ok|ok) \d+ - .*?(# SKIP|# TODO)?$/i.exec(line);
  if (result?.[2]) counts.skipped++;
  else if (result) counts[result[1] === 'ok' ? 'passed' : 'failed']++;
  console.log(line);
}
const code = await new Promise((resolve) =>
  child.exitCode === null ? child.on('close', resolve) : resolve(child.exitCode),
);
console.log(`${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ''}`);
process.exitCode = code !== 0 || counts.failed > 0 || counts.passed === 0 ? 1 : 0;
