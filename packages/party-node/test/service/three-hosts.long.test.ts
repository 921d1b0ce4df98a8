/** Each node, a publisher and a client on a machine of its own, as far as networks go: wss:// with pinned keys. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { allow } from '../../src/identity/access-file.js';
import { makeGrant } from '../../src/identity/grants.js';
import { writeKeyFile } from '../../src/identity/key-files.js';
import { readNetworkFile } from '../../src/identity/network-file.js';
import { publicKeyText } from '../../src/wire/keys.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, until } from '../attacks/kit.js';
import { makeNamespaces } from './namespaces.js';

const bin = fileURLToPath(new URL('../../../bin.js', import.meta.url));
const client = fileURLToPath(new URL('./host-client.js', import.meta.url));
const BAR = 2 ** -12;
/** What a loaded machine may take. */
const PATIENCE_MS = 60_000;
const PORT = 8443;
/** No namespace has it, nor a way there. */
const NOWHERE = `wss://10.213.8.1:${PORT}`;

const openssl = spawnSync('openssl', ['version']).status === 0;
const hosts = openssl ? makeNamespaces([...NODES, 'client'], ['island']) : 'there is no openssl for certificates';
const folder = mkdtempSync(join(tmpdir(), 'hosts-'));
const path = (...names: string[]) => join(folder, ...names);
const children: ChildProcess[] = [];
test.after.always(async () => {
  for (const child of children) child.kill('SIGKILL');
  if (typeof hosts !== 'string') await hosts.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** A certificate that no authority has signed. */
function certificate(role: NodeRole, address: string): string[] {
  const [cert, key] = [path(`${role}.pem`), path(`${role}.key`)];
  const names = ['-subj', `/CN=${role}`, '-addext', `subjectAltName=IP:${address}`];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  spawnSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '1', ...names]);
  chmodSync(key, 0o600);
  return ['--tls-cert', cert, '--tls-key', key];
}

/** Runs Node at a host. @returns what it says on standard output, and its exit */
async function at(prefix: string[], ...args: string[]): Promise<{ status: number; out: string }> {
  const [program, ...before] = prefix;
  const child = spawn(program!, [...before, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  let out = '';
  child.stdout.on('data', (part) => {
    out += part;
  });
  const [status] = await once(child, 'close');
  return { status, out };
}

test('three nodes, a publisher and a client that have nothing but a network in common', async (t) => {
  t.timeout(5 * PATIENCE_MS);
  if (typeof hosts === 'string') {
    t.log(`not run: ${hosts}`);
    return t.pass();
  }
  const { address } = hosts;
  const file: Record<string, { url: string; key: string }> = {};
  for (const role of NODES) {
    mkdirSync(path(role), { mode: 0o700 });
    const { public: key } = writeKeyFile(path(role, 'key'));
    file[role] = { url: `wss://${address[role]}:${PORT}`, key: publicKeyText(key) };
  }
  const [network, access] = [path('network.json'), path('access.json')];
  writeFileSync(network, JSON.stringify(file), { mode: 0o644 });
  const [acme, anna] = [writeKeyFile(path('acme.key')), writeKeyFile(path('anna.key'))];
  allow(access, { name: 'acme', key: acme.public, limits: { models: 2, bytes: 2 ** 30, runs: 4 } });
  const request = { subject: 'anna', model: 'small', client: anna.public, validSeconds: 600 };
  writeFileSync(path('grant'), (await makeGrant(acme, readNetworkFile(network).id, request)).text);

  const logs = {} as Record<NodeRole, string[]>;
  const flags = {} as Record<NodeRole, string[]>;
  for (const role of NODES) {
    const tls = certificate(role, address[role]!);
    const what = role === 'dealer' ? ['dealer'] : ['party', '--index', role.slice(-1)];
    const files = ['--peers', network, '--access', access, '--data-dir', path(role)];
    flags[role] = [...what, ...files, ...tls, '--no-owner-sessions', '--memory', '1G', '--threads', '1'];
    const listen = ['--listen', `${address[role]}:${PORT}`];
    const [program, ...before] = hosts.at(role);
    const child = spawn(program!, [...before, process.execPath, bin, ...flags[role], ...listen], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    const log: string[] = [];
    logs[role] = log;
    createInterface(child.stderr).on('line', (line) => log.push(line));
  }
  const said = () => NODES.flatMap((role) => logs[role]).join('\n');
  const ready = () => NODES.every((role) => linesOf(logs[role], 'ready').length > 0);
  t.true(await until(ready, PATIENCE_MS), said());
  for (const role of NODES) t.is(linesOf(logs[role], 'listening')[0]!.address, file[role]!.url);
  // There is no such address on the machine itself
  t.true(NODES.every((role) => existsSync(path(role, 'address'))));

  const asked = ['ask', network, path('anna.key'), path('grant')];
  const published = await at(hosts.at('client'), client, 'publish', network, path('acme.key'));
  t.deepEqual(JSON.parse(published.out), { published: 'small@1' }, said());
  const answered = await at(hosts.at('client'), client, ...asked);
  t.true(JSON.parse(answered.out).off < BAR, answered.out);

  // Nothing leads from an island to a node
  const lost = JSON.parse((await at(hosts.at('island'), client, ...asked)).out);
  t.is(lost.code, 'UNREACHABLE');
  t.regex(lost.message, /no connection to wss:\/\/10\.213\.7\.\d:8443 \(its network cannot be reached from here/);

  // Nor from a party to where its flags say that the dealer is
  const look = ['check', ...flags.party0, '--listen', `${address.party0}:0`, '--dealer', NOWHERE];
  const looked = await at(hosts.at('party0'), bin, ...look);
  t.is(looked.status, 1, looked.out);
  t.regex(looked.out, /^WRONG dealer .*no connection to wss:\/\/10\.213\.8\.1:8443 \(its network cannot be reached/m);

  // The dealer's cable is pulled, and plugged in again
  const before = NODES.map((role) => linesOf(logs[role], 'ready').length);
  hosts.cable('dealer', false);
  const gone = (role: NodeRole) => linesOf(logs[role], 'left').some(({ node }) => node === 'dealer');
  t.true(await until(() => gone('party0') && gone('party1'), PATIENCE_MS), said());
  hosts.cable('dealer', true);
  const back = () => NODES.every((role, i) => linesOf(logs[role], 'ready').length > before[i]!);
  t.true(await until(back, PATIENCE_MS), said());
  const again = await at(hosts.at('client'), client, ...asked);
  t.true(JSON.parse(again.out).off < BAR, again.out);
  // Neither grant nor value of anybody
  t.false(said().includes('eyJ'));
});
