// What a release relies on: one version, one list of packages, and manifests that say what is so.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '../..');
const json = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));
const names = json('nx.json').release.projects;
const packages = names.map((name) => [name, json(`packages/${name}/package.json`)]);

test('nx release and changesets have the same packages at one version, and nothing else is published', (t) => {
  t.is(json('nx.json').release.projectsRelationship, 'fixed');
  const { fixed, privatePackages } = json('.changeset/config.json');
  t.deepEqual(fixed, [packages.map(([, manifest]) => manifest.name)]);
  t.false(privatePackages);
  t.is(new Set(packages.map(([, manifest]) => manifest.version)).size, 1);
  const ours = Object.entries(json('package-lock.json').packages).filter(([at]) =>
    /^(packages|apps)\/|^tools$/.test(at),
  );
  for (const [at] of ours) t.is(json(`${at}/package.json`).private === true, !names.includes(at.split('/')[1]), at);
});

test('packages depend on one another at exactly their version, and the private ones on whatever is there', (t) => {
  for (const [name, manifest] of packages)
    for (const [other, range] of Object.entries(manifest.dependencies))
      if (other.startsWith('@secformer/')) t.is(range, manifest.version, `${name}: ${other}`);
  for (const file of ['apps/bench/package.json', 'tools/package.json'])
    for (const [other, range] of Object.entries(json(file).dependencies))
      if (other.startsWith('@secformer/')) t.is(range, '*', `${file}: ${other}`);
});

test('every version has its entry in every changelog', (t) => {
  for (const [name, { version }] of packages)
    t.true(readFileSync(join(root, `packages/${name}/CHANGELOG.md`), 'utf8').includes(`\n## ${version}\n`), name);
  const all = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  for (const name of names) t.true(all.includes(`packages/${name}/CHANGELOG.md`), name);
});

test('manifests: licence, Node, files, and for old resolvers what the exports say', (t) => {
  const { license, engines } = json('package.json');
  for (const [name, manifest] of packages) {
    t.like(manifest, { license, engines, type: 'module', publishConfig: { access: 'public' } }, name);
    t.true(manifest.keywords.length > 2 && manifest.description.length > 10, name);
    t.true(
      ['dist/src', 'CHANGELOG.md'].every((f) => manifest.files.includes(f)),
      name,
    );
    t.deepEqual(readFileSync(join(root, 'packages', name, 'LICENSE')), readFileSync(join(root, 'LICENSE')), name);
    const { '.': main, './package.json': self, ...others } = manifest.exports;
    t.is(self, './package.json');
    t.deepEqual(main, { types: manifest.types, default: manifest.main });
    const old = Object.entries(others).map(([entry, { types }]) => [entry.slice(2), [types]]);
    t.deepEqual(manifest.typesVersions?.['*'] ?? {}, Object.fromEntries(old), name);
    for (const file of [manifest.sideEffects || [], Object.values(manifest.bin ?? {})].flat())
      t.true(existsSync(join(root, 'packages', name, file)), `${name}: ${file}`);
  }
});
