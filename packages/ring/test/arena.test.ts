import test from 'ava';
import { Arena, scratch, zeros } from '../src/index.js';

const N = 4096;

test('what nobody holds is handed out again, and zeros are zero', (t) => {
  const arena = new Arena(2 ** 20);
  const first = arena.during(
    () => zeros(N).fill(7n),
    () => [],
  );
  const again = arena.during(
    () => scratch(N),
    (w) => [w],
  );
  t.is(again.buffer, first.buffer);
  arena.release([again]);
  const cleared = arena.during(
    () => zeros(N),
    (w) => [w],
  );
  t.is(cleared.buffer, first.buffer);
  t.true(cleared.every((v) => v === 0n));
});

test('an array stays as long as somebody holds it or a view of it', (t) => {
  const arena = new Arena(2 ** 20);
  const kept = arena.during(
    () => zeros(2 * N).fill(7n),
    (w) => [w],
  );
  const view = kept.subarray(N);
  arena.hold([view]);
  arena.release([kept]);
  const other = arena.during(
    () => zeros(2 * N),
    (w) => [w],
  );
  t.not(other.buffer, kept.buffer);
  t.true(view.every((v) => v === 7n));
  arena.release([view]);
  const third = arena.during(
    () => zeros(2 * N),
    (w) => [w],
  );
  t.is(third.buffer, kept.buffer);
});

test('what was given away never comes back', (t) => {
  const arena = new Arena(2 ** 20);
  const kept = arena.during(
    () => zeros(N),
    (w) => [w],
  );
  arena.disown([kept]);
  arena.release([kept]);
  const other = arena.during(
    () => zeros(N),
    (w) => [w],
  );
  t.not(other.buffer, kept.buffer);
});

test('memory of a scope that throws is free again, and beyond the limit none is kept', (t) => {
  const arena = new Arena(8 * N);
  let lost: BigUint64Array | undefined;
  t.throws(() =>
    arena.during(
      () => {
        lost = zeros(N);
        throw new Error('as it happens');
      },
      () => [],
    ),
  );
  const [a, b] = arena.during(
    () => [zeros(N), zeros(N)] as const,
    () => [],
  );
  t.is(a.buffer, lost!.buffer);
  const [c, d] = arena.during(
    () => [zeros(N), zeros(N)] as const,
    () => [],
  );
  t.is(new Set([a, b, c, d].map((w) => w.buffer)).size, 3);
});
