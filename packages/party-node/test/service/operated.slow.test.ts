/** What an operator and a publisher see of a service: readiness, metrics, the log of runs, and models by command. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Asking, Session } from '../../src/index.js';
import { dialSocket, startLocalService } from '../../src/node.js';
import { freshKeyPair, publicKeyText, secretKeyText } from '../../src/wire/keys.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, sleep, until } from '../attacks/kit.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';

const bin = fileURLToPath(new URL('../../../bin.js', import.meta.url));
const BAR = 2 ** -12;
/** What a loaded machine may take. */
const PATIENCE_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'operated-'));
const path = (name: string) => join(folder, name);
const service = await startLocalService({
  flags: (role) => ['--admin', '127.0.0.1:0', '--run-log', path(`${role}.runs`)],
});
test.after.always(() => {
  service.stop();
  rmSync(folder, { recursive: true, force: true });
});

const dial = (role: NodeRole) => dialSocket(service.network.urls[role], 'client', { pinned: true });
const nodes = service.network.keys;

/** How often each node was started: its admin port is another one each time. */
const lives = { party0: 1, party1: 1, dealer: 1 };

async function read(role: NodeRole, page: string): Promise<{ status: number; text: string }> {
  const listening = () => linesOf(service.log(role), 'listening');
  await until(() => listening().length === lives[role]);
  const { admin } = listening().at(-1)!;
  const response = await fetch(`${admin}${page}`);
  return { status: response.status, text: await response.text() };
}

/** What each node says it lacks: nothing where it is ready. */
async function lacking(role: NodeRole): Promise<string[]> {
  const { status, text } = await read(role, '/readyz');
  const { ready, missing = [] } = JSON.parse(text) as { ready: boolean; missing?: string[] };
  if (ready !== (status === 200) || ready !== (missing.length === 0)) throw new Error(`${status} ${text}`);
  return missing;
}

async function eventually(what: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(50))
    if (await what()) return true;
  return false;
}
const all = async (what: (role: NodeRole) => Promise<boolean>) => (await Promise.all(NODES.map(what))).every(Boolean);
const runsOf = (role: NodeRole) =>
  readFileSync(path(`${role}.runs`), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function publish(version: string): Promise<void> {
  const { secret } = service.publisher;
  const session = await Session.connect(dial, { key: secret, nodes });
  await session.write(1, table, [ROWS, WIDTH]);
  await session.write(2, weights, [WIDTH, 3]);
  await session.publish({ ...requestOf(version, [4]), key: secret });
  session.close();
}

async function command(...args: string[]): Promise<{ status: number; out: string; said: string }> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { out: '', said: '' };
  child.stdout.on('data', (part) => {
    texts.out += part;
  });
  child.stderr.on('data', (part) => {
    texts.said += part;
  });
  const [status] = await once(child, 'close');
  return { status, ...texts };
}
const keyFile = (name: string, key: Parameters<typeof secretKeyText>[0]) => {
  writeFileSync(path(name), `${secretKeyText(key)}\n`, { mode: 0o600 });
  return path(name);
};
const network = ['--network', service.networkFile];

test.serial('readiness, metrics and the log of runs tell of models, and a pooled run of its ask alone', async (t) => {
  t.timeout(4 * PATIENCE_MS);
  t.true(await eventually(() => all(async (role) => (await lacking(role)).length === 0)));
  await publish('1');
  t.true(await eventually(() => all(async (role) => (await lacking(role)).length === 0)));
  const metric = async (role: NodeRole, line: RegExp) => line.test((await read(role, '/metrics')).text);
  t.true(await all((role) => metric(role, /^secformer_models\{state="served"\} 1$/m)));
  // Nobody has asked yet
  t.true(await eventually(() => all((role) => metric(role, /^secformer_pool_runs [1-9]/m))));
  t.true(await all((role) => metric(role, /^secformer_pool_bytes [1-9]/m)));
  await sleep(2_000);

  const { key, grant } = await service.grant({ model: 'small', subject: 'anna', quota: { runs: 2, seconds: 600 } });
  const asking = await Asking.connect(dial, { key, grant, nodes });
  const start = performance.now();
  t.true((await askSmall(asking)) < BAR);
  const took = performance.now() - start;
  t.true((await askSmall(asking)) < BAR);
  await t.throwsAsync(askSmall(asking), { code: 'QUOTA_SPENT' });
  t.true(await eventually(() => all(async (role) => runsOf(role).length === 3)));
  const { hash } = (await asking.manifest('small')).programs[0]!;
  asking.close();
  for (const role of NODES) {
    const [opening, first, second] = runsOf(role);
    t.like(opening, { publisher: 'publisher', outcome: 'OK' });
    t.false('model' in opening! || 'subject' in opening!);
    for (const line of [first!, second!]) {
      t.like(line, { publisher: 'publisher', subject: 'anna', model: 'small@1', program: hash, outcome: 'OK' });
      t.true(Number(line.bytes) > 0);
    }
    // And not what it lay there
    t.true(Number(first!.ms) <= took + 100, `${role}: ${first!.ms} of ${took} ms`);
    t.true(await metric(role, /^secformer_runs_total\{model="small@1",outcome="OK"\} 2$/m));
    t.true(await metric(role, /^secformer_refused_total\{code="QUOTA_SPENT",rule="command"\} 1$/m));
    const verified = spawnSync(process.execPath, [bin, 'verify-log', path(`${role}.runs`)], { encoding: 'utf8' });
    t.is(verified.status, 0, verified.stdout);
  }
});

