/**
 * What becomes of publishing and asking where connections misbehave: the right answer, or one error that names a node,
 * within 15 s, and the next is served as if nothing had been. `npm run faults -- --service --tls` makes 200 trials.
 */
import test from 'ava';
import { NODES } from '../../src/wire/tokens.js';
import { openssl } from './nodes.js';
import { serviceTrials, startProxiedService } from './service.js';
import { passed, told } from './trial.js';
import { tallyOf } from './trials.js';

/** Without one that waits for a link to be given up, which takes 13 s. */
const SEEDS = [0, 3, 5, 7];

(openssl ? test : test.skip)('a publisher and a client through what goes wrong behind TLS', async (t) => {
  t.timeout(120_000);
  const nodes = await startProxiedService(true);
  t.teardown(() => nodes.stop());
  const trials = await serviceTrials(nodes, SEEDS);
  t.log(`${trials.length} trials: ${JSON.stringify(tallyOf(trials))}`);
  for (const trial of trials) t.true(passed(trial), told(trial));
  t.true(
    trials.some(({ verdict }) => verdict === 'refused'),
    'something went wrong',
  );
  for (const role of NODES) t.is(nodes.service.processes[role].exitCode, null, 'no node died');
});
