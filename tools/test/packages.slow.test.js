// The packages as npm packs them, unpacked beside nothing but what their manifests name: every entry is imported,
// required and type-checked by a project of its own. Needs the build, and no network. That the README's first snippet
// runs after an `npm install` is in tfjs-mpc-backend's package.slow.test.ts.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import test from 'ava';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const names = ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend', 'bert-loader', 'cli', 'distill'];
const manifestOf = (name) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));

/** Every entry that somebody may import, as they write it. */
const entries = names.flatMap((name) =>
  Object.keys(manifestOf(name).exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => `@secformer/${name}${entry.slice(1)}`),
);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'packed-')));
const modules = join(folder, 'node_modules');
const packageOf = (name) => join(modules, '@secformer', name);
const tarballOf = (name) => `secformer-${name}-${manifestOf(name).version}.tgz`;

function link(from, target) {
  mkdirSync(dirname(join(from, target)), { recursive: true });
  symlinkSync(join(root, 'node_modules', target), join(from, target), 'junction');
}

async function unpack(name) {
  await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: join(root, 'packages', name),
    shell: process.platform === 'win32',
  });
  mkdirSync(packageOf(name), { recursive: true });
  // Relative, for GNU's tar takes C: for a host
  await run('tar', ['-xzf', join('../../..', tarballOf(name)), '--strip-components=1'], {
    cwd: packageOf(name),
  });
  // Each package finds its own dependencies, and not those that another one declares
  for (const dependency of Object.keys(manifestOf(name).dependencies ?? {}))
    if (!dependency.startsWith('@secformer/')) link(join(packageOf(name), 'node_modules'), dependency);
}

test.before(async (t) => {
  t.timeout(120_000);
  writeFileSync(join(folder, 'package.json'), '{"name":"somebody","private":true}');
  for (const own of ['@tensorflow/tfjs-core', '@types/node']) link(modules, own);
  await Promise.all(names.map(unpack));
});
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program in the project. @returns what it printed */
async function printed(file, text) {
  writeFileSync(join(folder, file), text);
  const { stdout } = await run(process.execPath, ['--no-warnings', file], { cwd: folder, timeout: 60_000 });
  return stdout.trim().split('\n');
}
const all = `const entries = ${JSON.stringify(entries)};\n`;

test('every entry can be imported from an ES module, and from CommonJS by import()', async (t) => {
  const each = 'for (const e of entries) console.log(e, Object.keys(await import(e)).length > 0);';
  const expected = entries.map((e) => `${e} true`);
  t.deepEqual(await printed('import.mjs', all + each), expected);
  t.deepEqual(await printed('import.cjs', `${all}(async () => { ${each} })();`), expected);
});

test('every entry can be required, where Node requires ES modules', async (t) => {
  // From 20.19 and 22.12 on
  if (!process.features.require_module) return t.pass();
  const each = 'for (const e of entries) console.log(e, Object.keys(require(e)).length > 0);';
  t.deepEqual(
    await printed('require.cjs', all + each),
    entries.map((e) => `${e} true`),
  );
});

/** What a project that uses every entry says; the error expected shows that types have arrived and are not `any`. */
const program = `
import * as tf from '@tensorflow/tfjs-core';
import { loadBert } from '@secformer/bert-loader';
import { Session } from '@secformer/party-node';
import { startTrio } from '@secformer/party-node/node';
import * as file from '@secformer/party-node/thread-file';
import { loadKernels } from '@secformer/ring';
import { primitives } from '@secformer/secformer-ops';
import { configure, lastRun } from '@secformer/tfjs-mpc-backend';
import { whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
import { shadowRevealingEverything } from '@secformer/tfjs-mpc-backend/insecure';

export async function main(folder: string): Promise<number> {
  const model = await loadBert(folder);
  const y: tf.Tensor = model.logits(model.tokenize('text'));
  await using trio = startTrio();
  using session = await Session.connect(trio.dial, trio.token, { signal: AbortSignal.timeout(1) });
  session.close();
  // @ts-expect-error the program's hash is text
  const hash: number = whatNodesSee(y).hash;
  // @ts-expect-error a suite is a name
  configure({ suite: 5 });
  // @ts-expect-error there is no such entry's export
  void file.nothing;
  return lastRun()!.rounds + primitives.size + hash;
}
export const others = [loadKernels, shadowRevealingEverything];
`;

