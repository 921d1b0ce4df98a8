import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { allow, deny } from '../src/identity/access-file.js';
import { makeGrant } from '../src/identity/grants.js';
import { writeKeyFile } from '../src/identity/key-files.js';
import { readNetworkFile } from '../src/identity/network-file.js';
import { type Credentials, Session, tokenFrom } from '../src/index.js';
import { type DialOptions, dialSocket } from '../src/node.js';
import { handshake, nodeName } from '../src/wire/handshake.js';
import { freshKeyPair, type KeyPair, publicKeyText } from '../src/wire/keys.js';
import type { Link } from '../src/wire/link.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { linesOf, type OneNode, startNode, until } from './attacks/kit.js';

const withOpenssl = spawnSync('openssl', ['version']).status === 0 ? test : test.skip;
// Each node that a test starts is ended with this process
process.setMaxListeners(40);
const folder = mkdtempSync(join(tmpdir(), 'identity-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const path = (...names: string[]) => join(folder, ...names);

/** A certificate that no authority has signed, and its key. */
function certificate(name: string): { cert: string; key: string } {
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)];
  spawnSync('openssl', ['req', '-x509', ...curve, ...files, '-days', '1', ...names]);
  chmodSync(path(`${name}.key`), 0o600);
  return { cert: readFileSync(path(`${name}.pem`), 'utf8'), key: readFileSync(path(`${name}.key`), 'utf8') };
}

interface Network {
  file: string;
  access: string;
  nodes: Record<NodeRole, OneNode>;
  keys: Record<NodeRole, string>;
  token: string;
  acme: KeyPair;
  grant(client: KeyPair, subject?: string): Promise<string>;
}

const limits = { models: 1, bytes: 2 ** 30, runs: 1 };

/** Three nodes that know one another by their keys, each with a certificate of its own or without one. */
async function start(t: ExecutionContext, name: string, tls: boolean, more: string[] = []): Promise<Network> {
  mkdirSync(path(name), { mode: 0o700 });
  const own = (role: string) => path(name, role);
  const text = {} as Record<NodeRole, { url: string; key: string }>;
  for (const role of NODES) {
    mkdirSync(own(role), { mode: 0o700 });
    text[role] = { url: 'wss://127.0.0.1:1', key: publicKeyText(writeKeyFile(join(own(role), 'key')).public) };
  }
  const [file, access] = [path(name, 'network.json'), path(name, 'access.json')];
  const acme = freshKeyPair();
  allow(access, { name: 'acme', key: acme.public, limits });
  const token = randomBytes(32).toString('base64');
  writeFileSync(path(name, 'client'), token, { mode: 0o600 });
  const nodes = {} as Record<NodeRole, OneNode>;
  for (const role of ['dealer', 'party0', 'party1'] as const) {
    writeFileSync(file, JSON.stringify(text), { mode: 0o644 });
    if (tls) certificate(`${name}-${role}`);
    const shown = tls ? ['--tls-cert', path(`${name}-${role}.pem`), '--tls-key', path(`${name}-${role}.key`)] : [];
    const what = role === 'dealer' ? ['dealer'] : ['party', '--index', role.slice(-1)];
    const files = ['--peers', file, '--access', access, '--data-dir', own(role)];
    const clients = ['--client-token-file', path(name, 'client')];
    nodes[role] = await startNode(...what, ...files, ...clients, ...shown, ...more);
    t.teardown(() => nodes[role].child.kill('SIGKILL'));
    text[role].url = nodes[role].url;
  }
  const network = readNetworkFile(file);
  const grant = async (client: KeyPair, subject = 'anna') => {
    const request = { subject, model: 'sst2', client: client.public, validSeconds: 600 };
    return (await makeGrant(acme, network.id, request)).text;
  };
  return { file, access, nodes, keys: network.keys, token, acme, grant };
}

const dialOf =
  ({ nodes }: Network, options: DialOptions = { pinned: true }) =>
  (role: NodeRole) =>
    dialSocket(nodes[role].url, nodeName[role], options);

