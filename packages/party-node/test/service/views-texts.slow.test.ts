/** Everything that a service writes, shows or answers with, searched for what is somebody's own. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Secret } from '@secformer/ring';
import test from 'ava';
import { Asking, type Credentials, type Manifest, Session } from '../../src/index.js';
import { writeToken } from '../../src/node/token-files.js';
import { dialSocket, readKeyFile, startLocalService } from '../../src/node.js';
import { Assets } from '../../src/operation/dashboard/assets.js';
import type { Snapshot } from '../../src/operation/dashboard/dashboard.js';
import { freshKeyPair } from '../../src/wire/keys.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, sleep, until } from '../attacks/kit.js';
import { ROWS, requestOf, WIDTH } from '../publishing.js';

const folder = mkdtempSync(join(tmpdir(), 'texts-'));
const path = (name: string) => join(folder, name);
writeToken(path('client'));
const service = await startLocalService({
  flags: (role) => [
    ...['--admin', '127.0.0.1:0', '--run-log', path(`${role}.runs`)],
    ...['--client-token-file', path('client')],
  ],
});
test.after.always(() => {
  service.stop();
  rmSync(folder, { recursive: true, force: true });
});
const nodes = service.network.keys;
const dial = (role: NodeRole) => dialSocket(service.network.urls[role], 'client', { pinned: true });

/** Numbers that nothing else here is likely to be. */
const odd = (n: number, scale: number, from: number) =>
  Float32Array.from({ length: n }, (_, i) => scale * (1.5 + Math.sin(from + i)));
const table = odd(ROWS * WIDTH, 1, 0.1);
const weights = odd(WIDTH * 3, 1, 0.2);
const added = odd(12, 3_000, 0.3);
const ids = Int32Array.of(31, 17, 29, 13);

/** The forms in which bytes could stand in a text. */
function bytesForms(name: string, bytes: Uint8Array): [string, string][] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const forms: [string, string][] = [
    [`${name}, hex`, all.toString('hex')],
    [`${name}, decimal`, [...all].join()],
    [`${name}, decimal`, [...all].join(', ')],
    [`${name}, latin1`, all.toString('latin1')],
  ];
  // Wherever it begins among the bytes around it
  for (const skip of [0, 1, 2]) {
    const whole = all.subarray(skip, skip + 3 * Math.floor((all.length - skip) / 3));
    forms.push([`${name}, base64`, whole.toString('base64')], [`${name}, base64url`, whole.toString('base64url')]);
  }
  return forms;
}

/** Long enough to be nowhere by chance, and from several places. */
function piecesOf(name: string, bytes: Uint8Array, length = 24): [string, string][] {
  const places = Array.from({ length: 8 }, (_, i) => 8 * Math.floor((i * (bytes.length - length)) / 64));
  return places.flatMap((at) => bytesForms(`${name} at ${at}`, bytes.subarray(at, at + length)));
}

function valuesForms(name: string, values: Float32Array): [string, string][] {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return [
    ...piecesOf(name, bytes),
    ...[...values].flatMap((v): [string, string][] => [
      [name, v.toPrecision(9)],
      [name, String(v).slice(0, 11)],
      ...(Math.abs(v) > 2_000 ? [[`${name}, fixed point`, String(Math.round(v * 2 ** 16))] as [string, string]] : []),
    ]),
  ];
}

const texts: string[] = [];
const said = (error: unknown) => {
  const { stack, message } = error as Error;
  texts.push(String(error), String(stack), message, inspect(error, { depth: 8 }), JSON.stringify(error));
  return error as Error & { code?: string };
};
/** @returns its code, and remembers what it says */
const refusal = async (what: Promise<unknown>): Promise<string> => {
  try {
    await what;
    return 'none';
  } catch (error) {
    return String(said(error).code);
  }
};
const asking = (credentials: Credentials) => Asking.connect(dial, credentials);
const ask = (a: Asking, m: Manifest) => a.ask(m, 0, [added], [ids]);

