import test from 'ava';
import { compositions, watchedCompositions } from './compositions.js';
import { evaluate, uniform } from './harness.js';

// Sizes that are no multiple of anything
const shape = [5, 13];

for (const [name, compose] of Object.entries({ ...compositions, ...watchedCompositions })) {
  test(`declared rounds and bytes are the traffic: ${name}`, async (t) => {
    const { run, checked } = await evaluate([{ shape, values: uniform(65, 0.5, 6, 1) }], (e, [x]) =>
      [compose(e, x!)].flat(),
    );
    const bytes = (frames: Uint8Array[]) => frames.reduce((n, f) => n + f.length, 0);
    t.is(run.trace.rounds, checked.cost.rounds);
    t.is(run.received.p0.length, checked.cost.rounds);
    t.is(bytes(run.received.p0), checked.cost.online);
    t.is(bytes(run.received.p1), checked.cost.online);
    t.is(bytes(run.received.material), checked.cost.dealer);
  });
}