function connect(t: ExecutionContext, network: Network, credentials: Credentials, options?: DialOptions) {
  const session = Session.connect(dialOf(network, options), credentials);
  t.teardown(() => session.then((s) => s.close()).catch(() => {}));
  return session;
}

const ready = ({ nodes }: Network) => until(() => NODES.every((role) => linesOf(nodes[role].log, 'ready').length > 0));

withOpenssl('nodes that pin keys need no authority; clients come by key, by grant or by token', async (t) => {
  t.timeout(120_000);
  const network = await start(t, 'pinned', true);
  t.true(await ready(network), NODES.flatMap((role) => network.nodes[role].log).join('\n'));
  for (const role of NODES) t.is(linesOf(network.nodes[role].log, 'listening')[0]!.key, network.keys[role]);

  const [client, nodes] = [freshKeyPair(), network.keys];
  const grant = await network.grant(client);
  await connect(t, network, { key: network.acme.secret, nodes });
  await connect(t, network, { key: client.secret, grant, nodes });
  t.true(await until(() => linesOf(network.nodes.dealer.log, 'connected').some((line) => line.subject === 'anna')));
  t.true(linesOf(network.nodes.dealer.log, 'connected').some((line) => line.publisher === 'acme'));
  const refused = (credentials: Credentials, code: string, message: RegExp, options?: DialOptions) =>
    t.throwsAsync(connect(t, network, credentials, options), { code, message });
  await refused({ key: client.secret, nodes }, 'NOT_AUTHENTICATED', /nobody who may publish here, and no grant/);
  await refused({ key: freshKeyPair().secret, grant, nodes }, 'GRANT_REFUSED', /another client’s key/);
  await refused({ key: client.secret, grant: `${grant}x`, nodes }, 'GRANT_REFUSED', /cannot be read|signature/);
  const other = { ...nodes, dealer: publicKeyText(client.public) };
  await refused({ key: client.secret, grant, nodes: other }, 'NOT_AUTHENTICATED', /another key than the network file/);
  await refused({ key: client.secret, grant, nodes }, 'UNREACHABLE', /self-signed/, {});
  // A token proves nothing of the connection to whoever skips the certificate
  const token = tokenFrom(network.token);
  await refused({ token }, 'NOT_AUTHENTICATED', /certificate that is not to be trusted/);
  const trusted = (role: NodeRole) =>
    dialSocket(network.nodes[role].url, nodeName[role], readFileSync(path(`pinned-${role}.pem`), 'utf8'));
  const owner = await Session.connect(trusted, token);
  owner.close();
  t.false(
    NODES.some((role) => network.nodes[role].log.join('').includes(grant.split('.')[1]!)),
    'no grant in a log',
  );
});