test.serial('models are listed and ended by command, by who may', async (t) => {
  t.timeout(4 * PATIENCE_MS);
  await publish('2');
  const mine = keyFile('publisher.key', service.publisher.secret);
  const listed = await command('models', ...network, '--key', mine);
  t.is(listed.status, 0, listed.said);
  t.regex(listed.out, /^small@1 {2}published 20\S+Z {2}manifest [0-9a-f]{16}\nsmall@2 .*\n$/);
  const { key, grant } = await service.grant({ model: 'small', versions: ['2'] });
  const theirs = keyFile('client.key', key);
  writeFileSync(path('grant'), `${grant}\n`);
  const granted = await command('models', ...network, '--key', theirs, '--grant', path('grant'), '--json');
  t.is(granted.status, 0, granted.said);
  t.like(JSON.parse(granted.out), { model: 'small@2', publisher: 'publisher' });
  const { grant: other, key: otherKey } = await service.grant({ model: 'large' });
  writeFileSync(path('other'), other);
  const none = await command('models', ...network, '--key', keyFile('other.key', otherKey), '--grant', path('other'));
  t.deepEqual(none, { status: 0, out: '', said: 'no model is served that this key may ask\n' });

  const refused = async (why: RegExp, ...args: string[]) => {
    const { status, out, said } = await command(...args);
    t.deepEqual([status, out], [2, '']);
    t.regex(said, why);
    t.is(said.trimEnd().split('\n').length, 1, said);
  };
  const stranger = keyFile('stranger.key', freshKeyPair().secret);
  await refused(/nobody who may publish here/, 'models', ...network, '--key', stranger);
  await refused(/nobody who may publish here/, 'unpublish', 'small@2', ...network, '--key', theirs);
  await refused(/expected NAME@VERSION/, 'unpublish', 'small', ...network, '--key', mine);
  await refused(/no model small@3 of yours/, 'unpublish', 'small@3', ...network, '--key', mine);
  await refused(/cannot read the grant file/, 'models', ...network, '--key', theirs, '--grant', path('nowhere'));
  const file = JSON.parse(readFileSync(service.networkFile, 'utf8'));
  file.dealer.key = publicKeyText(freshKeyPair().public);
  writeFileSync(path('wrong.json'), JSON.stringify(file));
  await refused(/another key than the network file/, 'models', '--network', path('wrong.json'), '--key', mine);

  const ended = await command('unpublish', 'small@2', ...network, '--key', mine);
  t.deepEqual(ended, { status: 0, out: '', said: '' });
  t.notRegex((await command('models', ...network, '--key', mine)).out, /small@2/);
});

test.serial('a node that has lost a model is not ready, nor are the others, until it is published again', async (t) => {
  t.timeout(4 * PATIENCE_MS);
  await service.kill('dealer');
  rmSync(join(service.folder, 'dealer', 'models', 'small'), { recursive: true });
  await service.restart('dealer');
  lives.dealer++;
  const says = async (role: NodeRole, why: RegExp) => {
    const there = async () => (await lacking(role)).some((line) => why.test(line));
    t.true(await eventually(there), `${role}: ${(await lacking(role)).join()}`);
  };
  await says('dealer', /^small@1 is not served: this node does not have it$/);
  await says('party0', /^small@1 is not served: dealer does not have it$/);
  await says('party1', /^small@1 is not served: dealer does not have it$/);
  t.true(await all(async (role) => /models\{state="missing"\} 1/.test((await read(role, '/metrics')).text)));
  await publish('1');
  t.true(await eventually(() => all(async (role) => (await lacking(role)).length === 0)));
});