async function withAsking<T>(who: { key: Secret; grant?: string }, f: (a: Asking) => Promise<T>): Promise<T> {
  const a = await asking({ ...who, nodes });
  try {
    return await f(a);
  } finally {
    a.close();
  }
}

/** What a stream says until its first event is whole. */
async function begun(url: string): Promise<string> {
  const stop = new AbortController();
  const { body } = await fetch(url, { signal: stop.signal });
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (/^data: .*\n\n/m.test(text)) break;
  }
  stop.abort();
  return text;
}

test('nothing that a service writes, shows or answers holds a value, a share, a key, a token or a grant', async (t) => {
  t.timeout(240_000);
  const publisher = service.publisher.secret;
  const session = await Session.connect(dial, { key: publisher, nodes });
  await session.write(1, table, [ROWS, WIDTH]);
  await session.write(2, weights, [WIDTH, 3]);
  await session.publish({ ...requestOf('1', [4]), key: publisher });
  t.is(await refusal(session.publish({ ...requestOf('1', [4]), key: publisher })), 'TENSOR_LOST');
  session.close();

  const anna = await service.grant({ model: 'small', subject: 'anna', quota: { runs: 3, seconds: 600 } });
  const foreign = await service.grant({ model: 'large', subject: 'bert' });
  const stranger = freshKeyPair().secret;
  const answers: Float32Array[] = [];
  const m = await withAsking(anna, async (a) => {
    const manifest = await a.manifest('small');
    for (let i = 0; i < 2; i++) answers.push((await ask(a, manifest)).outputs[0]!);
    return manifest;
  });
  // Refusals of all kinds
  const { key, grant } = anna;
  t.is(await refusal(asking({ key: stranger, grant, nodes })), 'GRANT_REFUSED');
  t.is(await refusal(asking({ key, grant: `${grant.slice(0, -4)}AAAA`, nodes })), 'GRANT_REFUSED');
  t.is(await refusal(asking({ key: stranger, nodes })), 'NOT_AUTHENTICATED');
  t.is(await refusal(asking({ key, grant: 'no grant', nodes })), 'BAD_CONFIGURATION');
  t.is(await refusal(asking({ key, grant, nodes: { ...nodes, dealer: nodes.party0 } })), 'NOT_AUTHENTICATED');
  t.is(await refusal(withAsking(foreign, (a) => ask(a, m))), 'GRANT_REFUSED');
  t.is(await refusal(withAsking(anna, (a) => a.ask(m, 0, [added], [Int32Array.of(1, 2, 3, ROWS)]))), 'INPUT_REFUSED');
  const tooLarge = withAsking(anna, (a) => a.ask(m, 0, [odd(12, 3e9, 0.5)], [ids]));
  t.not(await refusal(tooLarge), 'none');
  // A client that leaves in the middle, one beyond its quota, and a node that is gone
  const leaving = withAsking(anna, async (a) => {
    const going = ask(a, m);
    await sleep(5);
    a.close();
    return going;
  });
  await refusal(leaving);
  await until(() => false, 300);
  t.is(await refusal(withAsking(anna, async (a) => ask(a, m).then(() => ask(a, m)))), 'QUOTA_SPENT');
  const late = await service.grant({ model: 'small', subject: 'carla' });
  const lost = withAsking(late, async (a) => {
    await service.kill('party1');
    return ask(a, m);
  });
  t.not(await refusal(lost), 'none');
  await service.restart('party1');

  // ---- what there is to read
  await until(() => linesOf(service.log('party1'), 'listening').length === 2);
  for (const role of NODES) {
    texts.push(...service.log(role), readFileSync(path(`${role}.runs`), 'utf8'));
    const { admin } = linesOf(service.log(role), 'listening').at(-1)!;
    for (const page of ['/healthz', '/readyz', '/metrics', '/favicon.ico', ...new Assets().paths])
      texts.push(await (await fetch(`${admin}${page}`)).text());
    // What the dashboard reads: its state, a second of its events, each trace, what Programs cost
    const state = await (await fetch(`${admin}/state`)).text();
    const { runs, models } = JSON.parse(state) as Snapshot;
    // Party 1 is a new process
    t.true((runs.length >= 2 || role === 'party1') && models.length === 1, role);
    texts.push(state, await begun(`${admin}/events`));
    for (const { id } of runs) texts.push(await (await fetch(`${admin}/runs/${id}/trace.json`)).text());
    for (const { model } of models) texts.push(await (await fetch(`${admin}/models/${model}/programs/0`)).text());
    t.true(linesOf(service.log(role), 'run').length >= 2, role);
  }
  const url = service.network.urls.party0.replace('ws:', 'http:');
  texts.push(await (await fetch(`${url}/${grant}`)).text());

  // ---- what is not to be in any of it
  const needles: [string, string][] = [
    ...valuesForms('a weight', table.subarray(0, 60)),
    ...valuesForms('a weight', weights),
    ...valuesForms('an input', added),
    ...answers.flatMap((values) => valuesForms('an answer', values)),
    ['indices', [...ids].join()],
    ['indices', [...ids].join(', ')],
  ];
  const secrets: [string, Uint8Array][] = [
    ['the publisher’s key', publisher.bytes],
    ['the client’s key', key.bytes],
    ['the stranger’s key', stranger.bytes],
    ['the token', Buffer.from(readFileSync(path('client'), 'utf8').trim(), 'base64')],
    ...NODES.map((role): [string, Uint8Array] => [
      `${role}’s key`,
      readKeyFile(join(service.folder, role, 'key')).secret.bytes,
    ]),
  ];
  for (const [name, bytes] of secrets) needles.push(...bytesForms(name, bytes));
  for (const text of [grant, foreign.grant, late.grant])
    for (const part of text.split('.').slice(1)) needles.push(['a grant', part], ['a grant', part.slice(0, 40)]);
  for (const role of NODES) {
    const stored = readFileSync(join(service.folder, role, 'models/small/1/tensors.bin'));
    needles.push(...piecesOf(`${role}’s shares and openings`, stored));
    if (stored.length < 512) continue;
    for (let at = 0; at < 512; at += 8) {
      const word = stored.readBigUInt64LE(at);
      // Small ones are in any text
      if (word > 10n ** 12n) needles.push([`a word of ${role}`, String(word)]);
    }
  }
  const all = texts.join('\n');
  t.true(all.length > 10_000 && needles.length > 500);
  // What looks finds what is there
  const tells = (text: string) => needles.some(([, needle]) => text.includes(needle));
  t.true([added[5], answers[0]![2], inspect({ grant }), publisher.bytes].every((what) => tells(`${all} ${what}`)));
  for (const [name, needle] of needles) {
    if (needle.length < 8) throw new Error(`${name} is too short to be looked for`);
    // Not the needle itself: this is a log as well
    t.false(all.includes(needle), `${name} stands in a text`);
  }
  // Nor anything else as long as a key, but what is public
  const hashes = new Set(m.programs.map((p) => p.hash));
  for (const role of NODES)
    for (const line of readFileSync(path(`${role}.runs`), 'utf8')
      .trimEnd()
      .split('\n')) {
      hashes.add(JSON.parse(line).before).add(JSON.parse(line).program);
      hashes.add(createHash('sha256').update(line).digest('hex'));
    }
  let rest = all
    .replace(/ed25519:[\w-]{43}/g, '')
    .replaceAll(folder, '')
    .replaceAll(service.folder, '');
  for (const hash of hashes) rest = rest.replaceAll(hash, '');
  const long = rest.match(/[0-9a-f]{48,}|[A-Za-z0-9+_-]{43,}/g)?.filter((word) => /\d/.test(word)) ?? [];
  t.deepEqual(long, []);
});
