// Runs packages' tests under c8 and compares what they cover of their sources with the floors in coverage.json.
//   node tools/coverage.js [package…] [--update]
// With --update the floors become what is covered now, rounded down. Threads and child processes of tests count; code
// that other packages' tests alone use does not.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const KINDS = ['lines', 'branches'];
const root = dirname(import.meta.dirname);
const file = join(import.meta.dirname, 'coverage.json');
const floors = JSON.parse(readFileSync(file, 'utf8'));

const names = process.argv.slice(2).filter((a) => a !== '--update');
const update = process.argv.includes('--update');
const unknown = names.find((name) => !(name in floors));
if (unknown !== undefined) {
  console.error(`no package ${unknown}; choose of ${Object.keys(floors).join(', ')}`);
  process.exit(2);
}

/** Percentages of the sources that a package's own tests run. @returns undefined where a test fails */
function covered(folder) {
  const temporary = mkdtempSync(join(tmpdir(), 'coverage-'));
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/c8/bin/c8.js'),
        // Files that no test loads count as not covered
        ...['--all', '--src', 'dist/src', '--include', 'dist/src/**', '--include', 'src/**'],
        ...['--reporter', 'json-summary', '--reporter', 'text'],
        ...['--temp-directory', join(temporary, 'raw'), '--reports-dir', temporary],
        ...[process.execPath, join(root, 'node_modules/ava/entrypoints/cli.mjs')],
      ],
      { cwd: join(root, folder), stdio: 'inherit', env: { ...process.env, FORCE_COLOR: '0' } },
    );
    if (status !== 0) return undefined;
    return JSON.parse(readFileSync(join(temporary, 'coverage-summary.json'), 'utf8')).total;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const complaints = [];
for (const name of names.length > 0 ? names : Object.keys(floors)) {
  const { folder, ...least } = floors[name];
  const total = covered(folder);
  if (total === undefined) {
    complaints.push(`${name}: a test fails`);
    continue;
  }
  for (const kind of KINDS) {
    const { pct } = total[kind];
    if (update) floors[name][kind] = Math.floor(pct);
    else if (pct < least[kind]) complaints.push(`${name}: ${pct} % of its ${kind}, at least ${least[kind]} % wanted`);
  }
}
if (update) writeFileSync(file, `${JSON.stringify(floors, null, 2)}\n`);
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;
