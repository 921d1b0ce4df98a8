/** The benchmark's commands as processes, and what they print. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const bin = join(dirname(fileURLToPath(import.meta.url)), '../../bin.js');
export const bench = (...args: string[]) =>
  spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8', timeout: 240_000 });
/** BERT of random weights, 16 tokens, one run. */
export const tiny = (...args: string[]) => bench('bert', '--model', 'tiny', '--seq', '16', '--runs', '1', ...args);
/** A process that runs several commands, as they would be run one after another. */
export function benchAll(text: string) {
  const imported = `import { main } from ${JSON.stringify(new URL('../src/cli.js', import.meta.url).href)};`;
  const args = ['--input-type=module', '-e', `${imported}\n${text}`];
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 240_000 });
}
/** The record is one line, the last on standard output. */
export const record = (stdout: string) => JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
