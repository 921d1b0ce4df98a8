import test from 'ava';
import {
  elementwise,
  erf,
  exactSoftmax,
  gelu,
  layerNorm,
  lessConstant,
  maxWithIndex,
  normalise,
  quadSoftmax,
  reciprocal,
  relu,
  rsqrt,
  tanh,
} from '../src/index.js';
import { encoded, evaluate, type Input, normal, random, uniform, worst } from './harness.js';

const vector = (values: Float32Array): Input => ({ shape: [values.length], values });
const rowsOf = (rows: Float32Array[]): Input => ({
  shape: [rows.length, rows[0]!.length],
  values: Float32Array.from(rows.flatMap((r) => Array.from(r))),
});

function perRow(x: Float64Array, width: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += width) out.set(f(x.subarray(i, i + width)), i);
  return out;
}

test('product and truncation: at most one unit of the last place', async (t) => {
  const [a, b] = [uniform(5000, -120, 120, 1), uniform(5000, -120, 120, 2)];
  const { outputs } = await evaluate([vector(a), vector(b)], (e, [x, y]) => [e.truncated(e.mul(x!, y!))]);
  const [p, q] = [encoded(a), encoded(b)];
  t.true(worst(outputs[0]!, (i) => p[i]! * q[i]!).max <= 2 ** -16);
});

test('matrix product, batched and transposed', async (t) => {
  const [m, k, n] = [7, 20, 5];
  const a = { shape: [3, k, m], values: uniform(3 * k * m, -10, 10, 1) };
  const b = { shape: [1, n, k], values: uniform(n * k, -10, 10, 2) };
  const { outputs } = await evaluate([a, b], (e, [x, y]) => [e.truncated(e.matMul(x!, y!, true, true))]);
  const [p, q] = [encoded(a.values), encoded(b.values)];
  const want = (i: number) => {
    const [g, r, c] = [Math.floor(i / (m * n)), Math.floor(i / n) % m, i % n];
    let s = 0;
    for (let j = 0; j < k; j++) s += p[(g * k + j) * m + r]! * q[c * k + j]!;
    return s;
  };
  t.true(worst(outputs[0]!, want).max <= 2 ** -16);
});

test('GeLU, both forms: largest error 4.6e-5 on ±100 and right beyond the thresholds', async (t) => {
  const values = uniform(30000, -100, 100, 3);
  for (let i = 0; i < 15000; i++) values[i] = values[i]! / 20;
  values.set([124, -124, 124.1, -124.1, 1000, -1000, 4.5, -4.5, 4.4999, -4.5001]);
  const x = encoded(values);
  const { outputs, checked } = await evaluate([vector(values)], (e, [v]) => [gelu(e, v!), gelu(e, v!, 'tanh')]);
  t.true(worst(outputs[0]!, (i) => (x[i]! / 2) * (1 + erf(x[i]! / Math.SQRT2))).max <= 4.6e-5);
  t.true(
    worst(outputs[1]!, (i) => (x[i]! / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x[i]! + 0.044715 * x[i]! ** 3))))
      .max <= 6e-5,
  );
  t.is(checked.cost.rounds, 3);
});

test('GeLU is a shorter series where its argument is opened in all bits of that one’s period', async (t) => {
  const values = uniform(20000, -30, 30, 5);
  for (let i = 0; i < 10000; i++) values[i] = values[i]! / 6;
  const x = encoded(values);
  const periods: unknown[] = [];
  // Openings of 23 bits and of 24, the offset of which is 2^22
  for (const magnitude of [5, 6]) {
    const { outputs, checked } = await evaluate([vector(values)], (e, [v]) => [gelu(e, e.claim(v!, magnitude))]);
    const series = checked.program.instructions.find((i) => i.op === 'trig') as unknown as Record<string, unknown>;
    periods.push([series.period, series.step, (series.coefficients as unknown[]).length]);
    t.true(worst(outputs[0]!, (i) => (x[i]! / 2) * (1 + erf(x[i]! / Math.SQRT2))).max <= 4.6e-5);
  }
  t.deepEqual(periods, [
    [20, undefined, 8],
    [22, 5, 7],
  ]);
});

test('tanh and erf: 7.5e-5 and 6e-5', async (t) => {
  const values = uniform(20000, -12, 12, 4);
  const x = encoded(values);
  const { outputs } = await evaluate([vector(values)], (e, [v]) => [tanh(e, v!), elementwise.erf.emit(e, v!, {})]);
  t.true(worst(outputs[0]!, (i) => Math.tanh(x[i]!)).max <= 7.5e-5);
  t.true(worst(outputs[1]!, (i) => erf(x[i]!)).max <= 6e-5);
});

test('ReLU and comparison are exact, to the last place', async (t) => {
  const values = uniform(20000, -1000, 1000, 5);
  values.set([0, 2 ** -16, -(2 ** -16), 7.25, 7.25 - 2 ** -16]);
  const x = encoded(values);
  const { outputs } = await evaluate([vector(values)], (e, [v]) => [relu(e, v!), lessConstant(e, v!, 7.25)]);
  t.is(worst(outputs[0]!, (i) => Math.max(0, x[i]!)).max, 0);
  t.is(worst(outputs[1]!, (i) => (x[i]! < 7.25 ? 1 : 0)).max, 0);
});

