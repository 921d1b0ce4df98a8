import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const path = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));

interface Case {
  name: string;
  outcome: string;
  expected: boolean;
  runs: number;
  code?: string;
  message?: string;
  wanted?: string;
  got?: string;
}

test('programs as TensorFlow.js users write them come out right, or are refused for a documented reason', (t) => {
  t.timeout(280_000);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('bin.js'), 'everyday', '--json', '-'], {
    encoding: 'utf8',
    timeout: 270_000,
    maxBuffer: 2 ** 26,
  });
  const record = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
    programs: number;
    right: number;
    refused: number;
    wrong: number;
    unexpected: string[];
    cases: Case[];
  };
  t.log(
    `${record.programs} programs: ${record.right} right, ${record.refused} refused, ${record.wrong} wrong; ` +
      `${record.unexpected.length} not as documented`,
  );
  t.true(record.programs >= 150, stderr);
  t.is(record.right + record.refused + record.wrong, record.programs, "'cpu' runs all of them");
  t.deepEqual(
    record.cases.filter((c) => !c.expected),
    [],
  );
  t.is(record.wrong, 0);
  t.is(status, 0, stderr);
});
