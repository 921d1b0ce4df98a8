/**
 * The rules of the house's form, in one place: which package and which room may import which, no circles between
 * files, how long a file and a line may be. `npm run lint` keeps them; `node tools/structure.js` says what breaks them.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import typescript from 'typescript';

/** Columns of a line: two files side by side fit a screen. */
const COLUMNS = 120;
/** Lines of a file: what holds more holds several ideas. */
const LINES = 400;

/** What each package may import of the others. Imports point down only. */
const PACKAGES = {
  'packages/ring': [],
  'packages/secformer-ops': ['ring'],
  'packages/party-node': ['ring', 'secformer-ops'],
  'packages/tfjs-mpc-backend': ['ring', 'secformer-ops', 'party-node'],
  'packages/bert-loader': [],
  'packages/distill': ['bert-loader'],
  'packages/cli': ['party-node', 'tfjs-mpc-backend', 'bert-loader'],
  'apps/web': ['party-node', 'tfjs-mpc-backend', 'bert-loader'],
  'apps/bench': ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend', 'bert-loader', 'distill', 'web'],
  examples: ['party-node', 'tfjs-mpc-backend', 'bert-loader', 'cli'],
  tools: ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend', 'bert-loader'],
};

/** Rooms of a package, from the ground up: each may import those before it. Files beside them may import all. */
const ROOMS = {
  'packages/secformer-ops/src': ['instruction', 'protocols', 'program', 'graph', 'compose', 'suites', 'plan'],
  'packages/party-node/src': ['wire', 'identity', 'client', 'store', 'operation', 'node', 'trio'],
  'packages/distill/src': ['glue', 'model', 'train', 'command'],
  'packages/tfjs-mpc-backend/src': ['runtime', 'rewrites', 'kernels', 'service'],
};

const CODE = /\.(ts|js|mjs|cc|h|yml)$/;
const MODULES = /\.(ts|js|mjs)$/;
const EXEMPT = /(^|\/)(fixtures|generated|node_modules|dist)\/|^apps\/bench\/models\//;

/** @returns a line for each place that breaks a rule, of the given files or of all that are under version control */
export function violations(root, files = tracked(root)) {
  const found = [];
  const graph = new Map();
  for (const file of files.filter((f) => CODE.test(f) && !EXEMPT.test(f))) {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n');
    if (lines.length - 1 > LINES) found.push(`${file}: ${lines.length - 1} lines, at most ${LINES}`);
    lines.forEach((line, i) => {
      if ([...line].length > COLUMNS) found.push(`${file}:${i + 1}: ${[...line].length} columns, at most ${COLUMNS}`);
    });
    if (!MODULES.test(file)) continue;
    const imports = typescript.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
    const targets = imports.map((to) => inside(root, file, to));
    found.push(...imports.flatMap((to, i) => upward(file, to, targets[i]) ?? []));
    graph.set(file, targets.filter(Boolean));
  }
  return [...found, ...circles(graph)];
}

function tracked(root) {
  return execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
}

/** The file that a relative import means, from the root. */
function inside(root, file, to) {
  if (!to.startsWith('.')) return undefined;
  const path = resolve(root, dirname(file), to);
  const found = [path, path.replace(/\.js$/, '.ts')].find((p) => existsSync(p));
  return found && relative(root, found).replaceAll('\\', '/');
}

function upward(file, to, target) {
  const own = Object.keys(PACKAGES).find((p) => file.startsWith(`${p}/`));
  const scoped = /^@secformer\/([^/]+)/.exec(to)?.[1];
  if (own && scoped && !own.endsWith(`/${scoped}`) && !PACKAGES[own].includes(scoped))
    return [`${file}: imports @secformer/${scoped}, which ${own} must not know`];
  const house = Object.keys(ROOMS).find((p) => file.startsWith(`${p}/`));
  if (!target) return undefined;
  if (own && !target.startsWith(`${own}/`)) return [`${file}: imports ${target}, a file of another package`];
  if (!house || !target.startsWith(`${house}/`)) return undefined;
  const floor = (path) => ROOMS[house].indexOf(path.slice(house.length + 1).split('/')[0]);
  if (floor(file) < 0 || floor(target) < 0 || floor(target) <= floor(file)) return undefined;
  return [`${file}: imports ${target}, a floor above it`];
}

/** Circles of imports between files, each once. */
function circles(graph) {
  const found = [];
  const state = new Map();
  const path = [];
  const visit = (file) => {
    state.set(file, 'open');
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next) || state.get(next) === 'done') continue;
      if (state.get(next) === 'open') found.push(`circle: ${[...path.slice(path.indexOf(next)), next].join(' → ')}`);
      else visit(next);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) if (!state.has(file)) visit(file);
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = violations(dirname(import.meta.dirname));
  for (const line of found) console.error(line);
  if (found.length > 0) process.exit(1);
}
