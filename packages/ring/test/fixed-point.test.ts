import test from 'ava';
import { checkFixed, EncodingError, largestOf } from '../src/index.js';

test('the largest magnitude of floats, whatever their signs and sizes, as Math.abs and Math.max have it', (t) => {
  t.is(largestOf(new Float32Array(0)), 0);
  t.is(largestOf(Float32Array.of(-0)), 0);
  const some = Float32Array.from({ length: 4001 }, (_, i) => Math.sin(i * i) * 2 ** ((i % 250) - 149));
  for (const [from, to] of [
    [0, 4001],
    [1, 100],
    [3, 4],
    [100, 101],
  ]) {
    const part = some.subarray(from, to);
    t.is(largestOf(part), Math.max(...part.map(Math.abs)));
  }
  t.is(largestOf(Float32Array.of(3, -Infinity, 5)), Infinity);
  t.is(largestOf(Float32Array.of(3, Infinity, Number.NaN, 5)), Number.NaN);
});

test('a value that is too large or not finite is refused by its place, and the limit itself is not', (t) => {
  checkFixed(Float32Array.of(16384, -16384, 0), 14);
  for (const [bad, why] of [
    [16384.002, 'larger than 16384'],
    [-16385, 'larger than 16384'],
    [Number.NaN, 'not finite'],
    [-Infinity, 'not finite'],
  ] as const)
    t.throws(() => checkFixed(Float32Array.of(1, 2, bad, Number.NaN), 14, 'weights'), {
      instanceOf: EncodingError,
      message: new RegExp(`^element 2 of weights is ${why};`),
    });
});
