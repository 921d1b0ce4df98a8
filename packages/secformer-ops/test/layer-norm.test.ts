import test from 'ava';
import { layerNorm, normalRow } from '../src/index.js';
import { encoded, evaluate, normal, random, worst } from './harness.js';

for (const centred of [false, true])
  test(`LayerNorm over its domain, ${centred ? 'of rows without a mean, a round less' : 'any mean'}`, async (t) => {
    const next = random(7);
    for (const width of [40, 128, 384, 768]) {
      const deviations = [0.3, 1, 12, 45];
      const values = Float32Array.from({ length: deviations.length * width }, (_, i) => {
        const deviation = deviations[Math.floor(i / width)]!;
        return deviation * normal(next) + (centred ? 0 : 40);
      });
      if (centred)
        deviations.forEach((_, r) => {
          const row = values.subarray(r * width, (r + 1) * width);
          const mean = row.reduce((a, b) => a + b, 0) / width;
          for (let i = 0; i < width; i++) row[i] = row[i]! - mean;
        });
      const x = encoded(values);
      const shape = [deviations.length, width];
      const { outputs, checked } = await evaluate([{ shape, values }], (e, [v]) => [layerNorm(e, v!, 1e-12, centred)]);
      deviations.forEach((deviation, r) => {
        const [from, to] = [r * width, (r + 1) * width];
        const want = normalRow(x.subarray(from, to), 1e-12);
        const { max } = worst(outputs[0]!.subarray(from, to), (i) => want[i]!);
        t.true(max <= 5e-6, `width ${width}, deviation ${deviation}: ${max}`);
      });
      // Rows of fewer than 128 have more octaves than tables are for
      t.is(checked.cost.rounds, (width < 128 ? 7 : 5) - (centred ? 1 : 0));
    }
  });
