/** Contexts and normalised rows that a public tensor multiplies next, at the scale that they then have. */
import test from 'ava';
import { attend, type Emitter, exactSoftmax, layerNorm, OPERAND_FORMATS, quadSoftmax, Watch } from '../src/index.js';
import { encoded, evaluate, normal, random, worst } from './harness.js';

const [ROWS, WIDTH] = [3, 4];
const C = 5;

/** Scores, of which one row's are all alike, and values. */
function given(n: number, spread: number) {
  const next = random(n);
  const scores = Float32Array.from({ length: ROWS * n }, (_, i) => (i < n ? 1 : spread * normal(next)));
  const values = Float32Array.from({ length: n * WIDTH }, () => normal(next));
  return { scores: { shape: [ROWS, n], values: scores }, values: { shape: [n, WIDTH], values } };
}

/** The largest error of a context. */
async function error(
  n: number,
  spread: number,
  weigh: (e: Emitter, scores: number) => ReturnType<typeof exactSoftmax>,
  numerator: (score: number) => number,
): Promise<number> {
  const { scores, values } = given(n, spread);
  const { outputs } = await evaluate([scores, values], (e, [s, v]) => {
    e.carried.add(v!);
    return [attend(e, weigh(e, s!), v!, false)];
  });
  const [s, v] = [encoded(scores.values), encoded(values.values)];
  const want = (i: number) => {
    const [row, column] = [Math.floor(i / WIDTH), i % WIDTH];
    const weights = Array.from({ length: n }, (_, j) => numerator(s[row * n + j]!));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.reduce((a, w, j) => a + w * v[j * WIDTH + column]!, 0) / sum;
  };
  return worst(outputs[0]!, want).max;
}

// Sums of 255 and fewer are opened beside the numerators, and of more after them
for (const [n, bits, most] of [
  [128, 16, 2.5e-4],
  [512, 16, 2.5e-4],
  [128, 13, 5e-4],
  [512, 13, 5e-4],
] as const)
  test(`a context as in floating point: softmax in rows of ${n}, operands of ${bits} bits`, async (t) => {
    const weigh = (e: Emitter, s: number) => {
      e.format = OPERAND_FORMATS[bits];
      return exactSoftmax(e, s, true, true);
    };
    const off = await error(n, 3, weigh, Math.exp);
    t.true(off < most, String(off));
  });

for (const [n, watched] of [
  [8, false],
  [256, true],
  [300, false],
] as const)
  test(`a context as in floating point: 2Quad in rows of ${n}`, async (t) => {
    const weigh = (e: Emitter, s: number) => {
      if (watched) e.watch = new Watch();
      return quadSoftmax(e, s, C, undefined, true);
    };
    const off = await error(n, 2, weigh, (v) => (v + C) ** 2);
    t.true(off < 1e-4, String(off));
  });

test('what a secret adapter beside public weights takes of a normalised row is opened in one round', async (t) => {
  const [next, n] = [random(1), 768];
  const raw = Float32Array.from({ length: n }, () => normal(next));
  const mean = raw.reduce((a, b) => a + b, 0) / n;
  const input = { shape: [1, n], values: raw.map((v) => v - mean) };
  const opening = (e: Emitter, x: number) => e.emit('unwrap', [e.operand(layerNorm(e, x, 1e-12, true, true))]);
  const { outputs, checked } = await evaluate([input], (e, [x]) => [opening(e, x!)]);
  const alone = await evaluate([input], (e, [x]) => [layerNorm(e, x!, 1e-12, true, true)]);
  t.is(checked.cost.rounds, alone.checked.cost.rounds + 1);
  const x = encoded(input.values);
  const deviation = Math.sqrt(x.reduce((a, v) => a + v * v, 0) / n);
  const { max } = worst(outputs[0]!, (i) => x[i]! / deviation);
  t.true(max < 6e-5, String(max));
});
