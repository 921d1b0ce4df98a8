// What the documents say of the repository is there: files, links, and codes of errors.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import test from 'ava';
import ts from 'typescript';
import { errorCodes } from '../error-codes.js';

const root = join(import.meta.dirname, '../..');
const packages = readdirSync(join(root, 'packages'));
const examples = readdirSync(join(root, 'examples')).filter((name) =>
  existsSync(join(root, 'examples', name, 'README.md')),
);
const read = (file) => readFileSync(join(root, file), 'utf8');

const documents = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((f) => f.endsWith('.md'))
    .map((f) => `docs/${f}`),
  ...packages.map((p) => `packages/${p}/README.md`),
  'examples/README.md',
  ...examples.map((name) => `examples/${name}/README.md`),
];

/** A document without its blocks of code. */
const prose = (file) => read(file).replace(/^ *```[\s\S]*?^ *```/gm, '');

/** Folders that a path in backticks may begin with: those of the repository, and within a package its own. */
const TOP = ['packages', 'apps', 'examples', 'tools', 'docs', 'deploy', '.ci'];
const OF_PACKAGE = ['src', 'test', 'tools', 'native', 'assembly'];

/** Words in backticks that are paths of files or folders; of a pattern, the folder it is in. */
function pathsIn(file) {
  const first = new RegExp(`^(${[...TOP, ...OF_PACKAGE].map((d) => d.replace('.', '\\.')).join('|')})/`);
  return [...prose(file).matchAll(/`([^`]+)`/g)]
    .flatMap(([, code]) => code.split(/\s+/))
    .filter((word) => first.test(word))
    .map((word) => word.replace(/(\/[^/]*[*<…].*|[),;:]+)$/, ''));
}

for (const file of documents) {
  test(`paths in backticks exist: ${file}`, (t) => {
    const own = file === 'CONTRIBUTING.md' ? [...packages.map((p) => `packages/${p}`), 'tools'] : [dirname(file)];
    const folders = ['', ...(file.startsWith('docs/') ? [] : own)].map((folder) => join(root, folder));
    // What tools and examples write
    const made = (path) => /^(docs\/api|examples\/connection)\b/.test(path) || path.includes('NAME');
    const missing = pathsIn(file).filter((path) => !made(path) && !folders.some((f) => existsSync(join(f, path))));
    t.deepEqual(missing, []);
  });
}

/** Anchors of a document's headings, as GitHub makes them. */
function anchorsOf(file) {
  const seen = new Map();
  return [...prose(file).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading]) => {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const n = seen.get(slug) ?? 0;
    seen.set(slug, n + 1);
    return n === 0 ? slug : `${slug}-${n}`;
  });
}

for (const file of documents) {
  test(`links resolve: ${file}`, (t) => {
    const targets = [...prose(file).matchAll(/\]\(([^()\s]+)\)/g)].map((m) => m[1]);
    const broken = targets.filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [path, anchor] = target.split('#');
      const to = path === '' ? file : relative(root, resolve(root, dirname(file), path));
      if (!existsSync(join(root, to))) return true;
      return anchor !== undefined && !anchorsOf(to).includes(anchor);
    });
    t.deepEqual(broken, []);
  });
}

/** Is this text what a code looks like? */
const CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;
/** Variables of the environment, and codes that are Node's. */
const FOREIGN = /^(SECFORMER|ERR|HPE)_/;

/** Is a text there the code of an error? One with an underscore is, wherever it stands. */
function isCode(node) {
  if (!CODE.test(node.text) || FOREIGN.test(node.text)) return false;
  if (node.text.includes('_')) return true;
  const { parent } = node;
  if (ts.isNewExpression(parent)) return /Error$/.test(parent.expression.getText());
  if (ts.isCallExpression(parent)) return parent.expression.kind === ts.SyntaxKind.SuperKeyword;
  if (ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) return parent.name.getText() === 'code';
  return ts.isLiteralTypeNode(parent) && /ErrorCode$/.test(aliasOf(parent)?.name.text ?? '');
}

const aliasOf = (node) => (node && !ts.isTypeAliasDeclaration(node) ? aliasOf(node.parent) : node);

/** Codes in a file, each where it stands first. */
function codesIn(file, text = read(file)) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = new Set();
  const visit = (node) => {
    if (ts.isStringLiteralLike(node) && isCode(node)) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function sourcesOf(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith('.ts'))
    .map((e) => relative(root, join(e.parentPath, e.name)))
    .filter((file) => !file.includes('/generated/'));
}

const listed = errorCodes.flatMap(({ codes }) => codes.map(({ code }) => code));

test('codes are found wherever errors are made', (t) => {
  const text = `
    type NodeErrorCode = 'BUSY' | 'GAVE_WAY';
    class A extends Error { readonly code = 'ONE'; constructor() { super('TWO', 'a message'); } }
    const bad = (what: string, code = 'BAD_MESSAGE') => new NodeError('client', code, what);
    throw new SecformerError('THREE', 'IN A MESSAGE');
    throw bad('text', 'BAD_FRAME');
    process.once('SIGINT', () => process.env['SECFORMER_SUITE'] === 'NHWC');
    if (error.code === 'ENOENT') return { code: 'FOUR' };`;
  t.deepEqual([...codesIn('made-up.ts', text)].sort(), [
    'BAD_FRAME',
    'BAD_MESSAGE',
    'BUSY',
    'FOUR',
    'GAVE_WAY',
    'ONE',
    'THREE',
    'TWO',
  ]);
});

test('every code of the packages is in the list, and no other', (t) => {
  const found = packages.flatMap((p) => sourcesOf(`packages/${p}/src`)).flatMap((file) => [...codesIn(file)]);
  t.deepEqual([...new Set(found)].sort(), [...listed].sort());
});

test('docs/faq.md is as node tools/write-faq.js writes it, with a heading for each code', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools/write-faq.js'), '--check'], {
    encoding: 'utf8',
  });
  t.is(status, 0, stderr);
  const headings = [...read('docs/faq.md').matchAll(/^#### (.+)$/gm)].map((m) => m[1]);
  t.deepEqual(headings, listed);
});
