/** Many clients, and slow ones, at three processes. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type RunRequest, Session, tokenFrom } from '../src/index.js';
import { dialSocket, type LocalNodes, startLocalNodes } from '../src/node.js';
import { nodeName } from '../src/wire/handshake.js';

let nodes: LocalNodes;
test.before(async () => {
  nodes = await startLocalNodes();
});
test.after.always(() => nodes.stop());
const connect = () => Session.connect((role) => dialSocket(nodes.urls[role], nodeName[role]), tokenFrom(nodes.token));

/** A short run, so that all have their turn in the time that a client goes on trying, on a busy machine too. */
const wide: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [8, 128] },
    { op: 'gelu', form: 'erf', in: [0], shape: [8, 128] },
    { op: 'softmax', in: [1], shape: [8, 128] },
  ],
  outputs: [2],
};

test.serial('sixty sessions at once are all served, without a word of who had to wait', async (t) => {
  t.timeout(120_000);
  const request: RunRequest = { graph: wide, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };
  const start = performance.now();
  const sessions: Session[] = [];
  // Not all handshakes at once: they are this one process's to compute, within the time that a node gives a stranger
  for (let i = 0; i < 6; i++) sessions.push(...(await Promise.all(Array.from({ length: 10 }, connect))));
  const served = await Promise.allSettled(
    sessions.map(async (s) => {
      await s.write(1, new Float32Array(8 * 128).fill(1), [8, 128]);
      for (let run = 0; run < 2; run++) {
        const { outputs } = await s.run(request);
        if (!outputs[0]!.every((v) => Math.abs(v - 1 / 128) < 1e-3)) throw new Error('a wrong result');
      }
      s.close();
    }),
  );
  t.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  t.deepEqual(
    served.filter((s) => s.status === 'rejected').map((s) => String((s as PromiseRejectedResult).reason)),
    [],
  );
});

test.serial('a client that slept for twenty seconds finds its session', async (t) => {
  t.timeout(60_000);
  const child = fork(
    fileURLToPath(new URL('./sleeper.js', import.meta.url)),
    [JSON.stringify({ urls: nodes.urls, token: nodes.token })],
    { stdio: 'inherit' },
  );
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'message');
  const run = async () => {
    child.send('run');
    return (await once(child, 'message'))[0];
  };
  t.deepEqual(await run(), { values: [9, 4] });
  child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  child.kill('SIGCONT');
  t.deepEqual(await run(), { values: [9, 4] });
});
