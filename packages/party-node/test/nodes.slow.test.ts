import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { NodeError, type NodeName, Session, tokenFrom } from '../src/index.js';
import { checkUrl, dialSocket, type LocalNodes, serve, startLocalNodes } from '../src/node.js';
import { handshake } from '../src/wire/handshake.js';

const names: Record<'party0' | 'party1' | 'dealer', NodeName> = { party0: 'party 0', party1: 'party 1', dealer: 'dealer' };
const roles = ['party0', 'party1', 'dealer'] as const;

const connect = (nodes: LocalNodes) => Session.connect((role) => dialSocket(nodes.urls[role], names[role]), tokenFrom(nodes.token));

/** Softmaxes one after another: seconds of rounds on large rows with the fastest kernels too, so that a kill lands in the middle. */
const LONG = 24;
const long: Graph = {
  nodes: [{ op: 'input', slot: 0, in: [], shape: [256, 512] }, ...Array.from({ length: LONG }, (_, i): Graph['nodes'][number] => ({ op: 'softmax', in: [i], shape: [256, 512] }))],
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
    t.is(error!.node, names[victim]);
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

test.serial('a client with the wrong token is refused', async (t) => {
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  await t.throwsAsync(connect({ ...nodes, token: 'not the token of these nodes' }), { instanceOf: NodeError });
});

const bin = fileURLToPath(new URL('../../bin.js', import.meta.url));
const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8', timeout: 20_000 });

test('a node without tokens, with a missing file or off loopback without a certificate does not start: one line, exit 2', (t) => {
  const files = ['--node-token-file', bin, '--client-token-file', bin];
  for (const [args, message] of [
    [['dealer', '--listen', '127.0.0.1:0'], /node-token-file/],
    [['dealer', '--listen', '127.0.0.1:0', '--node-token-file', '/no/such', '--client-token-file', bin], /cannot read the token file \/no\/such/],
    [['dealer', '--listen', '0.0.0.0:0', ...files], /loopback only/],
    [['dealer', '--listen', 'nowhere', ...files], /HOST:PORT/],
    [['party', '--index', '2', '--listen', '127.0.0.1:0', '--dealer', 'ws://127.0.0.1:1', ...files], /choices|choose/i],
    [['party', '--index', '1', '--listen', '127.0.0.1:0', '--dealer', 'ws://127.0.0.1:1', ...files], /--peer/],
    [['party', '--index', '0', '--listen', '127.0.0.1:0', '--dealer', 'ws://198.51.100.1:1', ...files], /wss/],
  ] as const) {
    const { status, stderr } = run(...args);
    t.is(status, 2, args.join(' '));
    t.regex(stderr, message);
    t.is(stderr.trim().split('\n').length, 1, stderr);
  }
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
  writeFileSync(file('token'), 'a token of more than sixteen characters');
  const node = await serve({
    role: 'dealer',
    host: '127.0.0.1',
    port: 0,
    nodeTokenFile: file('token'),
    clientTokenFile: file('token'),
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
  const peer = await handshake(link, 'client', { client: tokenFrom('a token of more than sixteen characters') }, 'dial', 'dealer');
  t.is(peer.role, 'dealer');
  peer.link.close('done');
});

test('plain WebSockets are for loopback alone', (t) => {
  t.throws(() => checkUrl('ws://example.org:1', 'dealer'), { code: 'BAD_CONFIGURATION' });
  t.throws(() => checkUrl('nonsense', 'dealer'), { code: 'BAD_CONFIGURATION' });
  t.notThrows(() => checkUrl('wss://example.org:1', 'dealer'));
  t.notThrows(() => checkUrl('ws://127.0.0.1:1', 'dealer'));
});
