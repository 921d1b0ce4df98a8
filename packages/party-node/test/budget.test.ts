import test from 'ava';
import { limits } from '../src/limits.js';
import { Account, Budget } from '../src/node/budget.js';

const budget = (bytes = 1600) => new Budget('party 0', bytes);

test('one session may keep its part, all of them together what there is, and what is refused is not counted', (t) => {
  const b = budget();
  const most = 1600 * limits.sessionPart;
  t.is(b.sessionBytes, most);
  const [mine, other] = [new Account(most), new Account(most)];
  t.throws(() => b.hold(mine, most + 1, 'a tensor'), { code: 'LIMIT_EXCEEDED', message: /1500 bytes at party 0/ });
  b.hold(mine, most, 'a tensor');
  t.throws(() => b.hold(other, 101, 'a tensor'), { code: 'LIMIT_EXCEEDED', message: /100 of 1600 bytes are free/ });
  t.is(b.left, 100);
  // What runs have is a matter of time
  b.reserve(mine, 60, 7);
  t.throws(() => b.hold(other, 50, 'a tensor'), { code: 'BUSY' });
  b.unreserve(mine, 60);
  b.give(mine, most);
  b.hold(other, 101, 'a tensor');
  t.is(b.left, 1499);
});

test('one run may have all that tensors leave, several of a session 3/4; a refusal is for now or for good', (t) => {
  const b = budget();
  const [mine, other] = [new Account(), new Account()];
  b.hold(mine, 600, 'a tensor');
  t.throws(() => b.reserve(mine, 1001, 7), { code: 'LIMIT_EXCEEDED', message: /--memory/ });
  b.reserve(mine, 1000, 7);
  const busy = t.throws<Error & { retryAfterMs: number }>(() => b.reserve(other, 1, 7), { code: 'BUSY' });
  t.is(busy!.retryAfterMs, 7);
  b.unreserve(mine, 1000);
  b.reserve(mine, 700, 7);
  t.throws(() => b.reserve(mine, 51, 7), { code: 'BUSY' });
  b.reserve(mine, 50, 7);
  b.reserve(other, 250, 7);
  t.is(b.left, 0);
});

test('what may be given up is given up before anything is refused', (t) => {
  const b = budget();
  const [mine, other] = [new Account(), new Account()];
  b.reserve(other, 1500, 7);
  const asked: number[] = [];
  b.makeRoom = (bytes) => {
    asked.push(bytes);
    b.unreserve(other, 1500);
  };
  b.reserve(mine, 900, 7);
  t.deepEqual(asked, [900]);
  t.is(b.left, 700);
});
