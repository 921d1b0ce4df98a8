// Before a release: are packages/ring's compiled kernels there for the platforms named, and as they were built?
// node tools/check-prebuilds.js linux-x64 darwin-arm64 …

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const prebuilds = join(import.meta.dirname, '../packages/ring/prebuilds');

/** @returns what is wrong with a platform's kernels, or nothing */
function wrong(platform) {
  const [file, sum] = ['kernels.node', 'kernels.sha256'].map((name) => join(prebuilds, platform, name));
  if (!existsSync(file) || !existsSync(sum)) return 'missing';
  const found = createHash('sha256').update(readFileSync(file)).digest('hex');
  return found === readFileSync(sum, 'utf8').trim() ? undefined : 'not what its kernels.sha256 says';
}

const platforms = process.argv.slice(2);
if (platforms.length === 0) {
  console.error('name the platforms, such as linux-x64');
  process.exit(2);
}
for (const platform of platforms) {
  const why = wrong(platform);
  console.log(`${platform}: ${why ?? 'there'}`);
  if (why) process.exitCode = 1;
}
