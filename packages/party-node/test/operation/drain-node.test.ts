/** The limits are shortened here, in a process of this file's own. */
import test from 'ava';
import { Deferred } from '../../src/deferred.js';
import { limits } from '../../src/limits.js';
import { drainNode } from '../../src/node/drain-node.js';

Object.assign(limits, { drainMs: 200, flushMs: 300 });

function made() {
  const said: string[] = [];
  const drained = new Deferred<void>();
  const node = {
    gate: { drain: () => said.push('closed'), flush: async () => void said.push('flushed') },
    ask: (what: string) => said.push(what),
    drained: drained.promise,
    log: (event: string) => said.push(event),
  };
  return { said, drained, node };
}

test('nobody is let in, runs end, and what they have sent arrives', async (t) => {
  const { said, drained, node } = made();
  setTimeout(() => drained.resolve(), 20);
  const start = performance.now();
  t.true(await drainNode(node));
  t.true(performance.now() - start < limits.drainMs);
  t.deepEqual(said, ['draining', 'closed', 'drain', 'flushed']);
});

test('runs that do not end in time are aborted, and accounted for', async (t) => {
  const { said, drained, node } = made();
  node.ask = (what) => {
    if (what === 'stop') drained.resolve();
    return said.push(what);
  };
  t.false(await drainNode(node));
  t.deepEqual(said, ['draining', 'closed', 'drain', 'stop', 'flushed']);
});

test('an engine that answers nothing is not waited for without end', async (t) => {
  const { said, node } = made();
  const start = performance.now();
  t.false(await drainNode(node));
  t.true(performance.now() - start < 3_000);
  t.is(said.at(-1), 'flushed');
});
