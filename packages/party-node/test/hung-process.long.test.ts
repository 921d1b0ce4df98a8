/**
 * A node whose process hangs and does not die: its sockets stay open, and nothing answers. Pings tell, and nothing
 * else: so this takes the time that a ping may stay unanswered.
 */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { limits, NodeError } from '../src/index.js';
import { startLocalNodes } from '../src/node.js';
import { nodeName } from '../src/wire/handshake.js';
import { NODES } from '../src/wire/tokens.js';
import { connect, honest, honestRun, linesOf, sleep, until } from './attacks/kit.js';

/** Softmaxes one after another: seconds of rounds. */
const LONG = 24;
const shape = [256, 512];
const long: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape },
    ...Array.from({ length: LONG }, (_, i): Graph['nodes'][number] => ({ op: 'softmax', in: [i], shape })),
  ],
  outputs: [LONG],
};

/** A hung node is noticed at the first ping after `pongMs` without an answer. */
const NOTICED_MS = limits.pongMs + limits.pingMs;
/** What a busy machine adds to any of the limits. */
const LATE_MS = 1_500;

/** How something fails, and after how long; it is waited for no longer than `ms`. */
async function failureOf(what: Promise<unknown>, ms: number): Promise<{ error: unknown; ms: number }> {
  const start = performance.now();
  const error = await Promise.race([
    what.then(
      () => 'it did not fail',
      (cause: unknown) => cause,
    ),
    sleep(ms).then(() => `nothing in ${ms} ms`),
  ]);
  return { error, ms: performance.now() - start };
}

// The dealer is dialled by both parties, party 1 dials the other two
for (const [victim, how] of [
  ['dealer', 'resumed'],
  ['party1', 'started again'],
] as const) {
  const others = NODES.filter((role) => role !== victim);

  test(`a ${nodeName[victim]} that hangs is named in time, and the others serve once it is ${how}`, async (t) => {
    t.timeout(120_000);
    const nodes = await startLocalNodes();
    t.teardown(() => nodes.stop());
    const pids = others.map((role) => nodes.processes[role].pid);
    const [busy, idle] = await Promise.all([connect(nodes), connect(nodes)]);
    t.teardown(() => [busy, idle].forEach((s) => void s.close()));
    await honestRun(idle);
    await busy.write(1, new Float32Array(256 * 512).fill(1), shape);
    let over = false;
    const run = busy
      .run({ graph: long, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' })
      .finally(() => {
        over = true;
      });
    run.catch(() => {});
    t.true(await until(() => busy.runsStarted === 1));
    await sleep(200);
    t.false(over, 'in the middle of the run');
    nodes.processes[victim].kill('SIGSTOP');

    const failures = await Promise.all([
      failureOf(run, NOTICED_MS + LATE_MS),
      failureOf(honestRun(idle, 2), NOTICED_MS + LATE_MS),
      failureOf(connect(nodes), limits.connectMs + LATE_MS),
    ]);
    const codes = [['LINK_CLOSED'], ['LINK_CLOSED'], ['UNREACHABLE', 'NO_PROGRESS']];
    for (const [i, { error, ms }] of failures.entries()) {
      const what = `${['a run under way', 'a new run', 'a new client'][i]} after ${Math.round(ms)} ms: ${error}`;
      t.true(error instanceof NodeError && error.node === nodeName[victim], what);
      t.true(codes[i]!.includes((error as NodeError).code), what);
      t.log(what);
    }
    t.deepEqual(
      others.map((role) => nodes.processes[role].pid),
      pids,
    );
    t.true(others.every((role) => nodes.processes[role].exitCode === null));

    const ready = () => linesOf(nodes.log(victim), 'ready').length;
    const before = ready();
    if (how === 'resumed') {
      nodes.processes[victim].kill('SIGCONT');
    } else {
      nodes.processes[victim].kill('SIGKILL');
      await nodes.restart(victim);
    }
    t.true(await until(() => ready() > before), 'it has both others again');
    await honest(nodes);
    for (const role of NODES) t.deepEqual(linesOf(nodes.log(role), 'failed'), [], role);
  });
}
