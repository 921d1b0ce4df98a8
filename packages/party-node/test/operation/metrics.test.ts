import { readFileSync } from 'node:fs';
import test from 'ava';
import { limits } from '../../src/limits.js';
import { CountedLink } from '../../src/operation/counted-link.js';
import type { RunEnded } from '../../src/operation/events.js';
import { Metrics } from '../../src/operation/metrics.js';
import { Presence } from '../../src/operation/presence.js';
import type { Link } from '../../src/wire/link.js';

const run: RunEnded = {
  kind: 'run',
  outcome: 'OK',
  program: 'ab'.repeat(32),
  ms: 700,
  waitMs: 100,
  prepareMs: 200,
  onlineMs: 400,
  bytes: 1000,
  rounds: 7,
};
const metricsOf = (presence = new Presence('party 1')) => new Metrics({ node: 'party 1', presence, release: '1.2.3' });
const seriesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('runs by model and outcome, seconds by phase, rounds and bytes of those that were completed', async (t) => {
  const metrics = metricsOf();
  metrics.observe({ ...run, model: 'sst2@1' });
  metrics.observe({ ...run, model: 'sst2@1' });
  metrics.observe(run);
  metrics.observe({ ...run, outcome: 'BUSY', waitMs: 0, prepareMs: 0, onlineMs: 0 });
  const text = await metrics.text(undefined);
  for (const line of [
    'secformer_build_info{release="1.2.3",node="party 1"} 1',
    'secformer_runs_total{model="sst2@1",outcome="OK"} 2',
    'secformer_runs_total{model="",outcome="OK"} 1',
    'secformer_runs_total{model="",outcome="BUSY"} 1',
    'secformer_run_seconds_bucket{le="0.25",phase="prepare"} 3',
    'secformer_run_seconds_count{phase="wait"} 3',
    'secformer_rounds_total 21',
    'secformer_run_bytes_total 3000',
  ])
    t.true(seriesOf(text).includes(line), `${line}\n${text}`);
  const sum = seriesOf(text).find((line) => line.startsWith('secformer_run_seconds_sum{phase="online"}'))!;
  t.true(Math.abs(Number(sum.split(' ')[1]) - 1.2) < 1e-9);
});

test('state is what the engine says and who is connected', async (t) => {
  const presence = new Presence('party 1');
  const metrics = metricsOf(presence);
  for (const node of ['dealer', 'client', 'client'] as const)
    presence.observe({ kind: 'link', node, state: 'connected' });
  presence.observe({ kind: 'link', node: 'client', state: 'left' });
  const lines = seriesOf(
    await metrics.text([
      { kind: 'memory', bytes: 100, held: 20, reserved: 30 },
      { kind: 'queue', waiting: 3, underWay: 1 },
      { kind: 'pool', runs: 2, preparing: 1, bytes: 15 },
      { kind: 'models', models: [{ model: 'a@1' }, { model: 'b@1' }, { model: 'b@2', why: 'damaged' }] },
    ]),
  );
  for (const line of [
    'secformer_link_up{node="party 0"} 0',
    'secformer_link_up{node="dealer"} 1',
    'secformer_client_connections 1',
    'secformer_memory_bytes{kind="limit"} 100',
    'secformer_memory_bytes{kind="held"} 20',
    'secformer_memory_bytes{kind="reserved"} 30',
    'secformer_runs{state="waiting"} 3',
    'secformer_models{state="served"} 2',
    'secformer_models{state="missing"} 1',
    'secformer_pool_runs 2',
    'secformer_pool_preparing 1',
    'secformer_pool_bytes 15',
    'secformer_draining 0',
  ])
    t.true(lines.includes(line), line);
  t.true(lines.some((line) => /^secformer_memory_bytes\{kind="process"\} \d{7,}$/.test(line)));
});

test('nobody makes as many series as they like, by names of models or by codes', async (t) => {
  const metrics = metricsOf();
  for (let i = 0; i < limits.metricModels + 50; i++) metrics.observe({ ...run, model: `model ${i}` });
  for (let i = 0; i < 200; i++) metrics.observe({ kind: 'refused', code: `CODE_${i}` });
  metrics.observe({ kind: 'refused', code: 'with "quotes"\nand lines' });
  const lines = seriesOf(await metrics.text(undefined));
  t.true(lines.includes('secformer_runs_total{model="other",outcome="OK"} 50'));
  const refused = lines.filter((line) => line.startsWith('secformer_refused_total'));
  // One of them is OK of the runs
  t.is(refused.length, limits.metricCodes);
  t.true(refused.some((line) => /code="other",rule="connection"\} \d+$/.test(line)));
});

test('docs/operating.md tells of every metric, and of no other', async (t) => {
  const text = await metricsOf().text(undefined);
  const there = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!);
  const guide = readFileSync(new URL('../../../../../docs/operating.md', import.meta.url), 'utf8');
  const told = [...guide.matchAll(/`(secformer_\w+)/g)].map(([, name]) => name!);
  t.deepEqual([...new Set(told)].sort(), there.sort());
});

test('bytes of links are counted both ways, for each node together', async (t) => {
  const metrics = metricsOf();
  const made = () => {
    const link = { onFrame: () => {}, onClose: () => {}, close: () => {}, send: async () => {} } as Link;
    return { link, counted: new CountedLink(link, metrics.traffic('client')) as Link };
  };
  const [a, b] = [made(), made()];
  const got: number[] = [];
  a.counted.onFrame = (frame) => void got.push(frame.length);
  b.counted.onFrame = (frame) => void got.push(frame.length);
  await a.counted.send(new Uint8Array(10));
  await b.counted.send(new Uint8Array(5));
  await a.link.onFrame(new Uint8Array(3));
  await b.link.onFrame(new Uint8Array(4));
  t.deepEqual(got, [3, 4]);
  for (let i = 0; i < 2; i++) {
    const lines = seriesOf(await metrics.text(undefined));
    t.true(lines.includes('secformer_link_bytes_total{node="client",direction="sent"} 15'));
    t.true(lines.includes('secformer_link_bytes_total{node="client",direction="received"} 7'));
  }
});
