import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@secformer/ring';
import test from 'ava';
import { nodeKey, readKeyFile, writeKeyFile } from '../src/identity/key-files.js';
import {
  freshKeyPair,
  keyPairFrom,
  networkId,
  publicKeyFrom,
  publicKeyText,
  secretKeyFrom,
  secretKeyText,
  thumbprint,
} from '../src/wire/keys.js';

const folder = mkdtempSync(join(tmpdir(), 'keys-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

// RFC 8037, appendix A
const D = Buffer.from('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', 'base64url');
const X = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

const ORDER_8 = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05';

test('keys and thumbprints are those of RFC 8037', (t) => {
  const pair = keyPairFrom(new Secret(new Uint8Array(D)));
  t.is(publicKeyText(pair.public), `ed25519:${X}`);
  t.is(thumbprint(pair.public), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  t.is(publicKeyFrom(`ed25519:${X}`), pair.public);
  t.deepEqual(secretKeyFrom(`${secretKeyText(pair.secret)}\n`)!.bytes, pair.secret.bytes);
});

test('a text that is not the one form of a key is none', (t) => {
  for (const text of [
    '',
    X,
    `ed25519:${X}=`,
    `ed25519:${X.slice(1)}`,
    `ed25519: ${X}`,
    `ed448:${X}`,
    // The same bytes with bits behind them
    `ed25519:${X.slice(0, -1)}p`,
    // The neutral element, and a point of order 8
    `ed25519:${Buffer.from(`01${'00'.repeat(31)}`, 'hex').toString('base64url')}`,
    `ed25519:${Buffer.from(ORDER_8, 'hex').toString('base64url')}`,
    // No point
    `ed25519:${Buffer.from(`02${'00'.repeat(31)}`, 'hex').toString('base64url')}`,
  ])
    t.is(publicKeyFrom(text), undefined, text);
  t.is(secretKeyFrom(`ed25519:${X}`), undefined);
});

test('a network is its three keys in their places', (t) => {
  const [party0, party1, dealer] = [freshKeyPair().public, freshKeyPair().public, freshKeyPair().public];
  t.regex(networkId({ party0, party1, dealer }), /^[0-9a-f]{32}$/);
  t.is(networkId({ party0, party1, dealer }), networkId({ dealer, party1, party0 }));
  t.not(networkId({ party0, party1, dealer }), networkId({ party0: party1, party1: party0, dealer }));
});

test('a key file is made once, for its owner alone, and read again', (t) => {
  const data = join(folder, 'data');
  const first = nodeKey(data);
  t.is(nodeKey(data).public, first.public);
  const file = join(data, 'key');
  if (process.platform !== 'win32') t.is(statSync(file).mode & 0o777, 0o600);
  t.regex(readFileSync(file, 'utf8'), /^ed25519-secret:[\w-]{43}\n$/);
  const error = t.throws(() => writeKeyFile(file), { code: 'BAD_CONFIGURATION', message: /is there already/ });
  t.true(error!.message.includes(publicKeyText(first.public)));
  t.is(readKeyFile(file).public, first.public);
  t.throws(() => writeKeyFile(join(folder, 'no/key')), {
    code: 'BAD_CONFIGURATION',
    message: /cannot write .*no\/key/,
  });
  t.false(existsSync(join(folder, 'no')));
});

test('what is wrong with a key file is said, and nothing of what it holds', (t) => {
  const file = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(folder, name), text, { mode });
    return join(folder, name);
  };
  const secret = secretKeyText(freshKeyPair().secret);
  for (const [name, message] of [
    [file('cut', secret.slice(0, -1)), /key file .*cut holds no secret key/],
    [file('open', secret, 0o644), /can be read by others .*chmod 600/],
    [join(folder, 'absent'), /cannot read the key file .*absent/],
  ] as const) {
    const error = t.throws(() => readKeyFile(name), { code: 'BAD_CONFIGURATION', message });
    t.false(error!.message.includes(secret.slice(15, 50)));
  }
});
