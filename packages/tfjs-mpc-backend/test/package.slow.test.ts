import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { availableKernels } from '@secformer/ring';
import test from 'ava';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const packages = ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend', 'bert-loader'];

/** The first JavaScript block of the README below a heading. */
function snippet(heading: string): string {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  return /```js\n([\s\S]*?)```/.exec(text.slice(text.indexOf(heading)))![1]!;
}

test.serial('packed and installed in an empty folder, the README’s snippet runs from ESM and from require', (t) => {
  t.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'install-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const npm = (args: string[], cwd: string) =>
    execFileSync('npm', args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, npm_config_loglevel: 'error' },
    });
  npm(
    ['pack', '--ignore-scripts', '--pack-destination', folder, ...packages.map((p) => `./${p}`)],
    join(root, 'packages'),
  );
  const tarballs = readdirSync(folder).filter((f) => f.endsWith('.tgz'));
  t.is(tarballs.length, packages.length);
  writeFileSync(join(folder, 'package.json'), '{"name":"somebody","private":true}');
  npm(
    [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '@tensorflow/tfjs@4.22.0',
      ...tarballs.map((f) => `./${f}`),
    ],
    folder,
  );

  // No script has run, so what multiplies natively there has come in the package
  const kernels = spawnSync(
    process.execPath,
    ['-e', "import('@secformer/ring').then((ring) => console.log(ring.availableKernels().join()))"],
    { cwd: folder, encoding: 'utf8' },
  );
  t.is(kernels.stdout.trim(), availableKernels().join(), kernels.stderr);
  const prebuilt = join(folder, 'node_modules/@secformer/ring/prebuilds', `${process.platform}-${process.arch}`);
  t.is(
    existsSync(join(prebuilt, 'kernels.sha256')),
    existsSync(join(prebuilt, 'kernels.node')),
    'with what tells a damaged one',
  );

  const esm = snippet('## The one line');
  writeFileSync(join(folder, 'esm.mjs'), esm);
  const body = esm.replace(/^import .*$/gm, '');
  writeFileSync(
    join(folder, 'required.cjs'),
    `const tf = require('@tensorflow/tfjs');\nrequire('@secformer/tfjs-mpc-backend');\n(async () => {${body}})();`,
  );
  for (const file of ['esm.mjs', 'required.cjs']) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, file)], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 120_000,
    });
    t.is(status, 0, stderr);
    const numbers = stdout.match(/0\.\d+/g)?.map(Number) ?? [];
    // softmax of (−0.25, −5.5) and (2.125, −3.25)
    t.true(Math.abs(numbers[0]! - 0.99478) < 1e-3, stdout);
    t.true(Math.abs(numbers[2]! - 0.99539) < 1e-3, stdout);
  }
});

test.serial('esbuild bundles the backend and the client for a browser, without Node built-ins', async (t) => {
  for (const contents of [
    "import '@secformer/tfjs-mpc-backend';",
    "export { Session } from '@secformer/party-node';",
  ]) {
    const result = await build({
      stdin: { contents, resolveDir: dirname(fileURLToPath(import.meta.url)) },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    t.is(result.errors.length, 0);
    const text = result.outputFiles[0]!.text;
    t.notRegex(text, /from ?["'](node:|ws["']|worker_threads)/);
    t.false(Object.keys(result.metafile.inputs).some((f) => /\/ws\/|session-worker|engine-worker/.test(f)));
  }
});
