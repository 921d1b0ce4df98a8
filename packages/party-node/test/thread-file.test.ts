import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { engineFile } from '../src/node/engine-file.js';
import { RELEASE, threadFile } from '../src/node/thread-file.js';

const require = createRequire(import.meta.url);

test('a thread runs the file beside its starter or, out of a bundle, that of the installed package', (t) => {
  t.is(threadFile(import.meta.url, '@secformer/nobody', 'dist/thread-file.test.js').href, import.meta.url);
  const installed = pathToFileURL(
    join(require.resolve('@secformer/party-node/package.json'), '../dist/src/node/engine-worker.js'),
  ).href;
  t.is(threadFile(import.meta.url, '@secformer/party-node', 'dist/src/node/engine-worker.js').href, installed);
  // CommonJS has no import.meta.url: where the script or the folder is
  t.is(threadFile(undefined, '@secformer/party-node', 'dist/src/node/engine-worker.js').href, installed);
  t.true(existsSync(engineFile()));
});

test('where there is no such package, or one of another release, that is said with what to do', (t) => {
  for (const base of [import.meta.url, undefined]) {
    const error = t.throws(() => threadFile(base, '@secformer/nobody', 'x.js'), {
      code: 'BAD_CONFIGURATION',
      message: /--external:@secformer\/nobody/,
    });
    t.regex(error!.message, /has no file to run.* not installed where the bundle is/);
  }
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules/other'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/other/package.json'), '{"name":"other","version":"9.8.7"}');
  const moved = pathToFileURL(join(folder, 'bundle.js')).href;
  t.throws(() => threadFile(moved, 'other', 'x.js'), {
    code: 'BAD_CONFIGURATION',
    message: new RegExp(`release ${RELEASE} of other, and .* is 9\\.8\\.7; bundle again`),
  });
});

test('the release is that of the packages', (t) => {
  for (const name of ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend'])
    t.is(
      (
        JSON.parse(readFileSync(new URL(`../../../${name}/package.json`, import.meta.url), 'utf8')) as {
          version: string;
        }
      ).version,
      RELEASE,
      name,
    );
});
