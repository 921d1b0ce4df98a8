import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { limits } from '../src/index.js';
import type { Dealer } from '../src/node/dealer.js';
import type { Party } from '../src/node/party.js';
import { holding, startEngines, until } from './engines.js';
import { answer, asker, askerOf, askSmall, publisher, publishSmall } from './publishing.js';

/** Encoded inputs are off by 2^-17, sums of six products and two roundings by less than this. */
const BAR = 2 ** -12;

test('a published model answers whoever may ask, in every shape, without weights crossing a link', async (t) => {
  const e = await startEngines();
  const { programs, generation } = await publishSmall(e);
  t.is(programs.length, 2);
  const asking = await askerOf(e);
  t.deepEqual(
    (await asking.models()).map((m) => [m.name, m.version, m.generation, m.state]),
    [['small', '1', generation, 'live']],
  );
  t.true((await askSmall(asking)) < BAR);
  t.true((await askSmall(asking, 9)) < BAR);
  const m = await asking.manifest('small', '1');
  t.is(new TextDecoder().decode(await asking.asset(m, 'labels.json')), '["no","yes","maybe"]');
  await t.throwsAsync(asking.asset(m, 'vocab.txt'), { code: 'MODEL_UNKNOWN', message: /it has labels.json/ });
  // Openings of the weights were made when it was published
  const { record, outputs } = await asking.ask(m, 0, [new Float32Array(12)], [Int32Array.of(1, 2, 3, 4)]);
  t.is(record.rounds, m.programs[0]!.cost.rounds);
  t.is(record.bytes.p0p1, m.programs[0]!.cost.online);
  t.true(outputs[0]!.every((v, i) => Math.abs(v - answer(Int32Array.of(1, 2, 3, 4), new Float32Array(12))[i]!) < BAR));
  asking.close();
  await e.stop();
});

test('who may not is told by which rule, and others notice nothing', async (t) => {
  const e = await startEngines();
  await publishSmall(e);
  const good = await askerOf(e);
  const m = await good.manifest('small');
  const ask = async (as: ReturnType<typeof asker>) => {
    const asking = await askerOf(e, as);
    try {
      const { outputs } = await asking.ask(m, 0, [new Float32Array(12)], [Int32Array.of(1, 2, 3, 4)]);
      return outputs;
    } finally {
      asking.close();
    }
  };
  const past = Date.now() / 1000 - 3600;
  await t.throwsAsync(ask(asker({ expires: past })), { code: 'GRANT_REFUSED', message: /valid until/ });
  await t.throwsAsync(ask(asker({ model: 'other' })), { code: 'GRANT_REFUSED', message: /for other, not for small/ });
  await t.throwsAsync(ask(asker({ versions: ['2'] })), { code: 'GRANT_REFUSED', message: /not for version 1/ });
  await t.throwsAsync(ask(asker({ publisher: 'else' })), { code: 'MODEL_UNKNOWN' });
  await t.throwsAsync(ask(asker({ outputs: ['label'] })), { code: 'GRANT_REFUSED', message: /reveals scores/ });
  await t.throwsAsync(ask({ kind: 'owner' } as never), { code: 'NOT_ALLOWED' });
  const few = asker({ subject: 'few', quota: { runs: 2, seconds: 60 } });
  await ask(few);
  await ask(few);
  const spent = await t.throwsAsync<Error & { retryAfterMs: number }>(ask(few), { code: 'QUOTA_SPENT' });
  t.true(spent!.retryAfterMs > 50_000 && spent!.retryAfterMs <= 60_000, String(spent!.retryAfterMs));
  await t.throwsAsync(publishSmall(e), { code: 'MODEL_EXISTS' });
  await t.throwsAsync(publishSmall(e, '2', publisher({ key: '00'.repeat(32) })), { code: 'NOT_ALLOWED' });
  await t.throwsAsync(publishSmall(e, '2', publisher({ limits: { models: 1, bytes: 2 ** 30, runs: 8 } })), {
    code: 'LIMIT_EXCEEDED',
    message: /may have 1/,
  });
  await t.throwsAsync(publishSmall(e, '2', publisher({ limits: { models: 3, bytes: 1000, runs: 8 } })), {
    code: 'LIMIT_EXCEEDED',
  });
  await t.throwsAsync(publishSmall(e, '2', { kind: 'owner' }), { code: 'NOT_ALLOWED' });
  t.true((await askSmall(good)) < BAR);
  good.close();
  await e.stop();
});

test('what is prepared serves one ask each, and is prepared again when nobody waits', async (t) => {
  const e = await startEngines(2 ** 31, undefined, 2 ** 30);
  await publishSmall(e);
  t.true(await until(() => e.dealer.pool.size > 1, 20_000), `${e.dealer.pool.size} runs are prepared`);
  const asking = await askerOf(e);
  const pooled = () => [...e.party0.runs.values()].filter((run) => run.isFree).map((run) => run.ticket);
  const before = pooled();
  const ids = new Set<string>();
  for (let i = 0; i < 5; i++) {
    t.true((await askSmall(asking)) < BAR);
    for (const ticket of before.filter((x) => !pooled().includes(x))) ids.add(ticket);
  }
  t.true(ids.size > 0, 'an ask was served by what was prepared');
  // Many at once, more than there are: each gets a right answer
  const all = await Promise.all(
    Array.from({ length: 4 }, async (_, i) => {
      const one = await askerOf(e, asker({ subject: `s${i}` }));
      const off = [await askSmall(one), await askSmall(one, 9)];
      one.close();
      return Math.max(...off);
    }),
  );
  t.true(all.every((off) => off < BAR));
  t.true(await until(() => e.dealer.pool.size > 1), 'the pool is filled again');
  asking.close();
  t.true(await until(() => [...e.party0.runs.values()].every((run) => run.isFree)));
  // What is prepared, and nothing else, is alike at all three
  const free = (node: Party | Dealer) =>
    [...node.runs.values()]
      .map((run) => run.isFree && run.ticket)
      .sort()
      .join();
  t.true(await until(() => free(e.party0) === free(e.dealer) && free(e.party1) === free(e.dealer)));
  await e.stop();
});

