import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

const program = `
import * as tf from '@tensorflow/tfjs-core';
import '@secformer/tfjs-mpc-backend';
async function main() {
  await tf.setBackend('secformer');
  const relu = () => tf.relu(tf.matMul(tf.tensor2d([[-1], [2]]), tf.tensor2d([[1]])));
  // What is not secret is computed on 'cpu', which nothing else registers here
  const local = tf.add(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32'));
  console.log((await relu().data()).join(), relu().dataSync().join(), local.dataSync().join());
}
main().catch((error) => console.log(error.code, error.message));
`;

/** What tfjs-core needs where there is no require. */
const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };

function folderIn(t: ExecutionContext, parent: string): string {
  const folder = mkdtempSync(join(parent, 'bundle-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Bundles the program for Node, all of its packages included. @returns the file */
async function bundle(folder: string, format: 'cjs' | 'esm'): Promise<string> {
  const outfile = join(folder, format === 'cjs' ? 'out.cjs' : 'out.mjs');
  const stdin = { contents: program, resolveDir: here };
  await build({
    stdin,
    bundle: true,
    platform: 'node',
    format,
    outfile,
    logLevel: 'silent',
    ...(format === 'esm' && { banner }),
  });
  return outfile;
}

const run = (file: string) =>
  spawnSync(process.execPath, [file], { cwd: dirname(file), encoding: 'utf8', timeout: 120_000 });

for (const format of ['cjs', 'esm'] as const) {
  test.serial(`a bundle for Node computes where the packages are installed (${format})`, async (t) => {
    const file = await bundle(folderIn(t, here), format);
    const { stdout, stderr } = run(file);
    t.is(stdout.trim(), '0,2 0,2 4,6', stderr);
  });
}

test.serial('a bundle that is taken away from the packages says what it needs', async (t) => {
  const file = await bundle(folderIn(t, tmpdir()), 'cjs');
  t.regex(run(file).stdout, /^BAD_CONFIGURATION .*has no file to run.*esbuild --external:@secformer\/tfjs-mpc-backend/);
});
