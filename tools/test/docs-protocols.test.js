// docs/protocols.md and the code agree: what comments cite is there, and what the text names exists.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '../..');
const protocols = 'packages/secformer-ops/src';
const text = readFileSync(join(root, 'docs/protocols.md'), 'utf8');

const SOURCE = /\.(ts|js|cc|h)$/;
/** What is written by a build, and what tests say. */
const LEFT_OUT = new Set(['node_modules', 'dist', 'generated', 'test']);

/** Source files of a folder, whose absence is no error. */
function filesOf(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : filesOf(path);
    return SOURCE.test(entry.name) ? [path] : [];
  });
}

/** What a source text cites of the document: sections, with the letter of a part where there is one. */
function citationsOf(source) {
  // In one line, without what marks the lines of a comment
  const line = source.replace(/\s*\n\s*(\*(?!\/)|\/\/)?\s*/g, ' ');
  // To the end of the sentence, or of this one of several sources
  const citations = line.match(/\b(docs\/)?protocols(\.md)?,? sections? [^.;]*/g) ?? [];
  return citations.flatMap((citation) =>
    [...citation.matchAll(/sections? (\d+)(?: (to|and) (\d+))?(?: \(([a-z])\))?/g)].flatMap(
      ([, first, word, second, part]) => {
        const [from, to] = [Number(first), Number(second ?? first)];
        const numbers = word === 'and' ? [from, to] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
        return numbers.map((section) => ({ section, part }));
      },
    ),
  );
}

const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
/** The text below each heading, by its number. */
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [Number.parseInt(section, 10), section]),
);

test('sections are numbered in their order, and titled', (t) => {
  t.true(headings.length > 0);
  headings.forEach((heading, i) => {
    t.regex(heading, new RegExp(`^${i + 1}\\. \\S`));
  });
});

test('every section that a comment cites is there', (t) => {
  const files = ['packages', 'apps', 'tools'].flatMap(filesOf);
  const cited = files.flatMap((file) =>
    citationsOf(readFileSync(join(root, file), 'utf8')).map((citation) => ({ file, ...citation })),
  );
  t.true(cited.length > 20, `${cited.length} citations found`);
  for (const { file, section, part } of cited) {
    const found = sections.get(section);
    t.truthy(found, `${file} cites section ${section}`);
    if (part) t.true(found.includes(`**(${part}) `), `${file} cites section ${section} (${part})`);
  }
});

test('a citation is read across the lines of a comment, with its parts and ranges', (t) => {
  const read = (source) => citationsOf(source).map(({ section, part }) => `${section}${part ?? ''}`);
  t.deepEqual(read(' * View: masks. Source protocols section\n * 10, an opening as an operand section 4.'), [
    '10',
    '4',
  ]);
  t.deepEqual(read(' * Source the split opening of protocols section 4 (c), with a wrap. See section 3.'), ['4c']);
  t.deepEqual(read(' // Source MPCFormer; SecFormer section 3.2; protocols sections 7 to 9.'), ['7', '8', '9']);
  t.deepEqual(read('Source docs/protocols.md section 5; Beaver, section 1. Knott et al., section 4.'), ['5']);
  t.deepEqual(read('protocols.md, sections 1 and 3'), ['1', '3']);
  t.deepEqual(read('const protocols = sections[2];'), []);
});

test('every file of the protocols and of what they compose is named', (t) => {
  for (const folder of ['protocols', 'compose']) {
    for (const file of filesOf(`${protocols}/${folder}`)) {
      const path = file.slice(protocols.length + 1);
      t.true(text.includes(`\`${path}\``), `docs/protocols.md does not name ${path}`);
    }
  }
});

test('every instruction is described', (t) => {
  const names = filesOf(`${protocols}/protocols`).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/= primitive[^(]*\(\{\s*name: '(\w+)'/g)].map(
      ([, name]) => name,
    ),
  );
  t.true(names.length > 25, `${names.length} instructions found`);
  for (const name of names) t.true(text.includes(`\`${name}\``), `docs/protocols.md does not describe ${name}`);
});

test('every path that the text names exists', (t) => {
  const paths = [...text.matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.\w+)`/g)].map(([, path]) => path);
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link);
  t.true(paths.length > 30, `${paths.length} paths found`);
  for (const path of paths)
    t.true(
      [root, join(root, protocols)].some((from) => existsSync(join(from, path))),
      `${path} does not exist`,
    );
  for (const link of links) t.true(existsSync(join(root, 'docs', link)), `${link} does not exist`);
});