test('nothing is prepared while parties compute what somebody waits for', async (t) => {
  const held: ReturnType<typeof holding>[] = [];
  const e = await startEngines(
    2 ** 31,
    (from, to, link) => {
      if (from !== 'dealer' && to === 'dealer') held.push(holding(link, 'computed'));
    },
    2 ** 30,
  );
  const full = 2 * limits.pooledRuns;
  await publishSmall(e);
  const asking = await askerOf(e);
  t.true(await until(() => e.dealer.pool.size === full, 20_000), `${e.dealer.pool.size} runs are prepared`);
  // As if both computed on, and then one of them
  const free = () => [...e.dealer.runs.values()].filter((run) => run.isFree).length;
  t.true((await askSmall(asking)) < BAR);
  for (const { open, held: count } of held) {
    t.true(await until(() => count() === 1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.is(free(), full - 1);
    open();
  }
  t.true(await until(() => e.dealer.pool.size === full), 'then the pool is filled again');
  asking.close();
  await e.stop();
});

test('a model outlives its nodes; what one lacks none serves until it is published again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-models-'));
  const start = () => startEngines(2 ** 31, undefined, 0, folder);
  let e = await start();
  const before = await publishSmall(e);
  await e.stop();
  e = await start();
  let asking = await askerOf(e);
  t.true(await until(() => e.party0.catalogue.all.length === 1));
  const m = await asking.manifest('small');
  t.is(m.generation, before.generation);
  t.true((await askSmall(asking)) < BAR);
  t.true((await askSmall(asking, 9)) < BAR);
  await t.throwsAsync(publishSmall(e), { code: 'MODEL_EXISTS' });
  asking.close();
  await e.stop();
  // One node's disk is lost
  rmSync(join(folder, 'party1'), { recursive: true });
  e = await start();
  asking = await askerOf(e);
  t.true(await until(() => e.party0.catalogue.missing.some(({ why }) => /party1 does not have it/.test(why))));
  await t.throwsAsync(askSmall(asking), { code: 'MODEL_UNKNOWN', message: /party1 does not have it|no model small/ });
  const again = await publishSmall(e);
  t.not(again.generation, before.generation);
  t.true((await askSmall(asking)) < BAR);
  asking.close();
  await e.stop();
  // A file is altered
  writeFileSync(join(folder, 'dealer/small/1/tensors.bin'), 'something else');
  e = await start();
  asking = await askerOf(e);
  await t.throwsAsync(askSmall(asking), { code: 'MODEL_UNKNOWN' });
  t.true(
    e.logs.some(({ node, event, fields }) => node === 'dealer' && event === 'model' && fields?.state === 'damaged'),
  );
  t.true(await until(() => e.dealer.catalogue.missing[0]?.publisher === 'acme'));
  t.true(await until(() => /dealer does not have it/.test(String(e.party0.catalogue.missing[0]?.why))));
  // Nobody else takes its name; its publisher may publish it again
  const foreign = publisher({ name: 'other' });
  const taken = await t.throwsAsync<Error & { code: string }>(publishSmall(e, '1', foreign));
  t.regex(taken!.code, /^MODEL_(EXISTS|DAMAGED)$/);
  t.is(e.party0.catalogue.missing.length, 1, 'it is there as it was');
  await publishSmall(e);
  t.true((await askSmall(asking)) < BAR);
  for (const node of [e.dealer, e.party0, e.party1]) t.true(await until(() => node.catalogue.missing.length === 0));
  asking.close();
  await e.stop();
  t.deepEqual(readdirSync(join(folder, 'party0/small')), ['1']);
  rmSync(folder, { recursive: true });
});

test('a node that missed the word to commit follows the others when they meet', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secformer-models-'));
  const start = () => startEngines(2 ** 31, undefined, 0, folder);
  let e = await start();
  // Party 1 is stopped between the commits
  const commit = e.party1.catalogue.commit.bind(e.party1.catalogue);
  e.party1.catalogue.commit = () => new Promise(() => {});
  const publishing = publishSmall(e);
  publishing.catch(() => {});
  t.true(await until(() => e.party0.catalogue.mine.some(({ state }) => state === 'live')));
  t.deepEqual(e.party0.catalogue.all, []);
  e.party1.catalogue.commit = commit;
  await e.stop();
  await t.throwsAsync(publishing);
  e = await start();
  const asking = await askerOf(e);
  t.true(await until(() => e.party0.catalogue.all.length === 1));
  t.true((await askSmall(asking)) < BAR);
  asking.close();
  await e.stop();
  rmSync(folder, { recursive: true });
});