const { ModuleKind, ModuleResolutionKind } = ts;
const resolvers = {
  'node10 (ES modules)': ['main.mts', { module: ModuleKind.ES2022, moduleResolution: ModuleResolutionKind.Node10 }],
  'node10 (CommonJS)': ['main.ts', { module: ModuleKind.CommonJS, moduleResolution: ModuleResolutionKind.Node10 }],
  'node16 (ES modules)': ['main.mts', { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 }],
  // What requires ES modules is CommonJS under nodenext; under node16 it writes import()
  'nodenext (CommonJS)': ['main.cts', { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext }],
  bundler: ['main.ts', { module: ModuleKind.ES2022, moduleResolution: ModuleResolutionKind.Bundler }],
};

for (const [name, [file, options]] of Object.entries(resolvers)) {
  test(`a project that uses every entry type-checks, resolved as ${name}`, (t) => {
    t.timeout(60_000);
    const path = join(folder, file);
    writeFileSync(path, program);
    const built = ts.createProgram([path], {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      types: ['node'],
      ...options,
    });
    const said = ts
      .getPreEmitDiagnostics(built)
      .map((d) => `${d.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`);
    t.deepEqual(said, []);
  });
}

for (const name of names) {
  test(`publint and are-the-types-wrong find nothing in ${name}`, async (t) => {
    t.timeout(120_000);
    const { messages, pkg } = await publint({ pkgDir: packageOf(name), pack: false, strict: true });
    t.deepEqual(
      messages.map((m) => formatMessage(m, pkg, { color: false })),
      [],
    );
    // All resolvers, those without exports too. That a CommonJS file gets an ES module is what the packages are
    const { problems } = await checkPackage(createPackageFromTarballData(readFileSync(join(folder, tarballOf(name)))));
    t.deepEqual(
      problems.filter((p) => p.kind !== 'CJSResolvesToESM'),
      [],
    );
  });
}

test('pages without a bundler find one module of each package that they import, and only TensorFlow.js in it', (t) => {
  const names = ['tfjs-mpc-backend', 'bert-loader'];
  for (const name of names) {
    const { unpkg, jsdelivr } = manifestOf(name);
    t.is(unpkg, jsdelivr);
    const text = readFileSync(join(packageOf(name), unpkg), 'utf8');
    const imported = [...text.matchAll(/\b(?:from|import) ?"(@?[\w./:-]+)"/g)].map(([, to]) => to);
    t.true(imported.includes('@tensorflow/tfjs-core'));
    t.deepEqual(
      imported.filter((to) => !to.startsWith('@tensorflow/')),
      [],
    );
    t.regex(readFileSync(join(packageOf(name), `${unpkg}.LICENSE.txt`), 'utf8'), /Apache License[\s\S]*MIT License/);
  }
});

test('what is packed has its licence, its changes and nothing of the tests', async (t) => {
  for (const name of names) {
    t.is(readFileSync(join(packageOf(name), 'LICENSE'), 'utf8'), readFileSync(join(root, 'LICENSE'), 'utf8'), name);
    t.regex(readFileSync(join(packageOf(name), 'CHANGELOG.md'), 'utf8'), /^## \d+\.\d+\.\d+/m, name);
    const { stdout } = await run('tar', ['-tzf', tarballOf(name)], { cwd: folder });
    const others = stdout.match(/^.*(\/test\/|\.map$|tsconfig|\.tsbuildinfo|\/src\/(?<!dist\/src\/)).*$/gm);
    t.is(others, null, name);
  }
});
