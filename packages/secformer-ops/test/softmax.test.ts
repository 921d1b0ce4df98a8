import test from 'ava';
import { exactSoftmax, groupsOf, normalise, softmaxRow } from '../src/index.js';
import { encoded, evaluate, uniform, worst } from './harness.js';
import { rowsOf, worstRows } from './worst-rows.js';

/** Largest difference of the rows from their softmax. */
function errorOf(got: Float64Array, x: Float64Array, width: number): number {
  const want = new Float64Array(got.length);
  for (let i = 0; i < got.length; i += width) want.set(softmaxRow(x.subarray(i, i + width)), i);
  return worst(got, (i) => want[i]!).max;
}

for (const fewRounds of [false, true])
  for (const width of [128, 512])
    test(`softmax of rows of ${width} on the worst kinds of them${fewRounds ? ', in few rounds' : ''}`, async (t) => {
      const rows = width === 128 ? 8 : 2;
      const kinds = Object.keys(worstRows);
      const values = Float32Array.from(kinds.flatMap((kind) => [...rowsOf(kind, rows, width)]));
      const x = encoded(values);
      const shape = [kinds.length * rows, width];
      const { outputs } = await evaluate([{ shape, values, magnitude: 10 }], (e, [v]) => [
        normalise(e, exactSoftmax(e, v!, fewRounds)),
      ]);
      kinds.forEach((kind, k) => {
        const [from, to] = [k * rows * width, (k + 1) * rows * width];
        const max = errorOf(outputs[0]!.subarray(from, to), x.subarray(from, to), width);
        t.log(`${kind}: ${max.toExponential(1)}`);
        t.true(max <= 1e-4, `${kind}: ${max}`);
      });
    });

test('groups are of four, and the last of all that are left when their pairs are few', (t) => {
  t.deepEqual(groupsOf(1), []);
  t.deepEqual(groupsOf(2), [2]);
  t.deepEqual(groupsOf(5), [4, 2]);
  t.deepEqual(groupsOf(128), [4, 4, 8]);
  t.deepEqual(groupsOf(512), [4, 4, 32]);
  for (let n = 1; n <= 4096; n++) {
    const left = groupsOf(n).reduce((rest, g) => Math.ceil(rest / g), n);
    t.is(left, 1);
    t.true(groupsOf(n).every((g) => g >= 2 && g <= 32));
  }
});

for (const fewRounds of [true, false]) {
  const name = fewRounds ? 'in few rounds' : 'two by two';
  test(`${name}: rows of any length, the largest anywhere, equals, and both ends of the domain`, async (t) => {
    for (const width of [1, 2, 3, 4, 5, 6, 7, 9, 13, 17, 21, 33, 37, 66, 130]) {
      const values = uniform(6 * width, -1023, 1023, width);
      // The largest first, last, and of all others a hair away; all equal; both ends; all at the lower end
      values[0] = 1023;
      values[2 * width - 1] = 1023;
      values.fill(-5.25, 2 * width, 3 * width);
      for (let i = 0; i < width; i++) values[3 * width + i] = i % 2 ? -1023 : 1023;
      values.fill(-1023, 4 * width, 5 * width);
      for (let i = 0; i < width; i++) values[5 * width + i] = 12 + i * 2 ** -14;
      const x = encoded(values);
      const { outputs } = await evaluate([{ shape: [2, 3, width], values, magnitude: 10 }], (e, [v]) => [
        normalise(e, exactSoftmax(e, v!, fewRounds)),
      ]);
      const max = errorOf(outputs[0]!, x, width);
      t.true(max <= 1e-4, `rows of ${width}: ${max}`);
    }
  });
}
