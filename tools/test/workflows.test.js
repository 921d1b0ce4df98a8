// What GitHub reads of .github: it parses, and it says what the manifests and scripts say.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseDocument } from 'yaml';

const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const files = readdirSync(join(root, '.github'), { recursive: true }).filter((f) => /\.ya?ml$/.test(f));

/** A YAML file without errors, warnings or keys that stand twice. */
function read(t, file) {
  const document = parseDocument(readFileSync(join(root, '.github', file), 'utf8'), { strict: true, uniqueKeys: true });
  t.deepEqual([...document.errors, ...document.warnings].map(String), [], file);
  return document.toJS();
}
const steps = (workflow) => Object.values(workflow.jobs).flatMap((job) => job.steps ?? []);

test('every YAML file parses', (t) => {
  t.true(files.length >= 5);
  for (const file of files) t.is(typeof read(t, file), 'object', file);
});

test('actions are pinned by their major version, and files that are named are there', (t) => {
  for (const file of files.filter((f) => f.startsWith('workflows'))) {
    const workflow = read(t, file);
    const uses = [...steps(workflow), ...Object.values(workflow.jobs)].map((step) => step.uses).filter(Boolean);
    for (const name of uses)
      if (name.startsWith('./')) t.true(existsSync(join(root, name)), name);
      else t.regex(name, /^actions\/[\w-]+@v\d+$/);
    const scripts = steps(workflow).flatMap(
      (s) => s.run?.match(/(?<=node )tools\/\S+|\.ci\/run|(?<=npm run )[\w:-]+/g) ?? [],
    );
    for (const name of scripts)
      t.true(/[/.]/.test(name) ? existsSync(join(root, name)) : name in manifest.scripts, `${file}: ${name}`);
  }
});

test('CI runs .ci/run on three systems, from the oldest Node that the packages say on', (t) => {
  const { jobs } = read(t, 'workflows/ci.yml');
  const { os, node } = jobs.test.strategy.matrix;
  t.deepEqual(
    os.map((name) => name.split('-')[0]),
    ['ubuntu', 'macos', 'windows'],
  );
  const oldest = /^>=(\d+)\.\d+$/.exec(manifest.engines.node)[1];
  t.is(Math.min(...node), Number(oldest));
  t.true(steps({ jobs }).some((step) => step.run === 'bash .ci/run'));
  t.true(steps({ jobs }).some((step) => step.run === 'npm run test:long'));
  const release = read(t, 'workflows/release.yml');
  for (const step of [...steps(release)].filter((s) => s.uses?.startsWith('actions/setup-node')))
    t.true(node.includes(step.with['node-version']));
});

test('a release publishes the kernels of every platform that compiles them', (t) => {
  const { prebuilds, publish } = read(t, 'workflows/release.yml').jobs;
  const platforms = prebuilds.strategy.matrix.include.map((m) => m.platform);
  const checked = publish.steps
    .find((s) => s.run?.includes('check-prebuilds'))
    .run.split(' ')
    .slice(2);
  t.deepEqual(checked, platforms);
  t.true(publish.needs.includes('prebuilds') && publish.needs.includes('test'));
  // Building and caching write the same folder
  const order = ['npm ci', 'rm -r packages/ring/prebuilds', 'actions/download-artifact@v4'];
  const at = order.map((what) => publish.steps.findIndex((s) => s.run === what || s.uses === what));
  t.deepEqual(
    [...at].sort((a, b) => a - b),
    at,
  );
  t.true(at[0] >= 0);
});

test('issue forms have what GitHub asks of one', (t) => {
  const forms = files.filter((f) => f.includes('ISSUE_TEMPLATE') && !f.endsWith('config.yml'));
  t.true(forms.length >= 2);
  for (const file of forms) {
    const form = read(t, file);
    t.true(
      [form.name, form.description].every((text) => typeof text === 'string' && text !== ''),
      file,
    );
    const asked = form.body.filter((element) => element.type !== 'markdown');
    t.true(asked.length > 0);
    t.is(new Set(asked.map((element) => element.id)).size, asked.length, file);
    for (const { type, id, attributes, validations } of asked) {
      t.true(['input', 'textarea', 'dropdown', 'checkboxes'].includes(type), `${file}: ${id}`);
      t.regex(id, /^[\w-]+$/);
      t.is(typeof attributes.label, 'string');
      if (type === 'dropdown') t.true(attributes.options.every((option) => typeof option === 'string'));
      t.true(validations === undefined || typeof validations.required === 'boolean');
    }
  }
});
