import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configure } from '@secformer/tfjs-mpc-backend';
import { tf } from '../quiet-tfjs.js';
import { columns, end, report, UsageError } from '../report.js';
import { useWasm } from '../wasm.js';
import { bundleSpecs, ENVIRONMENT } from './bundle.js';

export interface ConformanceFlags {
  set: 'bert' | 'inference' | 'all';
  backend: 'secformer' | 'cpu' | 'wasm';
  fold: boolean;
  grep?: string;
  failures?: boolean;
  json?: string;
}

interface Failure {
  file: string;
  spec: string;
  why: string;
}

const require = createRequire(import.meta.url);
const data = (file: string) => new URL(`../../../conformance/${file}`, import.meta.url);

/** Specs of a set, by full name without the environment. */
export function specsOf(set: ConformanceFlags['set']): ReadonlySet<string> | undefined {
  return set === 'all'
    ? undefined
    : new Set(
        readFileSync(data(`${set}.txt`), 'utf8')
          .split('\n')
          .filter(Boolean),
      );
}

/** Why specs of a set are not passed, by name. */
export function exclusions(): Record<string, string> {
  return JSON.parse(readFileSync(data('excluded.json'), 'utf8'));
}

/** tfjs-core's own specs on a backend. */
export async function conformance(f: ConformanceFlags): Promise<void> {
  if (f.backend === 'wasm') await useWasm();
  // Specs compute on what they have written, which is the nodes' to compute here unless it is asked for. Some look at
  // one element of many, or at what none but a float can hold beside what is right
  configure({ onRange: 'ignore', fold: f.fold });
  const wanted = specsOf(f.set);
  const excluded = exclusions();
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const perSpec = new Map<string, { passed: number; failed: number; certain: number }>();
  const failures: Failure[] = [];
  let skipped = 0;
  try {
    const bundle = await bundleSpecs(folder, f.backend);
    const jasmine = jasmineOf();
    const env = jasmine.getEnv();
    const fileOf = new Map<string, string>();
    let file = '';
    Object.assign(globalThis, {
      specFile: (name: string) => {
        file = name;
      },
    });
    // A spec's file is the one that is being loaded when it is declared
    const declare = globalThis as unknown as { it: (...args: unknown[]) => { id: string } };
    const it = declare.it;
    declare.it = (...args) => {
      const spec = it(...args);
      fileOf.set(spec.id, file);
      return spec;
    };
    const nameOf = (full: string) => full.replaceAll(` ${ENVIRONMENT} {}`, '');
    env.configure({
      random: false,
      failSpecWithNoExpectations: false,
      specFilter: (spec) => {
        const name = nameOf(spec.getFullName());
        return (wanted === undefined || wanted.has(name)) && (f.grep === undefined || name.includes(f.grep));
      },
    });
    env.addReporter({
      specDone({ id, status, fullName, failedExpectations }) {
        if (status === 'excluded') return;
        if (status === 'pending') {
          skipped++;
          return;
        }
        const spec = fileOf.get(id) ?? '';
        const counts = perSpec.get(spec) ?? { passed: 0, failed: 0, certain: 0 };
        perSpec.set(spec, counts);
        if (status === 'passed') {
          counts.passed++;
          // What is on the list of exclusions may pass by chance
          if (excluded[nameOf(fullName)] === undefined) counts.certain++;
        } else {
          counts.failed++;
          failures.push({
            file: spec,
            spec: nameOf(fullName),
            why: failedExpectations[0]?.message.split('\n').slice(0, 2).join(' ') ?? '',
          });
        }
      },
    });
    silent(() => require(bundle));
    await tf.ready();
    await silent(() => env.execute());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const counts = [...perSpec].map(([spec, c]) => ({ spec, ...c })).sort((a, b) => (a.spec < b.spec ? -1 : 1));
  const total = (of: (c: (typeof counts)[0]) => number) => counts.reduce((n, c) => n + of(c), 0);
  if (counts.length === 0) throw new UsageError(`--grep ${f.grep}: no spec of set ${f.set} has this in its name`);
  const unexplained = f.backend === 'secformer' ? failures.filter(({ spec }) => excluded[spec] === undefined) : [];
  const record = {
    command: 'conformance',
    set: f.set,
    backend: f.backend,
    fold: f.fold,
    passed: total((c) => c.passed),
    failed: total((c) => c.failed),
    skipped,
    perSpec: counts,
    failures: failures.map(({ file, spec, why }) => ({
      file,
      spec,
      why,
      ...(f.backend === 'secformer' && { reason: excluded[spec] ?? null }),
    })),
  };
  report(record, f.json, () =>
    [
      columns([
        ['spec file', 'passed', 'failed'],
        ...counts.filter((c) => c.failed > 0 || f.failures !== true).map((c) => [c.spec, c.passed, c.failed]),
      ]),
      '',
      ...(f.failures ? failures.map(({ spec, why }) => `${spec}\n    ${why}`) : []),
      `${record.passed} passed, ${record.failed} ` +
        'failed' +
        (unexplained.length > 0 ? `, ${unexplained.length} of them without a reason in the list of exclusions` : ''),
    ].join('\n'),
  );
  end();
}

/** What a spec may take: the first waits for the nodes to start, on a busy machine for longer than jasmine's 5 s. */
const SPEC_TIMEOUT = 60_000;

interface Jasmine {
  getEnv(): JasmineEnv;
  DEFAULT_TIMEOUT_INTERVAL: number;
}

function jasmineOf(): Jasmine {
  const core = require('jasmine-core') as { boot(core: unknown): Jasmine };
  return Object.assign(core.boot(core), { DEFAULT_TIMEOUT_INTERVAL: SPEC_TIMEOUT });
}

interface JasmineEnv {
  configure(options: {
    random: boolean;
    failSpecWithNoExpectations: boolean;
    specFilter(spec: { getFullName(): string }): boolean;
  }): void;
  addReporter(reporter: {
    specDone(result: { id: string; status: string; fullName: string; failedExpectations: { message: string }[] }): void;
  }): void;
  execute(): Promise<unknown>;
}

/** Specs write to the console and warn; records are on standard output. */
function silent<T>(f: () => T): T {
  const { log, warn } = console;
  console.log = () => {};
  console.warn = () => {};
  const back = () => Object.assign(console, { log, warn });
  const result = f();
  if (result instanceof Promise) void result.finally(back);
  else back();
  return result;
}
