import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { allow, deny, isDenied, readAccessFile } from '../src/identity/access-file.js';
import { readNetworkFile } from '../src/identity/network-file.js';
import { bytesFrom } from '../src/identity/sizes.js';
import { NodeError } from '../src/index.js';
import { freshKeyPair, networkId, publicKeyText } from '../src/wire/keys.js';

const folder = mkdtempSync(join(tmpdir(), 'access-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const write = (content: unknown) => {
  const file = join(folder, `${++files}.json`);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o644 });
  return file;
};
const [one, two, three] = [freshKeyPair().public, freshKeyPair().public, freshKeyPair().public] as const;
const acme = { name: 'acme', key: publicKeyText(one), models: 10, bytes: '20G', runs: 8 };

test('an access file says who may publish, how much, and which grants are denied', (t) => {
  const denied = [
    { publisher: 'acme', id: 'x' },
    { publisher: 'acme', subject: 'anna' },
  ];
  const access = readAccessFile(write({ publishers: [acme], denied }));
  t.deepEqual(access.publishers, [{ name: 'acme', key: one, limits: { models: 10, bytes: 20 * 2 ** 30, runs: 8 } }]);
  t.true(isDenied(access, { publisher: 'acme', id: 'x', subject: 'bert' }));
  t.true(isDenied(access, { publisher: 'acme', id: 'y', subject: 'anna' }));
  t.false(isDenied(access, { publisher: 'acme', id: 'anna', subject: 'x' }));
  t.deepEqual(readAccessFile(write({ publishers: [] })), { publishers: [], denied: [] });
});

test('what is wrong with an access file is said: the file, the field, what to do', (t) => {
  for (const [content, message] of [
    ['{', /the access file .*\d\.json is not JSON/],
    [[], /is wrong: .*object/],
    [{}, /is wrong at publishers: /],
    [{ publishers: [{ ...acme, key: 'x' }] }, /publishers\[0\]\.key: expected a public key, 'ed25519:…'/],
    [
      { publishers: [{ ...acme, bytes: 'much' }] },
      /publishers\[0\]\.bytes: expected a size, such as "20G"; got "much"/,
    ],
    [{ publishers: [{ ...acme, bytes: -1 }] }, /publishers\[0\]\.bytes/],
    [{ publishers: [{ ...acme, runs: 1.5 }] }, /publishers\[0\]\.runs/],
    [{ publishers: [{ ...acme, name: '../x' }] }, /publishers\[0\]\.name/],
    [{ publishers: [{ ...acme, run: 8 }] }, /publishers\[0\]: Unrecognized key: "run"/],
    [{ publishers: [acme, { ...acme, key: publicKeyText(two) }] }, /publishers\[1\]\.name: another .* same name/],
    [{ publishers: [acme, { ...acme, name: 'b' }] }, /publishers\[1\]\.key: another .* same key/],
    [{ publishers: [acme], denied: [{ publisher: 'acne', id: 'x' }] }, /denied\[0\]\.publisher: there is no publisher/],
    [{ publishers: [acme], denied: [{ publisher: 'acme' }] }, /denied\[0\]/],
    [{ publishers: [acme], denied: [{ publisher: 'acme', id: 'x', subject: 'y' }] }, /denied\[0\]/],
  ] as const)
    t.throws(() => readAccessFile(write(content)), { instanceOf: NodeError, code: 'BAD_CONFIGURATION', message });
  const open = write({ publishers: [] });
  chmodSync(open, 0o666);
  if (process.platform !== 'win32')
    t.throws(() => readAccessFile(open), { message: /can be written by others .*chmod go-w/ });
});

test('publishers are added and changed, grants denied, and the file is whole at any time', (t) => {
  const file = join(folder, 'edited.json');
  const limits = { models: 1, bytes: 2 ** 30, runs: 2 };
  t.throws(() => deny(file, { publisher: 'acme', id: 'x' }), { message: /cannot read the access file/ });
  allow(file, { name: 'acme', key: one, limits });
  deny(file, { publisher: 'acme', id: 'x' });
  deny(file, { publisher: 'acme', id: 'x' });
  allow(file, { name: 'bolt', key: two, limits });
  allow(file, { name: 'acme', key: three, limits: { ...limits, runs: 9 } });
  t.deepEqual(readAccessFile(file), {
    publishers: [
      { name: 'acme', key: three, limits: { ...limits, runs: 9 } },
      { name: 'bolt', key: two, limits },
    ],
    denied: [{ publisher: 'acme', id: 'x' }],
  });
  t.throws(() => allow(file, { name: 'c', key: two, limits }), { message: /has this key already, as publisher bolt/ });
  t.throws(() => deny(file, { publisher: 'c', id: 'x' }), { message: /has no publisher c/ });
  const before = readFileSync(file, 'utf8');
  t.throws(() => allow(join(folder, 'none/x'), { name: 'c', key: two, limits }), { code: 'BAD_CONFIGURATION' });
  t.is(readFileSync(file, 'utf8'), before);
  t.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.new')),
    [],
  );
});

test('a network file says where the nodes are and by which keys they are known', (t) => {
  const node = (key: string, url = 'wss://node.example.org:8443') => ({ url, key: publicKeyText(key) });
  const file = write({ party0: node(one), party1: node(two, 'ws://127.0.0.1:1'), dealer: node(three) });
  const pins = { party0: one, party1: two, dealer: three };
  t.deepEqual(readNetworkFile(file), {
    id: networkId(pins),
    urls: { party0: 'wss://node.example.org:8443', party1: 'ws://127.0.0.1:1', dealer: 'wss://node.example.org:8443' },
    keys: { party0: publicKeyText(one), party1: publicKeyText(two), dealer: publicKeyText(three) },
    pins,
  });
  for (const [content, message] of [
    [{ party0: node(one), party1: node(two) }, /the network file .* is wrong at dealer: /],
    [{ party0: node(one), party1: node(two), dealer: node(one) }, /has the same key for two nodes/],
    [{ party0: node(one, 'ws://example.org'), party1: node(two), dealer: node(three) }, /party0\.url: .*unencrypted/],
    [{ party0: { url: 'wss://x', key: 'ed25519:x' }, party1: node(two), dealer: node(three) }, /party0\.key: expected/],
  ] as const)
    t.throws(() => readNetworkFile(write(content)), { code: 'BAD_CONFIGURATION', message });
});

test('sizes', (t) => {
  t.is(bytesFrom('20G'), 20 * 2 ** 30);
  t.is(bytesFrom('1.5MiB'), 1.5 * 2 ** 20);
  t.is(bytesFrom('17'), 17);
  for (const text of ['', 'G', '-1', '1e9', '99999999999T', '1 G']) t.is(bytesFrom(text), undefined, text);
});
