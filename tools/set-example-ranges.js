// Has every example ask for the packages at their present version or a compatible one: node tools/set-example-ranges.js
// A release runs it once the version is set.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// A folder with packages and examples in it
const root = process.argv[2] ?? join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8'));
for (const name of readdirSync(join(root, 'examples'))) {
  const file = join(root, 'examples', name, 'package.json');
  if (!existsSync(file)) continue;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  for (const other of Object.keys(manifest.dependencies))
    if (other.startsWith('@secformer/')) manifest.dependencies[other] = `^${version}`;
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
