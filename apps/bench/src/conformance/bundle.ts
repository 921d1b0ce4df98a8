import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** What the environment is called in the specs' full names. */
export const ENVIRONMENT = 'under-test';

const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));

/** Every file says its name before its specs are declared, so that results can be told apart by file. */
const named: Plugin = {
  name: 'named',
  setup(b) {
    b.onLoad({ filter: /_test\.js$/ }, ({ path }) => ({
      contents: `globalThis.specFile(${JSON.stringify(basename(path, '.js'))});\n${readFileSync(path, 'utf8')}`,
      loader: 'js',
    }));
  },
};

/**
 * The specs that tfjs-core ships, bundled: its files cannot be imported one by one in Node. They bring a second copy of
 * core; both share the registries.
 * @returns the bundle's path
 */
export async function bundleSpecs(folder: string, backend: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const dist = (file: string) => JSON.stringify(join(core, 'dist', file));
  // Environments have to be there before the first describe
  writeFileSync(
    join(folder, 'environment.js'),
    `import { setTestEnvs } from ${dist('jasmine_util.js')};
setTestEnvs([{ name: '${ENVIRONMENT}', backendName: '${backend}', flags: {}, isDataSync: true }]);`,
  );
  writeFileSync(
    join(folder, 'entry.js'),
    `${['index.js', 'public/chained_ops/register_all_chained_ops.js', 'register_all_gradients.js']
      .map((f) => `import ${dist(f)};\n`)
      .join('')}import './environment.js';\nimport ${dist('tests.js')};\n`,
  );
  const outfile = join(folder, 'specs.cjs');
  await build({
    entryPoints: [join(folder, 'entry.js')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
    // The package says that its files have no side effects; declaring specs is one
    ignoreAnnotations: true,
    // What the specs of other platforms ask for
    external: ['@tensorflow/*', 'node-fetch'],
    nodePaths: [join(core, 'node_modules'), join(core, '..', '..')],
    plugins: [named],
  });
  return outfile;
}
