// What people copy of examples/: each folder stands by itself, under the published packages' names.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import semver from 'semver';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');
const read = (...path) => readFileSync(join(root, ...path), 'utf8');
const names = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'connection')
  .map(({ name }) => name);

const pageScript = (html) => /<script type="module">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';

/** Packages that a folder's programs and pages import. */
function importedIn(name) {
  const files = readdirSync(join(root, 'examples', name)).filter((file) => /\.(js|html)$/.test(file));
  const found = files.flatMap((file) => {
    const text = read('examples', name, file);
    const code = file.endsWith('.html') ? pageScript(text) : text;
    return ts.preProcessFile(code).importedFiles.map(({ fileName }) => fileName);
  });
  return [...new Set(found.filter((to) => !/^(\.|node:)/.test(to)).map((to) => /^(@[^/]+\/)?[^/]+/.exec(to)[0]))];
}

test('there are examples, and the list of them has all', (t) => {
  t.true(names.length >= 7);
  for (const list of ['README.md', 'examples/README.md'])
    for (const name of names) {
      const link = new RegExp(`\\]\\((examples/)?${name}(/README\\.md)?\\)`);
      t.regex(read(list), link, `${list}: ${name}`);
    }
});

for (const name of names)
  test(`${name} declares what it imports, in ranges that admit what is here, and is told in 25 lines`, (t) => {
    const {
      private: own,
      type,
      license,
      dependencies,
      devDependencies,
    } = JSON.parse(read('examples', name, 'package.json'));
    t.deepEqual({ own, type, license }, { own: true, type: 'module', license: 'Apache-2.0' });
    const imported = importedIn(name);
    t.true(imported.length > 0);
    for (const other of imported) t.true(Object.hasOwn(dependencies, other), other);
    for (const [other, range] of Object.entries({ ...dependencies, ...devDependencies })) {
      const { version } = JSON.parse(read('node_modules', other, 'package.json'));
      t.true(semver.satisfies(version, range), `${other}@${range} does not admit ${version}`);
      t.regex(range, /^\^\d/, other);
    }
    t.true(read('examples', name, 'README.md').split('\n').length <= 26);
  });

test('nothing of the examples is published: they are no workspaces', (t) => {
  const { workspaces } = JSON.parse(read('package.json'));
  t.false(workspaces.some((pattern) => pattern.startsWith('examples')));
  const locked = Object.keys(JSON.parse(read('package-lock.json')).packages);
  t.deepEqual(
    locked.filter((at) => at.startsWith('examples')),
    [],
  );
});

test('a release has every example ask for its version', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ranges-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'packages/cli'), { recursive: true });
  writeFileSync(join(folder, 'packages/cli/package.json'), '{"version": "7.8.9"}');
  for (const name of names) {
    mkdirSync(join(folder, 'examples', name), { recursive: true });
    cpSync(join(root, 'examples', name, 'package.json'), join(folder, 'examples', name, 'package.json'));
  }
  t.is(spawnSync(process.execPath, [join(root, 'tools/set-example-ranges.js'), folder]).status, 0);
  for (const name of names) {
    const now = readFileSync(join(folder, 'examples', name, 'package.json'), 'utf8');
    const before = read('examples', name, 'package.json');
    t.is(now, before.replace(/("@secformer\/[\w-]+": )"[^"]+"/g, '$1"^7.8.9"'));
  }
});
