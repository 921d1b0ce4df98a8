// Writes dist/browser.js of the package in the current folder: its entry and all that it imports as one ES module, for
// pages that have no bundler. TensorFlow.js stays outside, so that a page has it once; an import map says where it is.
// The licences of what is bundled stand beside it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const FILE = 'dist/browser.js';
const { main } = JSON.parse(readFileSync('package.json', 'utf8'));
const { metafile } = await build({
  entryPoints: [main],
  outfile: FILE,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  external: ['@tensorflow/*'],
  legalComments: 'none',
  banner: { js: `/* licences: see browser.js.LICENSE.txt */` },
  metafile: true,
  logLevel: 'warning',
});

const packageOf = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
const others = new Set(Object.keys(metafile.inputs).flatMap((file) => packageOf.exec(file)?.[0] ?? []));
const licences = [...others].sort().map((folder) => {
  const file = readdirSync(folder).find((name) => /^licen[cs]e(\.(md|txt))?$/i.test(name));
  if (!file) throw new Error(`${folder} is bundled, and has no file LICENSE`);
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
});
writeFileSync(`${FILE}.LICENSE.txt`, [readFileSync('LICENSE', 'utf8'), ...licences].join('\n\n---\n\n'));
