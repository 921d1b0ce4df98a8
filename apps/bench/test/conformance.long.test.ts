import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const path = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const run = (args: string[]) =>
  JSON.parse(
    execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n')
      .at(-1)!,
  );

interface Record {
  passed: number;
  failed: number;
  /** `certain`: those that pass and are not on the list of exclusions */
  perSpec: { spec: string; passed: number; certain: number }[];
  failures: { spec: string; why: string; reason: string | null }[];
}

test.serial("tfjs-core's own specs: none gets worse, and what fails has a reason", (t) => {
  t.timeout(240_000);
  const record = run([path('bin.js'), 'conformance', '--set', 'inference', '--json', '-']) as Record;
  const expected = JSON.parse(readFileSync(path('conformance/expected.json'), 'utf8')) as {
    passed: { [spec: string]: number };
  };
  t.log(`${record.passed} passed, ${record.failed} failed`);
  const got = new Map(record.perSpec.map((s) => [s.spec, s.certain]));
  for (const [spec, least] of Object.entries(expected.passed))
    t.true((got.get(spec) ?? 0) >= least, `${spec}: ${got.get(spec)} pass, ${least} did before`);
  t.deepEqual(
    record.failures.filter((f) => f.reason === null),
    [],
  );
});

test.serial('the same script, untouched, on cpu, wasm and secformer', (t) => {
  t.timeout(120_000);
  const script = path('test/fixtures/script.mjs');
  const [cpu, wasm, secformer] = ['cpu', 'wasm', 'secformer'].map((backend) => run([script, backend])) as {
    backend: string;
    heads: number[];
    best: number[];
    positive: number[];
  }[];
  t.deepEqual(
    [cpu, wasm, secformer].map((r) => r!.backend),
    ['cpu', 'wasm', 'secformer'],
  );
  for (const other of [wasm!, secformer!]) {
    const worst = cpu!.heads.reduce((most, v, i) => Math.max(most, Math.abs(v - other.heads[i]!)), 0);
    t.true(worst <= 2e-3, `${other.backend} is off by ${worst}`);
    t.deepEqual(other.best, cpu!.best);
    t.deepEqual(other.positive, cpu!.positive);
  }
});
