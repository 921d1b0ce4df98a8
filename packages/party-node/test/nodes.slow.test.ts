import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { NodeError, Session, tokenFrom } from '../src/index.js';
import { checkUrl, dialSocket, type LocalNodes, serve, startLocalNodes } from '../src/node.js';
import { handshake, nodeName } from '../src/wire/handshake.js';
import { refusals } from './commands.js';

const roles = ['party0', 'party1', 'dealer'] as const;

const connect = (nodes: LocalNodes) =>
  Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));

/**
 * Softmaxes one after another: seconds of rounds on large rows with the fastest kernels too, so that a kill lands in
 * the middle.
 */
const LONG = 24;
const long: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [256, 512] },
    ...Array.from({ length: LONG }, (_, i): Graph['nodes'][number] => ({ op: 'softmax', in: [i], shape: [256, 512] })),
  ],
  outputs: [LONG],
};
const short: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2] },
    { op: 'gelu', form: 'erf', in: [0], shape: [2] },
  ],
  outputs: [1],
};

async function shortRun(nodes: LocalNodes): Promise<Float32Array> {
  const s = await connect(nodes);
  await s.write(1, Float32Array.of(1, -1), [2]);
  const { outputs } = await s.run({ graph: short, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
  s.close();
  return outputs[0]!;
}

test.serial('three processes over WebSockets: a run, then kill −9 of each node in the middle of one', async (t) => {
  t.timeout(180_000);
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  const [y] = await shortRun(nodes);
  t.true(Math.abs(y! - 0.8413447) < 1e-4);

  for (const victim of roles) {
    const others = roles.filter((r) => r !== victim);
    const pids = others.map((r) => nodes.processes[r].pid);
    const s = await connect(nodes);
    await s.write(1, new Float32Array(256 * 512).fill(1), [256, 512]);
    const running = s.run({ graph: long, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' });
    running.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 600));
    const killed = performance.now();
    nodes.processes[victim].kill('SIGKILL');
    const error = await t.throwsAsync<NodeError>(running, { instanceOf: NodeError });
    t.is(error!.node, nodeName[victim]);
    t.true(performance.now() - killed < 15_000);
    s.close();

    await nodes.restart(victim);
    const [again] = await shortRun(nodes);
    t.true(Math.abs(again! - 0.8413447) < 1e-4, `a run after ${victim} came back`);
    t.deepEqual(
      others.map((r) => nodes.processes[r].pid),
      pids,
      'the other two are the same processes',
    );
    t.true(others.every((r) => nodes.processes[r].exitCode === null));
  }
});

test('a node that is told something wrong does not start: one line that says what to do, exit 2', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(folder, name), text, { mode });
    return join(folder, name);
  };
  const fresh = () => randomBytes(32).toString('base64');
  const [client, node] = [file('client', fresh()), file('node', fresh())];
  const listen = ['--listen', '127.0.0.1:0'];
  const files = ['--node-token-file', node, '--client-token-file', client];
  const party0 = ['party', '--index', '0', ...listen, '--client-token-file', client];
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  t.teardown(() => busy.close());
  const cases = [
    [['dealer', ...listen], /client-token-file/],
    [['dealer', ...listen, '--client-token-file', client], /--party0-token-file/],
    [[...party0, '--dealer', 'ws://127.0.0.1:1', '--dealer-token-file', node], /--peer-token-file/],
    [
      ['dealer', ...listen, '--node-token-file', '/no/such', '--client-token-file', client],
      /cannot read the token file \/no\/such/,
    ],
    [
      ['dealer', ...listen, '--node-token-file', client, '--client-token-file', client],
      /hold the same token.*party-node token FILE/,
    ],
    [
      ['dealer', ...listen, '--party0-token-file', node, '--party1-token-file', node, '--client-token-file', client],
      /hold the same token/,
    ],
    [
      ['dealer', ...listen, '--node-token-file', file('short', 'sixteen letters.'), '--client-token-file', client],
      /32 random bytes/,
    ],
    [
      ['dealer', ...listen, '--node-token-file', file('open', fresh(), 0o644), '--client-token-file', client],
      /chmod 600/,
    ],
    [['dealer', ...listen, ...files, '--tls-cert', node], /belong together/],
    [['dealer', ...listen, ...files, '--memory', '2M'], /at least 1G/],
    [['dealer', '--listen', '0.0.0.0:0', ...files], /loopback only/],
    [['dealer', '--listen', 'nowhere', ...files], /HOST:PORT/],
    [
      ['dealer', '--listen', `127.0.0.1:${(busy.address() as AddressInfo).port}`, ...files],
      /cannot listen on 127.0.0.1:\d+ \(.*EADDRINUSE/,
    ],
    [['party', '--index', '2', ...listen, '--dealer', 'ws://127.0.0.1:1', ...files], /choices|choose/i],
    [['party', '--index', '1', ...listen, '--dealer', 'ws://127.0.0.1:1', ...files], /--peer/],
    [['party', '--index', '0', ...listen, '--dealer', 'ws://198.51.100.1:1', ...files], /wss/],
    [
      ['party', '--index', '0', ...listen, '--dealer', 'wss://198.51.100.1:1', ...files],
      /for three nodes on one machine/,
    ],
  ] as const;
  refusals(cases.map(([args]) => args)).forEach(({ status, said }, i) => {
    const [args, message] = cases[i]!;
    t.is(status, 2, `${args.join(' ')}: ${said}`);
    t.regex(said, message);
    t.is(said.trim().split('\n').length, 1, said);
  });
});

