import test from 'ava';
import fc from 'fast-check';
import {
  bucketsFor,
  bucketsOf,
  CHOICES,
  checkProgram,
  type Graph,
  MOST_SALT,
  onesOf,
  placed,
  plan,
  saltOf,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { random } from './harness.js';

/** Salts as sessions draw them, and the ends of their range. */
const salts = [
  0,
  1,
  2 ** 32 - 1,
  2 ** 32,
  MOST_SALT,
  ...Array.from(
    { length: 40 },
    (
      (next) => () =>
        Math.floor(next() * 2 ** 53)
    )(random(5)),
  ),
];

test('each row has as many different buckets, and rows are spread over all of them alike', (t) => {
  const [rows, buckets] = [30522, bucketsFor(128)];
  for (const salt of salts) {
    const of = bucketsOf(rows, buckets, salt);
    const sizes = new Float64Array(buckets);
    for (let row = 0; row < rows; row++) {
      const own = of.subarray(row * CHOICES, (row + 1) * CHOICES);
      if (new Set(own).size < CHOICES) t.fail(`row ${row} has a bucket twice`);
      for (const b of own) sizes[b]!++;
    }
    // Six standard deviations of a fair draw
    const mean = (rows * CHOICES) / buckets;
    for (const size of sizes) t.true(Math.abs(size - mean) < 6 * Math.sqrt(mean), `${size} of ${mean}`);
  }
});

test('every index finds its row in a bucket of its own', (t) => {
  const indices = (rows: number) => fc.array(fc.nat(rows - 1), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      fc.constantFrom(50, 3000, 30522).chain((rows) => fc.tuple(fc.constant(rows), indices(rows))),
      fc.maxSafeNat(),
      ([rows, list], salt) => {
        const buckets = bucketsFor(list.length);
        const of = bucketsOf(rows, buckets, salt);
        const { hits, places } = placed(Int32Array.from(list), rows, salt);
        const rowIn = new Map([...hits].map((entry) => [of[entry]!, Math.floor(entry / CHOICES)]));
        // One row a bucket, one bucket a row, and nothing that was not asked for
        return (
          rowIn.size === hits.length &&
          hits.length === new Set(list).size &&
          list.every((row, i) => rowIn.get(places[i]! - i * buckets) === row)
        );
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('indices chosen so that they share too few buckets are refused, not answered wrongly', (t) => {
  const [rows, count] = [200_000, 12];
  const of = bucketsOf(rows, bucketsFor(count), 0);
  const crowded: number[] = [];
  for (let row = 0; crowded.length < count; row++)
    if (of.subarray(row * CHOICES, (row + 1) * CHOICES).every((b) => b < count - 1)) crowded.push(row);
  t.throws(() => placed(Int32Array.from(crowded), rows, 0), { code: 'LOOKUP_UNPLACED', message: /two parts/ });
});

test('sets of indices that share too few buckets by chance: fewer than one in 2^89', (t) => {
  // By Hall's theorem some k indices then lie within k − 1 buckets; the expected number of such sets of indices and
  // buckets, with log2 of what is added
  const logFactorial = [0];
  for (let n = 1; n <= 3000; n++) logFactorial.push(logFactorial[n - 1]! + Math.log2(n));
  const logChoose = (n: number, k: number) =>
    k > n ? Number.NEGATIVE_INFINITY : logFactorial[n]! - logFactorial[k]! - logFactorial[n - k]!;
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

/** Rows all of whose buckets lie among `within` of them, which are found by exchanging one of those for another. */
function crowd(rows: number, buckets: number, within: number, salt: number): number[] {
  const of = bucketsOf(rows, buckets, salt);
  const rowsOf: number[][] = Array.from({ length: buckets }, () => []);
  of.forEach((b, at) => {
    rowsOf[b]!.push(Math.floor(at / CHOICES));
  });
  const next = random(9);
  const chosen = new Set(Array.from({ length: within }, (_, i) => i));
  const inside = new Uint8Array(rows);
  const move = (b: number, by: 1 | -1) => {
    let change = 0;
    for (const row of rowsOf[b]!) {
      if (by < 0 && inside[row] === CHOICES) change--;
      inside[row]! += by;
      if (by > 0 && inside[row] === CHOICES) change++;
    }
    return change;
  };
  for (const b of chosen) move(b, 1);
  for (let i = 0; i < 20_000; i++) {
    const out = [...chosen][Math.floor(next() * within)]!;
    const into = Math.floor(next() * buckets);
    if (chosen.has(into)) continue;
    if (move(out, -1) + move(into, 1) >= 0) {
      chosen.delete(out);
      chosen.add(into);
    } else {
      move(into, -1);
      move(out, 1);
    }
  }
  return Array.from({ length: rows }, (_, row) => row).filter((row) => inside[row] === CHOICES);
}

test('words chosen to find no place under one salt find one under others, which their sender does not know', (t) => {
  const [rows, length] = [30522, 128];
  const known = 20_250_101;
  const words = crowd(rows, bucketsFor(length), 52, known).slice(0, 53);
  t.is(words.length, 53);
  // A text of 128 words with them
  const text = Int32Array.from({ length }, (_, i) => words[i] ?? 1000 + i);
  t.throws(() => placed(text, rows, known), { code: 'LOOKUP_UNPLACED' });
  for (const salt of salts) t.notThrows(() => placed(text, rows, salt), `salt ${salt}`);
  // Salts that differ from it in one bit only, in either half
  for (let bit = 0; bit < 53; bit++) t.notThrows(() => placed(text, rows, Number(BigInt(known) ^ (1n << BigInt(bit)))));
});

test('what is near one another under one salt is not under another', (t) => {
  const [rows, buckets] = [4096, bucketsFor(128)];
  const first = bucketsOf(rows, buckets, salts[7]!);
  for (const salt of salts) {
    if (salt === salts[7]) continue;
    const of = bucketsOf(rows, buckets, salt);
    const same = first.reduce((n, b, at) => n + Number(of[at] === b), 0);
    const mean = first.length / buckets;
    t.true(Math.abs(same - mean) < 6 * Math.sqrt(mean), `salt ${salt}: ${same} of ${mean}`);
  }
});

test('a salt has 53 random bits, and a Program with none, or another, is refused or is another Program', (t) => {
  t.is(saltOf(new Uint8Array(7)), 0);
  t.is(saltOf(new Uint8Array(7).fill(255)), MOST_SALT);
  t.is(saltOf(Uint8Array.of(1, 2, 3, 4, 5, 6, 7)), 0x07060504030201);
  const graph: Graph = {
    nodes: [
      { op: 'input', slot: 0, in: [], shape: [5000, 3] },
      { op: 'oneHot', slot: 1, depth: 5000, in: [], shape: [60, 5000] },
      { op: 'matMul', transposeA: false, transposeB: false, in: [1, 0], shape: [60, 3] },
    ],
    outputs: [2],
  };
  const planned = (salt: number) =>
    plan(graph, suiteOf('exact'), [writtenTensor, writtenTensor], [0], [], undefined, { salt });
  const { program, bindings } = planned(77);
  const sums = () => program.instructions.find((i) => i.op === 'bucketSums')!;
  t.is(sums().salt, 77);
  t.true(bindings.every((b) => b.kind !== 'oneHot' || b.salt === 77));
  t.notDeepEqual(checkProgram(program).hash, checkProgram(planned(78).program).hash);
  const hits = bindings.find((b) => b.kind === 'oneHot' && b.part === 'hits') as Parameters<typeof onesOf>[0];
  t.notDeepEqual(
    onesOf(
      hits,
      Int32Array.from({ length: 60 }, (_, i) => i),
    ),
    onesOf(
      { ...hits, salt: 78 },
      Int32Array.from({ length: 60 }, (_, i) => i),
    ),
  );
  for (const salt of [-1, 0.5, 2 ** 53, '7', undefined]) {
    sums().salt = salt;
    t.throws(() => checkProgram(program), { code: 'BAD_PROGRAM', message: /salt/ }, String(salt));
  }
});
