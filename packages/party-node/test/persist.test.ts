import test from 'ava';
import { persist } from '../src/client/persist.js';
import { limits, NodeError } from '../src/index.js';

const busy = (retryAfterMs?: number) =>
  new NodeError('dealer', 'BUSY', 'full', retryAfterMs === undefined ? {} : { retryAfterMs });

test('what a node has no room for now is tried again, as long as it says so and not for ever', async (t) => {
  let tries = 0;
  const third = async () => {
    if (++tries < 3) throw busy(5);
    return 'done';
  };
  t.is(await persist(third), 'done');
  t.is(tries, 3);
  const start = performance.now();
  await t.throwsAsync(
    persist(async () => Promise.reject(busy(20)), undefined, 200),
    { code: 'BUSY' },
  );
  // Not the 20 s that are the rule
  t.true(performance.now() - start < limits.persistMs / 2);
  for (const error of [busy(), new NodeError('dealer', 'NOT_AUTHENTICATED', 'no'), new TypeError('no')]) {
    tries = 0;
    await t.throwsAsync(
      persist(async () => {
        tries++;
        throw error;
      }),
      { is: error },
    );
    t.is(tries, 1);
  }
});
