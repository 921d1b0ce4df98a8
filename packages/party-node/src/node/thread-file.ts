import { existsSync, readFileSync } from 'node:fs';
// Not by name: bundles for Node often declare createRequire in their first line
import modules from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { NodeError } from '../errors.js';

/** The release that this is: what threads and the code that starts them have to have in common. */
export const RELEASE = '0.1.0';

/**
 * The file that a thread runs: beside the file that starts it or, where a bundler has moved that one into another, in
 * the package where it is installed.
 * @param base import.meta.url of the file that starts it; bundles in other formats leave nothing of it
 * @param name of the package, such as '@secformer/party-node'
 * @param path of the thread's file in the package
 * @throws NodeError BAD_CONFIGURATION where there is none, or the package is of another release
 */
export function threadFile(base: string | undefined, name: string, path: string): URL {
  // Of variables: bundlers take new URL('a text', import.meta.url) for a file to be copied, alone
  const own = base === undefined ? undefined : new URL(basename(path), base);
  if (own && (own.protocol !== 'file:' || existsSync(fileURLToPath(own)))) return own;
  const manifest = manifestOf(name, own);
  const outside = `leave the package out of the bundle, such as by esbuild --external:${name}, and install it beside`;
  if (!manifest)
    throw bad(
      `the thread of ${name} has no file to run${own ? ` (${fileURLToPath(own)} is not there)` : ''}, ` +
        `and the package is not installed where the bundle is; ${outside}`,
    );
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  if (version !== RELEASE)
    throw bad(
      `the bundle holds release ${RELEASE} of ${name}, and ${dirname(manifest)} is ${version}; ` +
        `bundle again, or ${outside}`,
    );
  return pathToFileURL(join(dirname(manifest), path));
}

const bad = (what: string) => new NodeError('client', 'BAD_CONFIGURATION', what);

/** A package as the bundle would find it; one in another format does not know its own place, but that of the script. */
function manifestOf(name: string, own: URL | undefined): string | undefined {
  for (const from of [own && fileURLToPath(own), process.argv[1], join(process.cwd(), 'here')]) {
    try {
      if (from) return modules.createRequire(from).resolve(`${name}/package.json`);
    } catch {
      // not there
    }
  }
  return undefined;
}
