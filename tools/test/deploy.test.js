// The files in deploy/ parse, say what docs/operating.md says, and give a node no more than it needs.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseDocument } from 'yaml';

const root = join(import.meta.dirname, '../..');
const read = (file) => readFileSync(join(root, file), 'utf8');
const ROLES = ['party0', 'party1', 'dealer'];

/** A YAML file without errors, warnings or keys that stand twice. */
function yaml(t, file) {
  const document = parseDocument(read(file), { strict: true, uniqueKeys: true, merge: true });
  t.deepEqual([...document.errors, ...document.warnings].map(String), [], file);
  return document.toJS();
}

/** Sections of a unit file: settings by name, each a list of the values given. */
function unit(t, file) {
  const sections = {};
  let section;
  for (const line of read(file).replaceAll('\\\n', ' ').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(\w+)\]$/.exec(line);
    const setting = /^([A-Z]\w+)=(.*)$/.exec(line);
    t.truthy(header ?? setting, `${file}: ${line}`);
    if (header) {
      sections[header[1]] ??= {};
      section = sections[header[1]];
    } else {
      section[setting[1]] ??= [];
      section[setting[1]].push(setting[2]);
    }
  }
  return sections;
}

/** Flags of a command by name; one without a value is true. */
function flagsOf(words) {
  const flags = {};
  for (let i = 0; i < words.length; i++) {
    const [, name, value] = /^(--[\w-]+)(?:=(.*))?$/.exec(words[i]) ?? [];
    if (name === undefined) continue;
    const next = words[i + 1];
    flags[name] = value ?? (next === undefined || next.startsWith('--') ? true : next);
  }
  return flags;
}
const documented = new Set(read('docs/operating.md').match(/--[a-z][a-z0-9-]+/g));

for (const role of ROLES) {
  const index = { party0: '0', party1: '1' }[role];

  test(`the unit of ${role}`, (t) => {
    const { Unit, Service, Install } = unit(t, `deploy/${role}/secformer-${role}.service`);
    t.truthy(Unit.Description);
    t.deepEqual(Install.WantedBy, ['multi-user.target']);
    const words = Service.ExecStart[0].split(/\s+/);
    t.is(words[1], role === 'dealer' ? 'dealer' : 'party');
    const flags = flagsOf(words);
    t.is(flags['--index'], index);
    for (const name of Object.keys(flags)) t.true(documented.has(name), name);
    t.regex(flags['--admin'], /^127\.0\.0\.1:/, 'no password, so for this machine alone');
    t.true(flags['--no-owner-sessions']);
    t.is(flags['--behind-tls-proxy'], undefined);
    // Shares neither in a core dump nor in swap, and nobody else reads what is written
    for (const [name, value] of Object.entries({
      User: 'secformer',
      LimitCORE: '0',
      MemorySwapMax: '0',
      UMask: '0077',
      StateDirectoryMode: '0700',
      NoNewPrivileges: 'yes',
      ProtectSystem: 'strict',
      ProtectHome: 'yes',
      CapabilityBoundingSet: '',
      KillSignal: 'SIGTERM',
    }))
      t.deepEqual(Service[name], [value], name);
    t.true(Number(Service.TimeoutStopSec[0]) > 30, 'longer than a drain');
    t.is(Service.Environment, undefined, 'no secret in the environment');
  });

  test(`the composition of ${role}, which is the unit's in a container`, (t) => {
    const { services, volumes } = yaml(t, `deploy/${role}/compose.yaml`);
    t.deepEqual(Object.keys(services), [role], 'its own node and no other operator’s');
    const service = services[role];
    const flags = flagsOf(service.command);
    const unitFlags = flagsOf(unit(t, `deploy/${role}/secformer-${role}.service`).Service.ExecStart[0].split(/\s+/));
    t.is(service.command[0], role === 'dealer' ? 'dealer' : 'party');
    t.deepEqual(Object.keys(flags).sort(), Object.keys(unitFlags).sort());
    for (const name of ['--index', '--memory', '--pool-bytes']) t.is(flags[name], unitFlags[name], name);
    // Published for the machine alone, whatever it is in the container
    const [port, admin] = service.ports;
    t.is(port, '8443:8443');
    t.regex(admin, /^127\.0\.0\.1:/);
    t.is(service.ulimits.core, 0);
    t.is(service.mem_limit, service.memswap_limit, 'no swap');
    t.true(service.read_only);
    t.deepEqual(service.cap_drop, ['ALL']);
    t.notRegex(service.user, /^0|root/);
    t.true(Number.parseInt(service.stop_grace_period, 10) > 30);
    t.is(service.environment, undefined, 'no secret in the environment');
    for (const volume of service.volumes) {
      const [from] = volume.split(':');
      t.true(from.startsWith('./') || from in volumes, volume);
    }
    t.true(existsSync(join(root, 'deploy', role, service.build.context, service.build.dockerfile)));
  });
}

test('the trial has all three, on loopback alone, with flags that the command has', (t) => {
  const { services } = yaml(t, 'deploy/all-in-one/compose.yaml');
  t.deepEqual(Object.keys(services).sort(), [...ROLES, 'tokens'].sort());
  const bin = join(root, 'packages/party-node/bin.js');
  const flagsThere = (name) =>
    new Set(
      spawnSync(process.execPath, [bin, name, '--help'], { encoding: 'utf8' }).stdout.match(/--[a-z][a-z0-9-]+/g),
    );
  const ports = new Set();
  for (const role of ROLES) {
    const { command, network_mode, user } = services[role];
    const there = flagsThere(command[0]);
    const flags = flagsOf(command);
    for (const name of Object.keys(flags)) t.true(there.has(name), `${role} ${name}`);
    for (const name of ['--listen', '--admin']) {
      t.regex(flags[name], /^127\.0\.0\.1:\d+$/);
      t.false(ports.has(flags[name]));
      ports.add(flags[name]);
    }
    t.is(network_mode, 'host');
    t.is(user, '10001:10001');
  }
  const { party0, party1 } = services;
  const address = (role) => `ws://${flagsOf(services[role].command)['--listen']}`;
  t.is(flagsOf(party0.command)['--dealer'], address('dealer'));
  t.is(flagsOf(party1.command)['--dealer'], address('dealer'));
  t.is(flagsOf(party1.command)['--peer'], address('party0'));
});

test('what the Dockerfile copies is there, and it runs as nobody', (t) => {
  const lines = read('deploy/Dockerfile').split('\n');
  const copied = lines.flatMap((line) => [...line.matchAll(/^COPY --from=build \/app\/(\S+)/g)].map((m) => m[1]));
  t.true(copied.length > 0);
  for (const path of copied) t.true(existsSync(join(root, path)), path);
  t.deepEqual(
    lines.filter((line) => line.startsWith('USER ')),
    ['USER 10001:10001'],
  );
});

test('the probe of a container is the admin port’s answer', (t) => {
  // Nobody listens there
  const probe = spawnSync(process.execPath, [join(root, 'deploy/healthy.js'), 'http://127.0.0.1:1']);
  t.is(probe.status, 1);
});
