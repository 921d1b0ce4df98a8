import test from 'ava';
import { exactSoftmax, normalise, softmaxRow } from '../src/index.js';
import { encoded, evaluate, worst } from './harness.js';
import { rowsOf, worstRows } from './worst-rows.js';

for (const width of [128, 512])
  test(`the softmax of rows of ${width} on the worst kinds of them`, async (t) => {
    const rows = width === 128 ? 8 : 2;
    const kinds = Object.keys(worstRows);
    const values = Float32Array.from(kinds.flatMap((kind) => [...rowsOf(kind, rows, width)]));
    const x = encoded(values);
    const shape = [kinds.length * rows, width];
    const { outputs } = await evaluate([{ shape, values, magnitude: 10 }], (e, [v]) => [
      normalise(e, exactSoftmax(e, v!)),
    ]);
    kinds.forEach((kind, k) => {
      const from = k * rows * width;
      const got = outputs[0]!.subarray(from, from + rows * width);
      const want = new Float64Array(got.length);
      for (let i = 0; i < got.length; i += width) want.set(softmaxRow(x.subarray(from + i, from + i + width)), i);
      const { max } = worst(got, (i) => want[i]!);
      t.log(`${kind}: ${max.toExponential(1)}`);
      t.true(max <= 1e-4, `${kind}: ${max}`);
    });
  });
