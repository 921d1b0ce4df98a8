/** How far a run is, as its client hears: nothing falls, and it ends at the whole. */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { Waiting } from '../src/client/waiting.js';
import { type RunProgress, rising, Session } from '../src/index.js';
import { messageOf, startEngines } from './engines.js';

const softmaxes: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 3] },
    { op: 'softmax', in: [0], shape: [2, 3] },
    { op: 'softmax', in: [1], shape: [2, 3] },
  ],
  outputs: [2],
};

test('a run says which of its rounds are over', async (t) => {
  const nodes = await startEngines(2 ** 31, (from, to, link) => {
    if (from !== 'party1' || to !== 'party0') return;
    // A link over which a round takes a while
    const send = link.send.bind(link);
    link.send = async (frame) => {
      if (messageOf(frame).t === 'round') await new Promise((resolve) => setTimeout(resolve, 60));
      return send(frame);
    };
  });
  t.teardown(() => nodes.stop());
  const session = await Session.connect(nodes.dial, nodes.token);
  session.prepareAhead = false;
  await session.write(1, Float32Array.of(1, 2, 3, 1, 1, 1), [2, 3]);
  const events: RunProgress[] = [];
  const request = { graph: softmaxes, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };
  const { record } = await session.run(request, { onProgress: (e) => events.push(e) });
  const of = record.rounds;
  t.deepEqual(events[0], { phase: 'running', done: 0, of });
  t.deepEqual(events.at(-1), { phase: 'done', done: of, of });
  const told = events.slice(1, -1);
  t.true(told.length > 1, JSON.stringify(events));
  t.true(told.every((e, i) => e.phase === 'running' && e.of === of && e.done! > (events[i]?.done ?? 0)));
  // What is prepared says no less
  const later: RunProgress[] = [];
  await (await session.prepare(request)).run({ onProgress: (e) => later.push(e) });
  t.deepEqual([later[0]?.done, later.at(-1)], [0, { phase: 'done', done: of, of }]);
  session.close();
});

test('a bar never falls, whatever is tried again', (t) => {
  const heard: string[] = [];
  const hear = rising(({ phase, done, place }) => heard.push(`${phase} ${done ?? place ?? ''}`));
  hear({ phase: 'sharing', done: 0, of: 9 });
  hear({ phase: 'sharing', done: 9, of: 9 });
  hear({ phase: 'waiting', place: 3 });
  hear({ phase: 'waiting', place: 1 });
  hear({ phase: 'running', done: 4, of: 8 });
  hear({ phase: 'connecting' });
  hear({ phase: 'waiting', place: 2 });
  hear({ phase: 'running', done: 0, of: 8 });
  hear({ phase: 'running', done: 5, of: 8 });
  hear({ phase: 'done', done: 8, of: 8 });
  t.deepEqual(heard, ['sharing 0', 'sharing 9', 'waiting 3', 'waiting 1', 'running 4', 'running 5', 'done 8']);
});

test('a party that counts wrong is not believed', (t) => {
  const w = new Waiting({ hash: '', inputs: [], oneHots: [], outputs: [], checks: [], rounds: 5 });
  const heard: (number | undefined)[] = [];
  w.onProgress = ({ done }) => heard.push(done);
  for (const rounds of [2, 1, 2, 6, 2 ** 40, 3, 5, 5]) w.opened(rounds);
  t.deepEqual(heard, [2, 3, 5]);
});
