import test from 'ava';
import { limits } from '../src/limits.js';
import { quiet } from '../src/node/log.js';

test('refusals of one kind are one line a minute, with their number; everything else is said', (t) => {
  const lines: [string, unknown][] = [];
  let now = 0;
  const log = quiet(
    (event, fields) => lines.push([event, fields]),
    () => now,
  );
  for (let i = 0; i < 500; i++) log('refused', { code: 'NOT_AUTHENTICATED', why: `stranger ${i}` });
  log('refused', { code: 'BUSY', why: 'full' });
  for (let i = 0; i < 3; i++) log('connected', { node: 'client' });
  t.is(lines.length, 5);
  now = limits.quietMs;
  log('refused', { code: 'NOT_AUTHENTICATED', why: 'another' });
  t.deepEqual(lines.at(-1), ['refused', { code: 'NOT_AUTHENTICATED', why: 'another', more: 499 }]);
  for (let i = 0; i < 1000; i++) log('refused', { code: `made up ${i}` });
  t.true(lines.length < 1100);
});
