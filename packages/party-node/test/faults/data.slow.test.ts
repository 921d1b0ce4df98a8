/**
 * Data connections between node processes: that rounds and corrections take them, what becomes of a run where one is
 * cut, stalled or changed, and that WebSockets do where there is none.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { frameChannel } from '@secformer/ring';
import test from 'ava';
import { limits } from '../../src/limits.js';
import { NODES, type NodeRole } from '../../src/wire/tokens.js';
import { linesOf, sleep, targetOf, until } from '../attacks/kit.js';
import { type LinkName, openssl, type ProxiedNodes, startProxiedNodes } from './nodes.js';
import { ownerSession } from './owner.js';
import type { Fault, Script } from './script.js';
import { passed, told, trial } from './trial.js';

const native = frameChannel() ? test : test.skip;
/** Links that have a data connection, by who dials and who is dialled. */
const WITH_DATA = ['party1–party0', 'party1–dealer'] as const satisfies LinkName[];

const hasData = (nodes: ProxiedNodes) =>
  until(() => WITH_DATA.every((link) => nodes.proxies[link].dataConnections === 1) && linesAll(nodes) >= 4, 30_000);
/** Each of two links is said at both of its ends. */
const linesAll = ({ nodes }: ProxiedNodes) =>
  NODES.reduce((n, role) => n + linesOf(nodes[role].log, 'data').filter(({ open }) => open).length, 0);

/** How often a node has given up a link for its data connection. */
const lost = ({ nodes }: ProxiedNodes) =>
  NODES.reduce(
    (n, role) =>
      n + linesOf(nodes[role].log, 'left').filter(({ why }) => /data connection was lost/.test(String(why))).length,
    0,
  );

const up = (kind: Fault): Script => [{ after: { frames: 2 }, direction: 'up', do: kind }];
const down = (kind: Fault): Script => [{ after: { frames: 0 }, direction: 'down', do: kind }];

for (const tls of [false, true])
  (tls && !openssl ? test.skip : native)(
    `a data connection that is changed, cut or stalled${tls ? ', of nodes behind TLS' : ''}`,
    async (t) => {
      t.timeout(240_000);
      const nodes = await startProxiedNodes(tls);
      t.teardown(() => nodes.stop());
      t.true(await nodes.ready());
      t.true(await hasData(nodes), 'data connections are there');
      await ownerSession(nodes.connect);

      const faults: [LinkName, Script][] = [
        ['party1–party0', up({ kind: 'flip', at: 0.5, bit: 3 })],
        ['party1–party0', down({ kind: 'repeat' })],
        ['party1–party0', up({ kind: 'reorder' })],
        ['party1–dealer', down({ kind: 'drop' })],
        ['party1–party0', down({ kind: 'cut', reset: true })],
        ['party1–dealer', down({ kind: 'halfClose' })],
        ['party1–party0', up({ kind: 'split', bytes: 7, frames: 5 })],
        ['party1–party0', up({ kind: 'stall', ms: 2 ** 31 - 1, pings: true })],
      ];
      for (const [seed, [link, script]] of faults.entries()) {
        nodes.proxies[link].onlyData = true;
        const before = lost(nodes);
        const result = await trial(nodes, seed, () => ownerSession(nodes.connect), { link, script });
        t.true(passed(result), told(result));
        t.is(result.fired, 1, told(result));
        const { kind } = script[0]!.do;
        // The run ends, or comes again where it was not started. Where no other frame comes soon, one that was to
        // change places with it comes late
        if (kind !== 'reorder')
          t.is(
            await until(() => lost(nodes) > before, 15_000 * Number(kind !== 'split')),
            kind !== 'split',
            told(result),
          );
        nodes.proxies[link].onlyData = false;
        t.true(await until(() => nodes.proxies[link].dataConnections === 1, 30_000), 'another one is opened');
      }
      for (const role of NODES) t.is(nodes.nodes[role].child.exitCode, null, 'no node died');
    },
  );

native('who begins a data connection without a seed is let go, and others notice nothing', async (t) => {
  t.timeout(120_000);
  const nodes = await startProxiedNodes(false);
  t.teardown(() => nodes.stop());
  t.true(await nodes.ready());
  t.true(await hasData(nodes));
  const { host, port } = targetOf(nodes.nodes.party0.url);
  const magic = Buffer.from([0, ...Buffer.from('SFDATA'), 1]);
  const tries: Record<string, Buffer> = {
    'an id of no link': Buffer.concat([magic, randomBytes(48)]),
    'half of one': Buffer.concat([magic, randomBytes(20)]),
    'more than one': Buffer.concat([magic, randomBytes(4000)]),
    'a zero': Buffer.alloc(1),
  };
  for (const [what, bytes] of Object.entries(tries)) {
    const socket = connect({ host, port });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let answer = 0;
    socket.on('data', (chunk) => {
      answer += chunk.length;
    });
    socket.write(bytes);
    await closed;
    t.is(answer, 0, `${what} gets no answer`);
  }
  await ownerSession(nodes.connect);
  t.is(nodes.proxies['party1–party0'].dataConnections, 1);
  t.is(linesAll(nodes), 4, 'no other was opened');
});

native('where only WebSockets pass, they do', async (t) => {
  t.timeout(120_000);
  const nodes = await startProxiedNodes(false);
  t.teardown(() => nodes.stop());
  for (const link of WITH_DATA) nodes.proxies[link].refuseData = true;
  t.true(await nodes.ready());
  await ownerSession(nodes.connect);
  await sleep(limits.handshakeMs);
  await ownerSession(nodes.connect);
  t.is(linesAll(nodes), 0);
  for (const role of NODES as readonly NodeRole[]) t.is(nodes.nodes[role].child.exitCode, null, 'no node died');
});
