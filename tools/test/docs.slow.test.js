// The API reference: everything that the packages export has a docstring, and every link in one leads somewhere.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '../..');

test('TypeDoc reads all packages without a warning', (t) => {
  t.timeout(300_000);
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
  const run = spawnSync(process.execPath, [typedoc, '--emit', 'none'], { cwd: root, encoding: 'utf8' });
  t.is(run.status, 0, run.stdout + run.stderr);
});
