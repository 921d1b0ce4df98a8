import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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

/** Programs that are not yet as documented, by name: the list may only shrink. */
const known = readFileSync(path('test/everyday-known.txt'), 'utf8')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'));

test('programs as TensorFlow.js users write them come out right, or are refused for a documented reason', (t) => {
  t.timeout(280_000);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('bin.js'), 'everyday', '--json', '-'], { encoding: 'utf8', timeout: 270_000, maxBuffer: 2 ** 26 });
  const record = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { programs: number; right: number; refused: number; wrong: number; unexpected: string[]; cases: Case[] };
  t.log(`${record.programs} programs: ${record.right} right, ${record.refused} refused, ${record.wrong} wrong; ${record.unexpected.length} not as documented`);
  t.true(record.programs >= 150, stderr);
  t.is(record.right + record.refused + record.wrong, record.programs, "'cpu' runs all of them");
  t.is(status, record.unexpected.length > 0 ? 1 : 0, stderr);
  const expected = new Set(known);
  const worse = record.cases.filter((c) => !c.expected && !expected.has(c.name));
  t.deepEqual(worse, []);
  // Some of what is wrong is right by chance, so that this is for people to look at
  const right = record.cases.filter((c) => c.expected && expected.has(c.name)).map((c) => c.name);
  if (right.length > 0) t.log(`right this time, and in everyday-known.txt: ${right.join('; ')}`);
});

test('every program has a name of its own, and so has the list of what is known', (t) => {
  const { stdout } = spawnSync(process.execPath, [path('bin.js'), 'everyday', '--only', 'own values/times a million', '--json', '-'], { encoding: 'utf8', timeout: 120_000 });
  const record = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { programs: number; cases: Case[] };
  t.is(record.programs, 2);
  t.is(new Set(known).size, known.length);
});
