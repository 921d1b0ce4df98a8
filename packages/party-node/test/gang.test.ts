/** Independent runs of one Program at the same time, as of different clients: nothing of one depends on another. */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { type RunRequest, Session } from '../src/index.js';
import { startTrio } from '../src/node.js';

const [CLIENTS, ROWS, WIDTH, LAYERS] = [16, 8, 64, 6];

/** Softmaxes one after another: rounds enough that a client leaves in the middle of them. */
const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [ROWS, WIDTH] },
    ...Array.from({ length: LAYERS }, (_, i): Graph['nodes'][number] => ({
      op: 'softmax',
      in: [i],
      shape: [ROWS, WIDTH],
    })),
  ],
  outputs: [LAYERS],
};
const request: RunRequest = { graph, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };

function plainly(x: Float32Array): Float64Array {
  let y = Float64Array.from(x);
  for (let layer = 0; layer < LAYERS; layer++) {
    const next = new Float64Array(y.length);
    for (let at = 0; at < y.length; at += WIDTH) {
      const e = y.slice(at, at + WIDTH).map((v) => Math.exp(v));
      const sum = e.reduce((a, b) => a + b);
      next.set(
        e.map((v) => v / sum),
        at,
      );
    }
    y = next;
  }
  return y;
}

test('one of sixteen is aborted and another’s client goes away: the others finish, and right', async (t) => {
  t.timeout(120_000);
  const trio = startTrio();
  t.teardown(() => trio.stop());
  const inputs = Array.from({ length: CLIENTS }, (_, c) =>
    Float32Array.from({ length: ROWS * WIDTH }, (_, i) => (((c + 3) * i) % 23) / 4 - 2),
  );
  const sessions = await Promise.all(inputs.map(() => Session.connect(trio.dial, trio.token)));
  await Promise.all(
    sessions.map(async (s, c) => {
      s.prepareAhead = false;
      await s.write(1, inputs[c]!, [ROWS, WIDTH]);
    }),
  );
  const abort = new AbortController();
  const runs = sessions.map((s, c) => {
    const onProgress = () => {
      if (c === 4) abort.abort();
      if (c === 9) s.close();
    };
    return s.run(request, { onProgress, ...(c === 4 && { signal: abort.signal }) });
  });
  const ended = await Promise.allSettled(runs);
  for (const [c, end] of ended.entries()) {
    if (c === 4 || c === 9) continue;
    t.is(end.status, 'fulfilled', `client ${c}: ${(end as PromiseRejectedResult).reason}`);
    if (end.status === 'rejected') continue;
    const want = plainly(inputs[c]!);
    const off = end.value.outputs[0]!.reduce((most, v, i) => Math.max(most, Math.abs(v - want[i]!)), 0);
    t.true(off < 1e-4, `client ${c} is off by ${off}`);
  }
  t.true([4, 9].every((c) => ended[c]!.status === 'rejected'));
  for (const [c, s] of sessions.entries()) if (c !== 9) s.close();
});