const openssl = spawnSync('openssl', ['version']).status === 0;

(openssl ? test : test.skip)('with a certificate a node speaks wss, and only to who trusts it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  const file = (name: string) => join(folder, name);
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    file('key'),
    '-out',
    file('cert'),
    '-days',
    '1',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ]);
  t.is(made.status, 0, String(made.stderr));
  const token = randomBytes(32).toString('base64');
  writeFileSync(file('client'), token, { mode: 0o600 });
  for (const name of ['party0', 'party1']) writeFileSync(file(name), randomBytes(32).toString('hex'), { mode: 0o600 });
  chmodSync(file('key'), 0o600);
  const node = await serve({
    role: 'dealer',
    host: '127.0.0.1',
    port: 0,
    pairTokenFiles: { party0: file('party0'), party1: file('party1') },
    clientTokenFile: file('client'),
    dials: {},
    tlsCert: file('cert'),
    tlsKey: file('key'),
    log: () => {},
  });
  t.teardown(async () => {
    await node.stop();
    rmSync(folder, { recursive: true });
  });
  const url = `wss://127.0.0.1:${node.port}`;
  await t.throwsAsync(dialSocket(url, 'dealer'), { code: 'UNREACHABLE' });
  const link = await dialSocket(url, 'dealer', readFileSync(file('cert'), 'utf8'));
  const peer = await handshake(link, {
    mine: 'client',
    process: '00'.repeat(16),
    tokens: { client: tokenFrom(token) },
    side: 'dial',
    expect: 'dealer',
  });
  t.is(peer.role, 'dealer');
  peer.link.close('done');
});

test('plain WebSockets are for loopback alone', (t) => {
  t.throws(() => checkUrl('ws://example.org:1', 'dealer'), { code: 'BAD_CONFIGURATION' });
  t.throws(() => checkUrl('nonsense', 'dealer'), { code: 'BAD_CONFIGURATION' });
  t.throws(() => checkUrl('http://127.0.0.1:1', 'dealer'), {
    code: 'BAD_CONFIGURATION',
    message: /begins with http:.* expected wss:/,
  });
  t.notThrows(() => checkUrl('wss://example.org:1', 'dealer'));
  t.notThrows(() => checkUrl('ws://127.0.0.1:1', 'dealer'));
});
