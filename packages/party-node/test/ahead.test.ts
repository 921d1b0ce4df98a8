import test from 'ava';
import { limits } from '../src/limits.js';
import { aheadRoom } from '../src/node/ahead.js';

test('what is stored of a prepared run fits the room, in whole bytes, and holds what the dealer sends ahead', (t) => {
  const lead = limits.dealerLeadBytes;
  // The dealer is told in whole bytes how much more it may send: every remainder of a run's bytes by 4
  for (const dealer of [1000, 2 * lead, 4 * lead + 1, 4 * lead + 2, 4 * lead + 3, 9 * lead + 5, 40 * lead + 7]) {
    for (const online of [0, 1, 2, 3, lead + 1]) {
      for (const left of [2 * lead, 2 * lead + 1, 5 * lead + 3, 2 ** 33]) {
        const [p0, p1] = [aheadRoom(0, { dealer, online }, left), aheadRoom(1, { dealer, online }, left)];
        const name = JSON.stringify({ dealer, online, left, p1 });
        t.is(p0.window, 0);
        t.is(p0.ahead, p1.ahead, name);
        t.true(Number.isInteger(p1.ahead) && Number.isInteger(p1.window), name);
        t.true(p1.ahead + p1.window <= left && p1.window >= lead, name);
      }
    }
  }
});