test('reciprocal and inverse square root: relative error 7e-7 over the range', async (t) => {
  const next = random(6);
  const values = Float32Array.from({ length: 4000 }, () => 2 ** (-11.9 + 25.9 * next()));
  const x = encoded(values);
  const { outputs } = await evaluate([vector(values)], (e, [v]) => [reciprocal(e, v!), rsqrt(e, v!)]);
  t.true(
    worst(
      outputs[0]!.map((y, i) => y * x[i]!),
      () => 1,
    ).max <= 7e-7,
  );
  t.true(
    worst(
      outputs[1]!.map((y, i) => y * Math.sqrt(x[i]!)),
      () => 1,
    ).max <= 7e-7,
  );
});

for (const [width, bar] of [
  [128, 1e-4],
  [512, 2.5e-4],
  [7, 1e-4],
] as const) {
  test(`softmax, rows of ${width}: ±15, ±180 and one leader with the others 0 to 40 below`, async (t) => {
    const rows: Float32Array[] = [];
    for (let d = 0; d <= 40; d += 1.25) {
      const row = new Float32Array(width).fill(-d);
      row[Math.round(d * 3) % width] = 0;
      rows.push(row);
    }
    for (let i = 0; i < 6; i++) rows.push(uniform(width, -15, 15, i), uniform(width, -180, 180, 50 + i));
    const input = rowsOf(rows);
    const want = perRow(encoded(input.values), width, (row) => {
      const top = Math.max(...row);
      const p = row.map((v) => Math.exp(v - top));
      const s = p.reduce((a, b) => a + b, 0);
      return p.map((v) => v / s);
    });
    const { outputs } = await evaluate([input], (e, [x]) => [normalise(e, exactSoftmax(e, x!))]);
    t.true(worst(outputs[0]!, (i) => want[i]!).max <= bar);
  });
}

test('2Quad against its own plaintext', async (t) => {
  const width = 64;
  const input = { shape: [20, width], values: uniform(20 * width, -15, 15, 7) };
  const want = perRow(encoded(input.values), width, (row) => {
    const p = row.map((v) => (v + 5) ** 2);
    const s = p.reduce((a, b) => a + b, 0);
    return p.map((v) => v / s);
  });
  const { outputs } = await evaluate([input], (e, [x]) => [normalise(e, quadSoftmax(e, x!, 5))]);
  t.true(worst(outputs[0]!, (i) => want[i]!).max <= 1e-5);
});

for (const [std, mean, bar] of [
  [0.03, 0, 2e-4],
  [0.3, 50, 5e-6],
  [1, -50, 3e-6],
  [60, 50, 3e-6],
] as const) {
  test(`LayerNorm, rows of 768, standard deviation ${std}, mean ${mean}`, async (t) => {
    const next = random(8);
    const [rows, h] = [8, 768];
    const values = Float32Array.from(
      perRow(
        Float64Array.from({ length: rows * h }, () => normal(next)),
        h,
        (row) => {
          const m = row.reduce((a, b) => a + b, 0) / h;
          const s = Math.sqrt(row.reduce((a, b) => a + (b - m) ** 2, 0) / h);
          return row.map((v) => ((v - m) / s) * std + mean);
        },
      ),
    );
    const want = perRow(encoded(values), h, (row) => {
      const m = row.reduce((a, b) => a + b, 0) / h;
      const s = Math.sqrt(row.reduce((a, b) => a + (b - m) ** 2, 0) / h);
      return row.map((v) => (v - m) / s);
    });
    const { outputs } = await evaluate([{ shape: [rows, h], values }], (e, [x]) => [layerNorm(e, x!, 1e-12)]);
    t.true(worst(outputs[0]!, (i) => want[i]!).max <= bar);
  });
}

test('a constant row and an ε that counts stay in LayerNorm’s domain', async (t) => {
  const values = new Float32Array(2 * 64).fill(3);
  for (let i = 0; i < 64; i++) values[64 + i] = i % 2 ? 0.02 : -0.02;
  const { outputs } = await evaluate([{ shape: [2, 64], values }], (e, [x]) => [layerNorm(e, x!, 1e-3)]);
  t.true(worst(outputs[0]!.subarray(0, 64), () => 0).max < 1e-3);
  const x = encoded(values);
  const variance = x.subarray(64).reduce((s, v) => s + v * v, 0) / 64;
  t.true(worst(outputs[0]!.subarray(64), (i) => x[64 + i]! / Math.sqrt(variance + 1e-3)).max < 1e-4);
});

test('maximum and its index, ties to the lower one', async (t) => {
  const width = 7;
  const values = uniform(50 * width, -15, 15, 9);
  values.set([1, 5, 5, 2, 5, 0, 5]);
  values.set([5, 0, 0, 5, 0, 0, 5], width);
  const x = encoded(values);
  const { outputs } = await evaluate([{ shape: [50, width], values }], (e, [v]) => {
    const { max, index } = maxWithIndex(e, v!, true);
    return [max, index!];
  });
  const row = (i: number) => Array.from(x.subarray(i * width, (i + 1) * width));
  t.is(worst(outputs[0]!, (i) => Math.max(...row(i))).max, 0);
  t.is(worst(outputs[1]!, (i) => row(i).indexOf(Math.max(...row(i)))).max, 0);
});
