/** Three nodes as processes, watched and stopped as their operators would. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import type { NodeError } from '../../src/index.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { connect, honestRun, linesOf, type OneNode, secretFiles, startNode, until } from '../attacks/kit.js';

const bin = fileURLToPath(new URL('../../../bin.js', import.meta.url));

/** Elements of a run that takes long enough to be met while it is under way. */
const LARGE = 400_000;
const gelu: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [LARGE] },
    { op: 'gelu', form: 'erf', in: [0], shape: [LARGE] },
  ],
  outputs: [1],
};

async function operated(t: { teardown(f: () => void): void }) {
  const texts = { node: randomBytes(32).toString('base64'), client: randomBytes(32).toString('base64') };
  const { path, remove } = secretFiles(texts);
  t.teardown(remove);
  const folder = join(path.node, '..');
  const started = {} as Record<NodeRole, OneNode & { admin: string; runLog: string }>;
  const tokens = ['--node-token-file', path.node, '--client-token-file', path.client];
  const start = async (role: NodeRole, ...flags: string[]) => {
    const runLog = join(folder, `${role}.runs`);
    const node = await startNode(...flags, ...tokens, '--admin', '127.0.0.1:0', '--run-log', runLog);
    t.teardown(() => void node.child.kill('SIGKILL'));
    const admin = String(linesOf(node.log, 'listening')[0]!.admin);
    started[role] = { ...node, admin, runLog };
  };
  await start('dealer', 'dealer');
  await start('party0', 'party', '--index', '0', '--dealer', started.dealer.url);
  await start('party1', 'party', '--index', '1', '--dealer', started.dealer.url, '--peer', started.party0.url);
  const urls = Object.fromEntries(NODES.map((role) => [role, started[role].url])) as Record<NodeRole, string>;
  const look = (...flags: string[]) => {
    const all = ['check', ...flags, ...tokens, '--listen', '127.0.0.1:0'];
    return spawnSync(process.execPath, [bin, ...all], { encoding: 'utf8' });
  };
  return { ...started, look, texts, client: { urls, token: texts.client } };
}
const read = async (admin: string, path: string) => {
  const response = await fetch(admin + path);
  return { status: response.status, text: await response.text() };
};

test.serial('what an operator reads of a node that has worked, and that there is no secret in any of it', async (t) => {
  t.timeout(60_000);
  const nodes = await operated(t);
  for (const role of NODES)
    t.true(await until(() => linesOf(nodes[role].log, 'ready').length > 0), `${role} has both others`);
  const session = await connect(nodes.client);
  for (let run = 1; run <= 4; run++) await honestRun(session, run);
  await t.throwsAsync(connect({ ...nodes.client, token: 'another' }), { code: 'NOT_AUTHENTICATED' });
  t.true(await until(() => NODES.every((role) => linesOf(nodes[role].log, 'run').length === 4)));
  for (const role of NODES) {
    const { admin, runLog, log } = nodes[role];
    const health = await read(admin, '/healthz');
    t.is(health.status, 200, health.text);
    t.deepEqual(await read(admin, '/readyz'), { status: 200, text: '{"ready":true}\n' });
    const { text } = await read(admin, '/metrics');
    t.regex(text, /^secformer_runs_total\{model="",outcome="OK"\} 4$/m);
    t.regex(text, /^secformer_refused_total\{code="NOT_AUTHENTICATED",rule="connection"\} [1-9]/m);
    t.regex(text, /^secformer_client_connections 1$/m);
    t.is([...text.matchAll(/^secformer_link_up\{.*\} 1$/gm)].length, 2);
    t.regex(text, /^secformer_link_bytes_total\{node="client",direction="received"\} [1-9]\d+$/m);
    const lines = readFileSync(runLog, 'utf8').trimEnd().split('\n');
    t.is(lines.length, 4);
    t.is(statSync(runLog).mode & 0o777, 0o600);
    // What is there to be read: nothing of it holds a secret, nor anything as long as one but hashes of Programs and
    // lines
    const programs = new Set(lines.map((line) => JSON.parse(line).program as string));
    t.is(programs.size, 1);
    const pages = [health.text, text, (await read(admin, '/readyz')).text, (await read(admin, '/')).text];
    const written = [...pages, ...log, ...lines.map((line) => line.replace(/"(program|before)":"\w{64}"/g, ''))].join(
      '\n',
    );
    for (const secret of Object.values(nodes.texts))
      t.false(written.includes(secret) || written.includes(Buffer.from(secret, 'base64').toString('hex')));
    t.notRegex(written, /[0-9a-f]{64}|[\w+/-]{43}/);
  }

  // Rotation as logrotate does it
  const { runLog, child, log } = nodes.party1;
  renameSync(runLog, `${runLog}.1`);
  child.kill('SIGHUP');
  await honestRun(session, 5);
  t.true(await until(() => linesOf(log, 'run').length === 5));
  session.close();
  const verified = spawnSync(process.execPath, [bin, 'verify-log', `${runLog}.1`, runLog], { encoding: 'utf8' });
  t.is(verified.status, 0, verified.stdout + verified.stderr);
  t.regex(verified.stdout, /4 lines follow one another; .*\n.*: 2 lines follow one another; /);
  const alone = spawnSync(process.execPath, [bin, 'verify-log', runLog, `${runLog}.1`], { encoding: 'utf8' });
  t.is(alone.status, 1, alone.stdout);
});

