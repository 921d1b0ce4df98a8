/** Each rule of the house's form is broken once, and told. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { violations } from '../structure.js';

const CHACHA = 'packages/ring/src/chacha.ts';
const PLAN = 'packages/secformer-ops/src/plan/plan.ts';
const GRAPH = 'packages/secformer-ops/src/graph/graph.ts';

/** What is said of a tree of these files. */
function said(t, files) {
  const root = mkdtempSync(join(tmpdir(), 'structure-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return violations(root, Object.keys(files));
}

test('what keeps all rules is not mentioned', (t) => {
  const files = {
    [PLAN]:
      "import type { Share } from '@secformer/ring';\nimport { graph } from '../graph/graph.js';\nimport 'node:fs';\n",
    [GRAPH]: `export const graph = '${'x'.repeat(90)}';\n${'\n'.repeat(390)}`,
    'packages/ring/src/generated/long.ts': `// ${'x'.repeat(200)}\n`,
    'packages/ring/README.md': `${'x'.repeat(200)}\n`,
  };
  t.deepEqual(said(t, files), []);
});

for (const [package_, other] of [
  ['packages/ring', 'secformer-ops'],
  ['packages/secformer-ops', 'party-node'],
  ['packages/party-node', 'tfjs-mpc-backend'],
  ['packages/tfjs-mpc-backend', 'bert-loader'],
  ['packages/bert-loader', 'ring'],
  ['packages/bert-loader', 'distill'],
  ['packages/distill', 'tfjs-mpc-backend'],
  ['apps/bench', 'tools'],
  ['examples', 'secformer-ops'],
]) {
  test(`${package_} does not know ${other}`, (t) => {
    for (const text of [
      `import { a } from '@secformer/${other}';\n`,
      `import type { A } from '@secformer/${other}/node';\n`,
      `export * from '@secformer/${other}';\n`,
      `const later = () => import('@secformer/${other}');\n`,
    ]) {
      const path = `${package_}/src/a.ts`;
      t.deepEqual(said(t, { [path]: text }), [`${path}: imports @secformer/${other}, which ${package_} must not know`]);
    }
    t.deepEqual(said(t, { [`${package_}/src/a.ts`]: `// import '@secformer/${other}'\n` }), []);
  });
}

test('a room imports what lies below it only', (t) => {
  const files = { [GRAPH]: "import { plan } from '../plan/plan.js';\n", [PLAN]: 'export const plan = 1;\n' };
  t.deepEqual(said(t, files), [`${GRAPH}: imports ${PLAN}, a floor above it`]);
});

test('a file of another package is imported by the name of its package', (t) => {
  const files = { [CHACHA]: 'export const a = 1;\n', [GRAPH]: "import { a } from '../../../ring/src/chacha.js';\n" };
  t.deepEqual(said(t, files), [`${GRAPH}: imports ${CHACHA}, a file of another package`]);
});

test('files do not import each other in a circle, types neither', (t) => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => `packages/ring/src/${name}.ts`);
  const files = {
    [a]: "import { b } from './b.js';\n",
    [b]: "import type { C } from './c.js';\n",
    [c]: "export { a } from './a.js';\n",
  };
  t.deepEqual(said(t, files), [`circle: ${a} → ${b} → ${c} → ${a}`]);
});

test('lines and files have a length', (t) => {
  const files = { [CHACHA]: `// ${'α'.repeat(117)}\n// ${'α'.repeat(118)}\n`, [GRAPH]: '\n'.repeat(401) };
  t.deepEqual(said(t, files), [`${CHACHA}:2: 121 columns, at most 120`, `${GRAPH}: 401 lines, at most 400`]);
});
