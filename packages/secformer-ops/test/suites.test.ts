import test from 'ava';
import { type Emitter, geluOf, normalise, probabilities, type Suite, suiteOf, suites } from '../src/index.js';
import { encoded, evaluate, normal, random, uniform, worst } from './harness.js';

const weights = (suite: Suite) => (e: Emitter, x: number) => {
  return probabilities(suite, e, x);
};

function rows(x: Float64Array, width: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += width) out.set(f(x.subarray(i, i + width)), i);
  return out;
}

/**
 * Largest difference of each suite's protocols from its own formulas, as measured; and how far the formula itself is
 * from the function meant.
 */
const bars: Record<
  string,
  { gelu: number; softmax: number; layerNorm: number; range: [number, number]; deviations: number[] }
> = {
  exact: { gelu: 4.6e-5, softmax: 1e-4, layerNorm: 5e-6, range: [-100, 100], deviations: [0.3, 3, 40] },
  fast: { gelu: 4.6e-5, softmax: 1e-4, layerNorm: 5e-6, range: [-100, 100], deviations: [0.3, 3, 40] },
  secformer: { gelu: 4e-4, softmax: 1e-6, layerNorm: 3e-4, range: [-100, 100], deviations: [3, 10, 40] },
  mpcformer: { gelu: 0, softmax: 5e-5, layerNorm: 4e-4, range: [-100, 100], deviations: [0.4, 3, 10] },
  'mpcformer-2relu': { gelu: 0, softmax: 5e-5, layerNorm: 4e-4, range: [-100, 100], deviations: [0.4, 3, 10] },
  puma: { gelu: 4e-5, softmax: 2e-5, layerNorm: 4e-4, range: [-100, 100], deviations: [0.3, 3, 40] },
  crypten: { gelu: 1.5e-3, softmax: 1e-5, layerNorm: 4e-4, range: [-20, 20], deviations: [0.4, 3, 10] },
};

test('there is a bar for every suite', (t) => {
  t.deepEqual(Object.keys(bars), Object.keys(suites));
});

for (const [name, bar] of Object.entries(bars)) {
  const suite = suiteOf(name);

  test(`${name}: GeLU is its own formula`, async (t) => {
    const values = uniform(20000, ...bar.range, 1);
    for (let i = 0; i < 10000; i++) values[i] = values[i]! / (bar.range[1] / 8);
    const x = encoded(values);
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => [suite.gelu(e, v!, 'erf')]);
    // The paper's comparison leaves out bits below 2^−8, and its pieces do not meet at ±1.7√2
    const meets = (v: number) => name !== 'secformer' || Math.abs(Math.abs(v) - 615 / 256) > 2 ** -7;
    const want = (i: number) => (meets(x[i]!) ? suite.formulas.gelu(x[i]!) : outputs[0]![i]!);
    t.true(worst(outputs[0]!, want).max <= bar.gelu, String(worst(outputs[0]!, want).max));
  });

  test(`${name}: softmax is its own formula where it converges`, async (t) => {
    for (const [width, top] of [
      [128, 5],
      [512, 5],
      [37, 12],
    ] as const) {
      const values = uniform(12 * width, -top, top, 2);
      const x = encoded(values);
      const { outputs } = await evaluate([{ shape: [12, width], values }], (e, [v]) => [weights(suite)(e, v!)]);
      const holds = suite.holds?.softmax ?? (() => true);
      let inside = 0;
      const want = rows(x, width, (row) => {
        if (!holds(row)) return new Float64Array(width).fill(Number.NaN);
        inside++;
        return suite.formulas.softmax(row);
      });
      t.true(inside > 6, `only ${inside} rows of ${width} in the domain`);
      const found = worst(outputs[0]!, (i) => (Number.isNaN(want[i]!) ? outputs[0]![i]! : want[i]!));
      t.true(found.max <= bar.softmax, `rows of ${width}: ${found.max}`);
    }
  });

  test(`${name}: LayerNorm is its own formula where it converges`, async (t) => {
    const next = random(5);
    const width = 384;
    for (const deviation of bar.deviations) {
      const values = Float32Array.from({ length: 8 * width }, () => normal(next) * deviation - 1.5);
      const x = encoded(values);
      const { outputs } = await evaluate([{ shape: [8, width], values }], (e, [v]) => [suite.layerNorm(e, v!, 1e-12)]);
      const want = rows(x, width, (row) => suite.formulas.layerNorm(row, 1e-12));
      const found = worst(outputs[0]!, (i) => want[i]!);
      t.true(found.max <= bar.layerNorm, `deviation ${deviation}: ${found.max}`);
    }
  });
}

test('the error of each GeLU is that of its paper: the sine series 0.0195, the polynomials 0.0199', async (t) => {
  const values = uniform(60000, -10, 10, 9);
  // PUMA's largest error is at the end of its last piece
  values.set([3 - 2 ** -16, 2.9999, 3, -4, -1.95, -2.4042, 2.4042]);
  const x = encoded(values);
  const error = async (name: string) => {
    const { outputs } = await evaluate([{ shape: [values.length], values }], (e, [v]) => [
      suiteOf(name).gelu(e, v!, 'erf'),
    ]);
    return worst(outputs[0]!, (i) => geluOf(x[i]!)).max;
  };
  const [secformer, puma] = [await error('secformer'), await error('puma')];
  t.true(secformer >= 0.0194 && secformer <= 0.02, String(secformer));
  t.true(puma >= 0.0195 && puma <= 0.02, String(puma));
});

test('a row that a deflated sum would overflow scales η, and the suite says so', (t) => {
  const { remark } = suiteOf('secformer');
  t.is(remark?.('softmax', 128), undefined);
  t.regex(remark!('softmax', 512)!, /η = 20000/);
});

test('2Quad takes a mask of zeros and ones in every suite', async (t) => {
  const width = 24;
  const values = uniform(4 * width, -3, 3, 11);
  const mask = Float32Array.from({ length: width }, (_, i) => (i % 3 === 0 ? 0 : 1));
  const x = encoded(values);
  const want = rows(x, width, (row) => {
    const p = row.map((v, i) => (v + 5) ** 2 * mask[i]!);
    const total = p.reduce((a, b) => a + b, 0);
    return p.map((v) => v / total);
  });
  for (const suite of Object.values(suites)) {
    const { outputs } = await evaluate(
      [
        { shape: [4, width], values },
        { shape: [width], values: mask },
      ],
      (e, [v, m]) => {
        const made = suite.quad(e, v!, 5, e.broadcast(m!, [4, width]));
        return [typeof made === 'number' ? made : normalise(e, made)];
      },
    );
    t.true(worst(outputs[0]!, (i) => want[i]!).max <= 1e-4, suite.name);
  }
});

test('a suite says which of its functions are others than their names say', (t) => {
  const row = Float64Array.of(0.3, -2, 1, 0.5);
  for (const [name, { functions, replaces = [] }] of Object.entries(suites)) {
    const far = {
      gelu: Math.max(...[-3, -1, 2].map((x) => Math.abs(functions.gelu(x) - suites.exact!.functions.gelu(x)))),
      softmax: Math.max(
        ...functions.softmax(row).map((v, i) => Math.abs(v - suites.exact!.functions.softmax(row)[i]!)),
      ),
    };
    for (const f of ['gelu', 'softmax'] as const) t.is(far[f] > 0.01, replaces.includes(f), `${name}: ${f}`);
  }
});