/** Ends TLS by a certificate of its own and passes the bytes on. @returns its URL */
async function between(t: ExecutionContext, name: string, to: (port: number) => Socket, url: string) {
  const server = createTls(certificate(name), (near) => {
    const far = to(Number(new URL(url).port));
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function prove(link: Link, key: KeyPair, network: Network, grant: string) {
  const pins = readNetworkFile(network.file).pins;
  const process = randomBytes(16).toString('hex');
  return handshake(link, { mine: 'client', process, tokens: {}, key, grant, pins, side: 'dial', expect: 'dealer' });
}

withOpenssl(
  'somebody who ends TLS in the middle is noticed; a proxy of the node’s own needs a certificate',
  async (t) => {
    t.timeout(120_000);
    const client = freshKeyPair();
    const open = await start(t, 'middle', true);
    const grant = await open.grant(client);
    const tls = (port: number) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const url = await between(t, 'stranger', tls, open.nodes.dealer.url);
    const middle = await dialSocket(url, 'dealer', { pinned: true });
    await t.throwsAsync(prove(middle, client, open, grant), { code: 'NOT_AUTHENTICATED', message: /ends TLS/ });
    // Not even where the client's system trusts his certificate
    const ca = readFileSync(path('stranger.pem'), 'utf8');
    const trusting = await dialSocket(url, 'dealer', { pinned: true, ca });
    await t.throwsAsync(prove(trusting, client, open, grant), { code: 'NOT_AUTHENTICATED', message: /ends TLS/ });

    const behind = await start(t, 'behind', false, ['--behind-tls-proxy']);
    const plain = (port: number) => connectPlain({ port, host: '127.0.0.1' });
    const proxy = await between(t, 'proxy', plain, behind.nodes.dealer.url.replace('ws:', 'http:'));
    const through = await behind.grant(client);
    const unverified = await dialSocket(proxy, 'dealer', { pinned: true });
    await t.throwsAsync(prove(unverified, client, behind, through), { message: /not to be trusted .*SELF_SIGNED/ });
    const verified = await dialSocket(proxy, 'dealer', { pinned: true, ca: readFileSync(path('proxy.pem'), 'utf8') });
    const proven = await prove(verified, client, behind, through);
    t.is(proven.public, readNetworkFile(behind.file).pins.dealer);
    verified.close('done');
  },
);

test('on SIGHUP a node reads its files again, ends denied grants, keeps the old where they are wrong', async (t) => {
  if (process.platform === 'win32') return t.pass();
  t.timeout(120_000);
  const network = await start(t, 'again', false);
  t.true(await ready(network));
  const [anna, bert] = [freshKeyPair(), freshKeyPair()];
  const { keys: nodes, access, acme } = network;
  const of = async (client: KeyPair, subject: string) =>
    connect(t, network, { key: client.secret, grant: await network.grant(client, subject), nodes });
  const [first, second] = [await of(anna, 'anna'), await of(bert, 'bert')];
  const publisher = await connect(t, network, { key: acme.secret, nodes });
  const again = async (event: string) => {
    const before = NODES.map((role) => linesOf(network.nodes[role].log, event).length);
    for (const role of NODES) network.nodes[role].child.kill('SIGHUP');
    const all = () => NODES.every((role, i) => linesOf(network.nodes[role].log, event).length > before[i]!);
    t.true(await until(all), `${event}: ${network.nodes.dealer.log.join('\n')}`);
  };
  const right = readFileSync(access, 'utf8');
  writeFileSync(access, right.replace('"runs": 1', '"runs": "one"'));
  await again('not reloaded');
  t.regex(String(linesOf(network.nodes.dealer.log, 'not reloaded')[0]!.why), /access\.json .*publishers\[0\]\.runs/);
  t.deepEqual([first.dead, second.dead, publisher.dead], [undefined, undefined, undefined]);

  writeFileSync(access, right);
  deny(access, { publisher: 'acme', subject: 'anna' });
  await again('reloaded');
  t.true(await until(() => first.dead !== undefined));
  t.regex(first.dead!.message, /has denied the grant/);
  t.deepEqual([second.dead, publisher.dead], [undefined, undefined]);
  await t.throwsAsync(of(anna, 'anna'), { code: 'GRANT_REFUSED', message: /has denied/ });

  writeFileSync(access, JSON.stringify({ publishers: [] }));
  await again('reloaded');
  t.true(await until(() => second.dead !== undefined && publisher.dead !== undefined));
  await t.throwsAsync(of(bert, 'bert'), { code: 'GRANT_REFUSED', message: /nobody who may publish/ });
  for (const role of NODES) t.is(network.nodes[role].child.exitCode, null);

  // Another key for a node ends its links; the file is then wrong at that node itself
  const file = JSON.parse(readFileSync(network.file, 'utf8'));
  file.party1.key = publicKeyText(anna.public);
  writeFileSync(network.file, JSON.stringify(file));
  for (const role of NODES) network.nodes[role].child.kill('SIGHUP');
  const left = () => linesOf(network.nodes.dealer.log, 'left').some(({ node }) => node === 'party 1');
  t.true(await until(left));
  t.true(await until(() => linesOf(network.nodes.party1.log, 'not reloaded').length > 1));
});

test('without owner sessions the clients’ token lets nobody in', async (t) => {
  const network = await start(t, 'strict', false, ['--no-owner-sessions']);
  await t.throwsAsync(connect(t, network, { token: tokenFrom(network.token) }), {
    code: 'NOT_AUTHENTICATED',
    message: /takes no token of clients/,
  });
  await connect(t, network, { key: network.acme.secret, nodes: network.keys });
});
