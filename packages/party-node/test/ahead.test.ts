import test from 'ava';
import { limits } from '../src/limits.js';
import { aheadRoom, leastRoom } from '../src/node/ahead.js';

test('what is stored of a prepared run fits the room, in whole bytes, and holds what the dealer sends ahead', (t) => {
  const lead = limits.dealerLeadBytes;
  const enough = 2 ** 33;
  // The dealer is told in whole bytes how much more it may send: every remainder of a run's bytes by 4
  for (const dealer of [1000, 2 * lead, 4 * lead + 1, 4 * lead + 2, 4 * lead + 3, 9 * lead + 5, 40 * lead + 7]) {
    for (const online of [0, 1, 2, 3, lead + 1]) {
      const least = leastRoom({ dealer, online });
      for (const left of [least, least + 1, 5 * lead + 3, enough]) {
        const [p0, p1] = [aheadRoom(0, { dealer, online }, left), aheadRoom(1, { dealer, online }, left)];
        const name = JSON.stringify({ dealer, online, left, p1 });
        t.is(p0.window, 0);
        t.is(p0.ahead, p1.ahead, name);
        t.true(Number.isInteger(p1.ahead) && Number.isInteger(p1.window), name);
        t.true(p1.ahead + p1.window <= left && p1.window >= Math.min(lead, dealer), name);
        t.true(p1.ahead <= 2 * (dealer + online), name);
      }
    }
  }
  t.is(leastRoom({ dealer: 1000, online: 500 }), 4000);
  t.is(leastRoom({ dealer: 9 * lead, online: 0 }), 2 * lead);
});
