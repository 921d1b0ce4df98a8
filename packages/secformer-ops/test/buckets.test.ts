import test from 'ava';
import fc from 'fast-check';
import { bucketsFor, bucketsOf, CHOICES, placed } from '../src/index.js';

test('each row has as many different buckets, and rows are spread over all of them alike', (t) => {
  const [rows, buckets] = [30522, bucketsFor(128)];
  const of = bucketsOf(rows, buckets);
  const sizes = new Float64Array(buckets);
  for (let row = 0; row < rows; row++) {
    const own = of.subarray(row * CHOICES, (row + 1) * CHOICES);
    t.is(new Set(own).size, CHOICES);
    for (const b of own) sizes[b]!++;
  }
  // Six standard deviations of a fair draw
  const mean = (rows * CHOICES) / buckets;
  for (const size of sizes) t.true(Math.abs(size - mean) < 6 * Math.sqrt(mean), `${size} of ${mean}`);
});

test('every index finds its row in a bucket of its own', (t) => {
  const indices = (rows: number) => fc.array(fc.nat(rows - 1), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      fc.constantFrom(50, 3000, 30522).chain((rows) => fc.tuple(fc.constant(rows), indices(rows))),
      ([rows, list]) => {
        const buckets = bucketsFor(list.length);
        const of = bucketsOf(rows, buckets);
        const { hits, places } = placed(Int32Array.from(list), rows);
        const rowIn = new Map([...hits].map((entry) => [of[entry]!, Math.floor(entry / CHOICES)]));
        // One row a bucket, one bucket a row, and nothing that was not asked for
        return rowIn.size === hits.length && hits.length === new Set(list).size && list.every((row, i) => rowIn.get(places[i]! - i * buckets) === row);
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('indices chosen so that they share too few buckets are refused, not answered wrongly', (t) => {
  const [rows, count] = [200_000, 12];
  const of = bucketsOf(rows, bucketsFor(count));
  const crowded: number[] = [];
  for (let row = 0; crowded.length < count; row++) if (of.subarray(row * CHOICES, (row + 1) * CHOICES).every((b) => b < count - 1)) crowded.push(row);
  t.throws(() => placed(Int32Array.from(crowded), rows), { code: 'LOOKUP_UNPLACED', message: /two parts/ });
});

test('sets of indices that share too few buckets by chance: fewer than one in 2^89', (t) => {
  // By Hall's theorem some k indices then lie within k − 1 buckets; the expected number of such sets of indices and buckets, with log2 of what is added
  const logFactorial = [0];
  for (let n = 1; n <= 3000; n++) logFactorial.push(logFactorial[n - 1]! + Math.log2(n));
  const logChoose = (n: number, k: number) => (k > n ? Number.NEGATIVE_INFINITY : logFactorial[n]! - logFactorial[k]! - logFactorial[n - k]!);
  for (let count = 1; count <= 2048; count += count < 300 ? 1 : 97) {
    const buckets = bucketsFor(count);
    let expected = 0;
    for (let k = CHOICES + 1; k <= count; k++) {
      const within = k * (logChoose(k - 1, CHOICES) - logChoose(buckets, CHOICES));
      expected += 2 ** (logChoose(count, k) + logChoose(buckets, k - 1) + within);
    }
    t.true(expected < 2 ** -89, `${count} indices: 2^${Math.log2(expected)}`);
  }
});
