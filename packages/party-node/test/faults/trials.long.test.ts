/**
 * What becomes of a session whose connections misbehave: the right answer, or one error that names a node, within 15 s,
 * and the next session is served as if nothing had been. `npm run faults` makes 200 trials of each kind.
 */
import test from 'ava';
import { openssl, startProxiedNodes } from './nodes.js';
import { passed, told } from './trial.js';
import { ownerTrials, tallyOf } from './trials.js';

const macro = test.macro(async (t, tls: boolean, seeds: readonly number[]) => {
  t.timeout(120_000);
  const nodes = await startProxiedNodes(tls);
  t.teardown(() => nodes.stop());
  const trials = await ownerTrials(nodes, seeds);
  t.log(`${trials.length} trials: ${JSON.stringify(tallyOf(trials))}`);
  for (const trial of trials) t.true(passed(trial), told(trial));
  t.true(
    trials.some(({ verdict }) => verdict === 'refused'),
    'something went wrong',
  );
  for (const { child } of Object.values(nodes.nodes)) t.is(child.exitCode, null, 'no node died');
});

const seeds = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test.serial('an owner through delays, stalls, cuts, half-closes and pieces', macro, false, seeds(0, 4));
(openssl ? test.serial : test.serial.skip)(
  'an owner through the same behind TLS, and through frames that are lost, repeated, exchanged and changed',
  macro,
  true,
  seeds(0, 4),
);
