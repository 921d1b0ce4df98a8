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

const WORD = 8;

/**
 * One run of a model of some size: a few arrays of each of several sizes, one kind after another, the results of the
 * last kept while the next are made.
 */
function simulatedRun(arena: Arena, size: number): void {
  let before: Uint8Array[] = [];
  for (const factor of [3, 12, 1, 7, 12, 3]) {
    const now = Array.from({ length: 4 }, () => arena.borrow(size * factor * WORD));
    arena.release(before);
    before = now;
  }
  arena.release(before);
}

test('a size is rounded up by an eighth at most', (t) => {
  for (let bytes = 4097; bytes < 2 ** 31; bytes = Math.ceil(bytes * 1.0371)) {
    const arena = new Arena(0);
    t.is(arena.borrow(bytes).length, bytes);
    t.true(
      arena.usedBytes >= bytes && arena.usedBytes <= bytes * 1.125 + WORD,
      `${bytes} bytes take ${arena.usedBytes}`,
    );
  }
});

test('runs of equal shapes make nothing new after the first, and of nearly equal shapes little', (t) => {
  const arena = new Arena(2 ** 30);
  simulatedRun(arena, 1000);
  arena.ended();
  const first = arena.madeBytes;
  for (let run = 0; run < 20; run++) {
    simulatedRun(arena, 1000);
    arena.ended();
  }
  t.is(arena.madeBytes, first);
  for (let run = 0; run < 20; run++) {
    simulatedRun(arena, 960 + run);
    arena.ended();
  }
  t.true(arena.madeBytes < 2 * first, `${arena.madeBytes} bytes were made`);
});

test('over 200 runs of mixed sizes no more is kept than what the largest of the last eight takes alone', (t) => {
  const arena = new Arena(2 ** 30);
  const alone = (size: number) => {
    const own = new Arena(2 ** 30);
    simulatedRun(own, size);
    return own.madeBytes;
  };
  const sizes: number[] = [];
  for (let run = 0; run < 200; run++) {
    const size = 600 + ((run * 7919) % 1400) * (run < 100 ? 4 : 1);
    simulatedRun(arena, size);
    t.is(arena.usedBytes, 0);
    arena.ended();
    sizes.push(size);
    const most = alone(Math.max(...sizes.slice(-8)));
    t.true(
      arena.spareBytes <= 1.3 * most,
      `${arena.spareBytes} bytes are spare after run ${run}, the largest takes ${most} alone`,
    );
  }
  t.true(arena.spareBytes < alone(Math.max(...sizes)) / 2);
});

test('while runs overlap, what they have in use together counts', (t) => {
  const arena = new Arena(2 ** 30);
  const mine = arena.borrow(100_000);
  const theirs = arena.borrow(200_000);
  const both = arena.usedBytes;
  arena.release([mine]);
  arena.ended();
  // The other run goes on: what it holds is neither spare nor handed out
  for (let run = 0; run < 20; run++) {
    simulatedRun(arena, 100);
    t.true(arena.usedBytes + arena.spareBytes <= 2 * Math.max(both, arena.peakBytes));
    t.not(arena.borrow(200_000).buffer, theirs.buffer);
    arena.ended();
  }
  arena.release([theirs]);
  t.true(arena.usedBytes > 0 && arena.usedBytes + arena.spareBytes <= 2 * arena.peakBytes);
});

test('an arena at rest has nothing spare, and what is in use stays', (t) => {
  const arena = new Arena(2 ** 30);
  const held = arena.borrow(100_000);
  held.fill(7);
  simulatedRun(arena, 1000);
  arena.ended();
  t.true(arena.spareBytes > 0);
  const used = arena.usedBytes;
  arena.rest();
  t.is(arena.spareBytes, 0);
  t.is(arena.usedBytes, used);
  simulatedRun(arena, 10);
  t.true(arena.usedBytes + arena.spareBytes <= 2 * arena.peakBytes, 'a large run from before the rest still counts');
  t.true(held.every((v) => v === 7));
  arena.release([held]);
  t.is(arena.usedBytes, 0);
});

test('the limit holds whatever runs took, and what is beyond it goes at once', (t) => {
  const arena = new Arena(400_000);
  simulatedRun(arena, 1000);
  t.true(arena.peakBytes > 400_000);
  t.true(arena.spareBytes <= 400_000 && arena.spareBytes > 200_000);
  arena.limit = 200_000;
  t.true(arena.spareBytes <= 200_000 && arena.spareBytes > 0);
  arena.limit = -1;
  t.is(arena.spareBytes, 0);
  const held = arena.borrow(100_000);
  arena.release([held]);
  t.is(arena.spareBytes, 0);
});
