/** What the page makes of files, failures and numbers. */
import test from 'ava';
import { bytesText, percentText, timeText, waitText } from '../src/page/figures.js';
import { alike } from '../src/page/hex.js';
import { connectionOf, hostOf, missing, modelOf, settingsIn, UnknownSetting } from '../src/page/settings.js';
import { explained } from '../src/page/words.js';
import { cosine } from '../src/worker/asked-model.js';

const node = (port: number) => ({ url: `ws://127.0.0.1:${port}`, key: 'ed25519:a' });
const network = { party0: node(1), party1: node(2), dealer: node(3) };
const grant = `a.${Buffer.from(JSON.stringify({ model: 'sst2' })).toString('base64url')}.c`;
const key = 'ed25519-secret:abc_-1';

test('files are known by their form', (t) => {
  t.deepEqual(settingsIn(JSON.stringify(network)), { network });
  t.deepEqual(settingsIn(`# a comment\n${key}\n`), { key });
  t.deepEqual(settingsIn(` ${grant}\n`), { grant });
  const all = { network, key, grant, model: 'sst2@1' };
  t.deepEqual(settingsIn(JSON.stringify({ ...all, other: 1 })), all);
  t.deepEqual(settingsIn(JSON.stringify({ model: 'm', key: 5, network: null })), { model: 'm' });
  t.is(settingsIn(JSON.stringify({ about: 'x'.repeat(500) })).about?.length, 200);
});

test('what is none is refused, and not repeated', (t) => {
  for (const text of ['', 'hello', '{"a": 1}', '{"party0"', '[]', 'a.b', 'x'.repeat(70_000)]) {
    const error = t.throws(() => settingsIn(text), { instanceOf: UnknownSetting });
    t.true(error.message.length > 20 && error.message.length < 200);
  }
});

test('a connection names its model, or its grant does', (t) => {
  t.deepEqual(missing({}), ['the network file', 'your key', 'a grant, or a model’s name']);
  t.is(connectionOf({ network, key }), undefined);
  t.deepEqual(connectionOf({ network, key, grant }), { network, key, grant, model: 'sst2' });
  t.deepEqual(connectionOf({ network, key, model: 'm@2' }), { network, key, model: 'm@2' });
  for (const bad of [undefined, 'a', 'a.!.c', 'a.e30.c']) t.is(modelOf(bad), undefined);
  t.is(hostOf(network, 'dealer'), '127.0.0.1:3');
  t.is(hostOf(undefined, 'dealer'), '');
});

test('failures are told in words, with the server and the time to wait', (t) => {
  const told = (code: string, message = 'party 1: x', retryAfterMs?: number) =>
    explained({ code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) });
  t.is(told('UNREACHABLE').title, 'Server B cannot be reached');
  t.is(told('LINK_CLOSED', 'dealer: gone').title, 'The connection to Server C broke');
  t.is(told('BAD_FRAME', 'party 0: x').title, 'Server A said something that cannot be right');
  t.regex(told('BUSY', 'dealer: x', 4200).remedy, /Try again in 5 seconds\.$/);
  t.notRegex(told('UNREACHABLE', 'dealer: x', 4200).remedy, /5 seconds/);
  t.regex(told('QUOTA_SPENT', 'client: x', 3_600_000).remedy, /Try again in 60 minutes\.$/);
  t.regex(told('GRANT_REFUSED').remedy, /Ask the publisher/);
  for (const code of ['SOMETHING_NEW', 'constructor', 'UNEXPECTED'])
    t.is(told(code).title, 'Something unexpected went wrong');
});

test('numbers for people', (t) => {
  t.deepEqual([1, 999, 1000, 2_500_000].map(bytesText), ['1 byte', '999 bytes', '1.0 kB', '2.50 MB']);
  t.deepEqual([12.4, 1234].map(timeText), ['12 ms', '1.2 s']);
  t.deepEqual([0, 1500, 121_000, 9_000_000].map(waitText), ['a second', '2 seconds', '3 minutes', '3 hours']);
  t.deepEqual([0.5, 0.99999, 1, 0.00001, 0].map(percentText), ['50.0 %', '> 99.9 %', '100.0 %', '< 0.1 %', '0.0 %']);
  t.deepEqual(alike(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 5, 3, 4)), { same: 2, of: 3 });
  t.is(cosine(Float32Array.of(1, 0), Float32Array.of(0, 2)), 0);
  t.true(Math.abs(cosine(Float32Array.of(1, 1), Float32Array.of(2, 2)) - 1) < 1e-9);
  t.true(Number.isNaN(cosine(Float32Array.of(0, 0), Float32Array.of(2, 2))));
});
