import test from 'ava';
import { NODES } from '../../src/wire/tokens.js';
import { crashPlan, showPlan } from './crash-plan.js';

const plans = Array.from({ length: 2_000 }, (_, seed) => crashPlan(seed));

test('a plan is the same for the same seed, and says what it is', (t) => {
  t.deepEqual(crashPlan(17), crashPlan(17));
  t.is(new Set(plans.map(showPlan)).size, plans.length);
});

test('plans end each node, alone and with others, at phases and at steps of both acts', (t) => {
  for (const act of ['publish', 'ask'] as const) {
    const those = plans.filter((p) => p.act === act);
    for (const role of NODES) t.true(those.some((p) => p.victim === role && p.others.length === 0));
    t.true(those.some(({ others }) => others.length === 2));
    t.true(those.some(({ again }) => again !== undefined));
    t.true(those.some(({ when }) => 'phase' in when) && those.some(({ when }) => 'step' in when));
  }
  for (const { victim, others } of plans) t.false(others.includes(victim));
});
