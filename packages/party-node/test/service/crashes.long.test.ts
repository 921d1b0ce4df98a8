/**
 * What becomes of a service whose nodes end without warning while a publisher publishes or a client asks:
 * `npm run crashes` ends them 200 times.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Crashes, showTrial } from './crashes.js';

/** Of all kinds, and of one, two and three nodes. */
const SEEDS = [4, 64, 111];

test('killed nodes serve a version as a whole or not at all, and draw no randomness twice', async (t) => {
  t.timeout(240_000);
  const crashes = await Crashes.start();
  t.teardown(() => crashes.stop());
  let refused = 0;
  for (const seed of SEEDS) {
    const trial = await crashes.trial(seed);
    t.deepEqual(trial.wrong, [], showTrial(trial));
    if (trial.outcome !== 'right') refused++;
  }
  const counts = crashes.counts();
  t.log(`${SEEDS.length} trials, ${refused} refused, ${JSON.stringify(counts)}`);
  t.true(refused >= 1 && counts.died >= 1, 'some nodes ended while they were needed');
  t.true(counts.run >= 20 && counts.stream >= 200);
  // What is written down would show a second time
  appendFileSync(join(crashes.records, 'dealer'), 'stream 00\nstream 00\n');
  t.deepEqual(crashes.repeats(), ['dealer began twice: stream 00']);
});
