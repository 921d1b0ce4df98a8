import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { readAccessFile } from '../src/identity/access-file.js';
import { readGrant } from '../src/identity/grants.js';
import { readKeyFile } from '../src/identity/key-files.js';
import { networkFrom } from '../src/index.js';
import { freshKeyPair, publicKeyText } from '../src/wire/keys.js';
import { refusals } from './commands.js';

const folder = mkdtempSync(join(tmpdir(), 'commands-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
const write = (name: string, json: unknown) => {
  writeFileSync(path(name), JSON.stringify(json), { mode: 0o644 });
  return path(name);
};
const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));

async function run(...args: string[]): Promise<{ status: number; out: string; said: string }> {
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

const node = (url: string) => ({ url, key: publicKeyText(freshKeyPair().public) });
const network = { party0: node('wss://a:1'), party1: node('wss://b:1'), dealer: node('wss://c:1') };
const client = freshKeyPair();

test('a publisher’s way: a key, a place in the access file, a grant, and its end', async (t) => {
  const made = await run('keygen', path('acme.key'));
  t.deepEqual([made.status, made.said], [0, '']);
  const key = made.out.trim();
  t.is(publicKeyText(readKeyFile(path('acme.key')).public), key);
  if (process.platform !== 'win32') t.is(statSync(path('acme.key')).mode & 0o777, 0o600);
  const secret = readFileSync(path('acme.key'), 'utf8').trim();

  const file = path('access.json');
  const limits = ['--models', '10', '--bytes', '20G', '--runs', '8'];
  t.deepEqual(await run('allow', '--access', file, '--name', 'acme', '--key', key, ...limits), {
    status: 0,
    out: '',
    said: '',
  });
  t.like(readAccessFile(file).publishers[0], { name: 'acme', limits: { models: 10, bytes: 20 * 2 ** 30, runs: 8 } });

  const nodes = write('network.json', network);
  const whom = ['--model', 'sst2', '--subject', 'anna', '--client', publicKeyText(client.public), '--days', '30'];
  const more = ['--versions', '1,2', '--outputs', 'label', '--quota', '100/3600'];
  const granted = await run('grant', '--key', path('acme.key'), '--network', nodes, ...whom, ...more);
  t.is(granted.status, 0, granted.said);
  t.false((granted.out + granted.said).includes(secret.slice(15)));
  const { id } = networkFrom(network);
  const now = Date.now() / 1000;
  const read = () =>
    readGrant(granted.out.trim(), { client: client.public, access: readAccessFile(file), network: id, now });
  const grant = await read();
  t.like(grant, { publisher: 'acme', subject: 'anna', model: 'sst2', versions: ['1', '2'], outputs: ['label'] });
  t.deepEqual(grant.quota, { runs: 100, seconds: 3600 });
  t.true(Math.abs(grant.expires - now - 30 * 86_400) < 60);
  t.true(granted.said.includes(grant.id));

  t.is((await run('deny', '--access', file, '--publisher', 'acme', '--id', grant.id)).status, 0);
  await t.throwsAsync(read(), { code: 'GRANT_REFUSED' });
});

test('what is wrong is said in one line, exit 2', async (t) => {
  const key = publicKeyText(client.public);
  write('empty.json', { publishers: [] });
  writeFileSync(path('there'), 'x');
  const listen = ['--listen', '127.0.0.1:0'];
  const pinned = ['--peers', write('peers.json', network), '--access', path('empty.json')];
  const limits = ['--models', '1', '--bytes', '1G', '--runs', '1'];
  const grant = [
    'grant',
    '--network',
    path('peers.json'),
    '--model',
    'm',
    '--subject',
    's',
    '--client',
    key,
    '--days',
    '1',
  ];
  const cases: [string[], RegExp][] = [
    [['keygen', path('there')], /there is there already/],
    [['allow', '--access', path('new'), '--name', '../x', '--key', 'ed25519:x', ...limits], /expected a public key/],
    [['allow', '--access', path('new'), '--name', '../x', '--key', key, ...limits], /name of a publisher/],
    [['deny', '--access', path('empty.json'), '--publisher', 'acme'], /give either --id or --subject/],
    [['deny', '--access', path('empty.json'), '--publisher', 'acme', '--id', 'x'], /has no publisher acme/],
    [[...grant, '--key', path('there')], /can be read by others|holds no secret key/],
    [[...grant, '--key', path('none')], /cannot read the key file/],
    [['dealer', ...listen], /needs --client-token-file, or --access/],
    [['dealer', ...listen, ...pinned], /--peers needs --data-dir/],
    [['dealer', ...listen, '--access', path('empty.json'), '--data-dir', path('d1')], /--access needs --peers/],
    [
      ['dealer', ...listen, ...pinned, '--data-dir', path('d2')],
      /has ed25519:.* as the key of dealer.*node's is ed25519:/,
    ],
    [
      ['dealer', ...listen, '--client-token-file', path('there'), '--no-owner-sessions'],
      /--no-owner-sessions leaves nobody to connect/,
    ],
    [['dealer', '--listen', '0.0.0.0:0', ...pinned, '--data-dir', path('d3')], /--behind-tls-proxy/],
  ];
  refusals(cases.map(([args]) => args)).forEach(({ status, said }, at) => {
    const [args, message] = cases[at]!;
    t.is(status, 2, `${args.join(' ')}: ${said}`);
    t.regex(said, message);
    t.regex(said, /^[^\n]+\n$/);
  });
  t.false(existsSync(path('new')));
});
