/** The dashboard's files, its own and those of the plots that it draws with: all lie in installed packages. */
import { readdirSync, readFileSync } from 'node:fs';
// Not by name: bundles for Node often declare createRequire in their first line
import modules from 'node:module';
import { dirname, extname, join } from 'node:path';
import { NodeError } from '../../errors.js';

export interface Asset {
  type: string;
  body: Uint8Array;
}

/** What is served at all, by its ending. */
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

const OWN = '@secformer/party-node/package.json';
const PLOTS = 'uplot/package.json';

/** Of one path each; no path is ever made of what somebody asks for. */
export class Assets {
  #files: ReadonlyMap<string, string> | undefined;
  readonly #read = new Map<string, Asset>();

  /**
   * @returns what a page is made of, undefined for paths that are none
   * @throws NodeError BAD_CONFIGURATION where the packages are not installed, as beside a bundle
   */
  at(path: string): Asset | undefined {
    const read = this.#read.get(path);
    if (read) return read;
    this.#files ??= findFiles();
    const file = this.#files.get(path);
    if (file === undefined) return undefined;
    const asset = { type: TYPES[extname(file)]!, body: readFileSync(file) };
    this.#read.set(path, asset);
    return asset;
  }

  /** All of them. */
  get paths(): string[] {
    this.#files ??= findFiles();
    return [...this.#files.keys()];
  }
}

/** Where files are, by the paths of their pages. */
function findFiles(): Map<string, string> {
  const own = manifestOf(OWN);
  const [plots, folder] = [join(dirname(manifestOf(PLOTS, own)), 'dist'), dirname(own)];
  const files = new Map([
    ['/dashboard/uplot.js', join(plots, 'uPlot.esm.js')],
    ['/dashboard/uplot.css', join(plots, 'uPlot.min.css')],
  ]);
  for (const place of [join(folder, 'dashboard'), join(folder, 'dist', 'dashboard')])
    for (const name of readdirSync(place)) {
      if (!Object.hasOwn(TYPES, extname(name))) continue;
      files.set(name === 'index.html' ? '/' : `/dashboard/${name}`, join(place, name));
    }
  return files;
}

/** @param from a file that finds the package; this one, or what was started where a bundler has moved it */
function manifestOf(name: string, from?: string): string {
  for (const base of [from ?? import.meta.url, process.argv[1]]) {
    try {
      if (base) return modules.createRequire(base).resolve(name);
    } catch {
      // not there
    }
  }
  throw new NodeError(
    'client',
    'BAD_CONFIGURATION',
    `the dashboard needs the package of ${name} where this node runs; leave it out of the bundle and install it beside`,
  );
}