test.serial('a network is looked at from one of its nodes', async (t) => {
  t.timeout(60_000);
  const { look, party1, party0, dealer } = await operated(t);
  t.true(await until(() => linesOf(party1.log, 'ready').length > 0));
  const dials = ['party', '--index', '1', '--dealer', dealer.url, '--peer', party0.url];
  const well = look(...dials, '--admin', new URL(party1.admin).host);
  t.is(well.status, 0, well.stdout + well.stderr);
  t.is(well.stdout.match(/^well {2}(party 0|dealer) is at ws:.*, knows party 1, and is connected to it$/gm)?.length, 2);
  t.is(well.stdout.match(/^well {2}(party 0|dealer) its clock agrees/gm)?.length, 2);
  t.regex(well.stdout, /^well {2}party 1 runs release .*\nwell {2}party 1 is ready$/m);
  // The one who looked has cut nobody off
  t.is(linesOf(party1.log, 'left').length, 0);
  const swapped = look('party', '--index', '1', '--dealer', party0.url, '--peer', 'ws://127.0.0.1:1');
  t.is(swapped.status, 1);
  t.regex(swapped.stdout, /^WRONG dealer expected dealer .*found party0/m);
  t.regex(swapped.stdout, /^WRONG party 0 no connection to .*is it running/m);
  party1.child.kill('SIGTERM');
  await once(party1.child, 'exit');
  const alone = look(...dials);
  t.is(alone.status, 0, alone.stdout + alone.stderr);
  t.is(
    alone.stdout.match(/each of the two has shown the other who it is; party 1 is not connected there$/gm)?.length,
    2,
  );
});

test.serial('SIGTERM: runs under way end, nobody is let in, exit 0', async (t) => {
  t.timeout(60_000);
  const nodes = await operated(t);
  const session = await connect(nodes.client);
  await honestRun(session, 1);
  await session.write(2, new Float32Array(LARGE).fill(1), [LARGE]);
  const running = session.run({ graph: gelu, slots: [{ tensor: 2 }], revealed: [0], kept: [], suite: 'exact' });
  const underWay = async () =>
    /^secformer_runs\{state="under way"\} 1$/m.test((await read(nodes.party0.admin, '/metrics')).text);
  while (!(await underWay())) t.is(linesOf(nodes.party0.log, 'run').length, 1, 'it is not over yet');
  nodes.party0.child.kill('SIGTERM');
  const exited = once(nodes.party0.child, 'exit');
  t.true(await until(() => linesOf(nodes.party0.log, 'draining').length === 1));
  t.is(linesOf(nodes.party0.log, 'run').length, 1, 'it is under way');
  t.is((await read(nodes.party0.admin, '/readyz')).status, 503);
  // It is told BUSY, tries again as it was told to, and finds nobody
  const late = t.throwsAsync<NodeError>(connect(nodes.client));
  t.true(await until(() => linesOf(nodes.party0.log, 'refused').some(({ code }) => code === 'BUSY')));
  const { outputs } = await running;
  t.true(outputs[0]!.every((y) => Math.abs(y - 0.8413447) < 1e-4));
  t.deepEqual(await exited, [0, null]);
  t.deepEqual(
    linesOf(nodes.party0.log, 'stopped').map(({ ended }) => ended),
    [true],
  );
  t.true(await until(() => linesOf(nodes.dealer.log, 'left').some(({ node }) => node === 'party 0')));
  t.is((await late)?.code, 'UNREACHABLE');
  const { status, text } = await read(nodes.dealer.admin, '/readyz');
  t.is(status, 503);
  t.deepEqual(JSON.parse(text).missing, ['party 0 is not connected']);
  session.close();
  nodes.dealer.child.kill('SIGINT');
  t.deepEqual(await once(nodes.dealer.child, 'exit'), [0, null]);
});
