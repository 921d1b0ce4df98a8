import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { Session, tokenFrom } from '../../src/index.js';
import { limits } from '../../src/limits.js';
import { dialSocket, type LocalNodes, startLocalNodes } from '../../src/node.js';
import { nodeName } from '../../src/wire/handshake.js';
import { NODES } from '../../src/wire/tokens.js';
import { type Mutated, type Recording, recorded } from './frames.js';
import { census, harm, honest, honestRun, inChild, linesOf, median, showCensus, sleep, until } from './kit.js';

/**
 * Everything that a client says, once: the commands, a run of indices, a prepared one and its end, a tensor of several
 * frames.
 */
async function record(nodes: LocalNodes): Promise<Recording> {
  const recording: Recording = { party0: [], party1: [], dealer: [] };
  const session = await Session.connect(
    async (role) => recorded(await dialSocket(nodes.urls[role], nodeName[role]), recording[role]),
    tokenFrom(nodes.token),
  );
  session.prepareAhead = false;
  await honestRun(session, 1);
  await honestRun(session, 2);
  const product: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [3] },
      { op: 'input', slot: 1, in: [], shape: [3] },
      { op: 'mul', in: [0, 1], shape: [3] },
    ],
    outputs: [2],
  };
  for (const tensor of [3, 4]) await session.write(tensor, Float32Array.of(1, 2, 3), [3]);
  const request = {
    graph: product,
    slots: [{ tensor: 3 }, { tensor: 4 }],
    revealed: [0],
    kept: [{ output: 0, tensor: 5 }],
    suite: 'exact',
  };
  await session.run({ ...request, kept: [] });
  await (await session.prepare({ ...request, kept: [] })).run();
  (await session.prepare({ ...request, kept: [] })).cancel();
  // Of two frames
  await session.write(6, new Float32Array(140_000), [140_000]);
  session.free([3, 4, 6]);
  await sleep(200);
  session.close();
  return recording;
}

/**
 * Changed frames: a hundred of each change that breaks a frame, and two thousand of each that leaves it its form.
 * FRAMES=100000 makes it a longer attack.
 */
const count = Number(process.env.FRAMES ?? 20_000);

/**
 * Proves that what a client sends after its handshake, whole or broken, ends its own link at most: the nodes live,
 * remember nothing of it, and compute right results for others meanwhile. Fails where a handler's error leaves its
 * link.
 */
test.serial('tens of thousands of changed frames of clients end no node and change no result', async (t) => {
  t.timeout(180_000);
  const nodes = await startLocalNodes();
  t.teardown(() => nodes.stop());
  const recording = await record(nodes);
  t.log(`recorded ${NODES.map((role) => `${recording[role].length} frames to ${role}`)}`);
  for (let i = 0; i < 5; i++) await honest(nodes);
  const before = census(nodes);
  const start = performance.now();
  const attack = { urls: nodes.urls, token: nodes.token, recording, count, seed: 1, atOnce: 16 };
  const a = inChild<Mutated>(new URL('./frames.js', import.meta.url).href, 'mutate', attack);
  t.teardown(a.kill);
  let over = false;
  const end = a.result.finally(() => {
    over = true;
  });
  const took: number[] = [];
  while (!over) {
    took.push((await honest(nodes)).ms);
    await sleep(20);
  }
  t.log(`${JSON.stringify(await end)} in ${((performance.now() - start) / 1000).toFixed()} s`);
  t.log(
    `${took.length} honest runs meanwhile, all right: median ${median(took).toFixed()} ms, ` +
      `slowest ${Math.max(...took).toFixed()} ms`,
  );
  t.true(took.length > 10);
  t.true((await end).answers > count / 20, 'much of it was understood and answered');
  // Runs that wait for a client which has gone are over by then
  await sleep(limits.pongMs / 5);
  t.true(await until(() => harm(before, census(nodes)).length === 0, 5_000), String(harm(before, census(nodes))));
  await honest(nodes);
  const after = census(nodes);
  t.log(`before: ${showCensus(before)}; after: ${showCensus(after)}`);
  for (const role of NODES) {
    t.deepEqual(linesOf(nodes.log(role), 'failed'), [], role);
    t.deepEqual(
      linesOf(nodes.log(role), 'left').filter(({ node }) => node !== 'client'),
      [],
      `no node lost another at ${role}`,
    );
  }
});
