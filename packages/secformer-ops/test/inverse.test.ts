import { decodeFixed } from '@secformer/ring';
import test from 'ava';
import { checkProgram, Emitter, inverse, ProgramBuilder, runTogether, type ShareType } from '../src/index.js';
import { kernels, random } from './harness.js';

interface Range {
  kind: 'reciprocal' | 'rsqrt';
  /** fractional bits of V, and the range of its integers */
  f: number;
  lo: number;
  hi: number;
}

/** Evenly in the logarithm, the thresholds of octaves of two and of four and what lies next to them, and both ends. */
function valuesOf({ lo, hi }: Range, n: number): number[] {
  const next = random(lo + hi);
  const out = Array.from({ length: n }, () => Math.floor(2 ** (lo + (hi - lo) * next())));
  for (let t = lo + 1; t < hi; t++) {
    const near = [0, 1, 2, 3, 2 ** (t - 3) / 16, 2 ** (t - 3), 2 ** (t - 4)].map(Math.floor);
    out.push(...near.flatMap((d) => [2 ** t - d, 2 ** t + d]));
  }
  return [...out, 2 ** lo, 2 ** hi - 1].filter((v) => v >= 2 ** lo && v < 2 ** hi);
}

async function run(range: Range, values: number[], factor: number) {
  const { f, lo, hi, kind } = range;
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  const x = builder.input({ kind: 'share', shape: [values.length], fracBits: f, bits: 64, magnitude: hi - f });
  const how = { shift: 0, width: hi + 1, offsetLog: -1, share: 'none', bits: 0, within: [0, 2 ** (hi - f)] };
  const out = inverse(e, e.emit('open', [x], how), { lo, hi, kind, factor });
  const checked = checkProgram(JSON.parse(JSON.stringify(builder.build([out]))));
  const together = await runTogether(kernels, checked, [BigUint64Array.from(values, BigInt)]);
  const of = checked.program.outputs[0]!;
  const t = checked.types[of] as ShareType;
  return { got: decodeFixed(kernels, together.reveal(of), t.bits, t.fracBits), cost: checked.cost, type: t };
}

/** Rows of 128 and 512 of a softmax, of 2Quad, variances of 768 and of 384, and octaves that are as few as can be. */
const RANGES: (Range & { bar: number })[] = [
  { kind: 'reciprocal', f: 20, lo: 18, hi: 28, bar: 8e-6 },
  { kind: 'reciprocal', f: 20, lo: 18, hi: 30, bar: 8e-6 },
  { kind: 'reciprocal', f: 20, lo: 18, hi: 21, bar: 8e-6 },
  { kind: 'rsqrt', f: 24, lo: 7, hi: 36, bar: 2e-6 },
  { kind: 'rsqrt', f: 24, lo: 7, hi: 38, bar: 2e-6 },
  { kind: 'rsqrt', f: 24, lo: 7, hi: 10, bar: 2e-6 },
];

for (const range of RANGES)
  test(`${range.kind} of V from 2^${range.lo} to 2^${range.hi}, next to every threshold too`, async (t) => {
    const values = valuesOf(range, 4000);
    const factor = 1.37;
    const { got, cost, type } = await run(range, values, factor);
    let worst = 0;
    values.forEach((v, i) => {
      const real = v / 2 ** range.f;
      const want = factor * (range.kind === 'reciprocal' ? 1 / real : real ** -0.5);
      worst = Math.max(worst, Math.abs(got[i]! / want - 1));
      t.true(want < 2 ** type.magnitude);
    });
    t.true(worst <= range.bar, String(worst));
    // The opening, and that of the bits
    t.is(cost.rounds, 2);
  });

test('many octaves of 1/v leave as many bits as there is room for: 2^-32 is always right', async (t) => {
  const range: Range = { kind: 'reciprocal', f: 16, lo: 13, hi: 41 };
  const values = valuesOf(range, 4000);
  const { got } = await run(range, values, 1);
  values.forEach((v, i) => {
    const want = 2 ** 16 / v;
    t.true(Math.abs(got[i]! - want) <= 8e-6 * want + 2 ** -32, `${got[i]} for ${want}`);
  });
});

test('only what fits is taken: thresholds of a window that rise, octaves within the opening, one kind of bits', (t) => {
  const builder = new ProgramBuilder();
  const x = builder.input({ kind: 'share', shape: [4], fracBits: 16, bits: 64, magnitude: 10 });
  const how = { shift: 0, width: 28, offsetLog: -1, share: 'none', bits: 0, within: [0, 1024] };
  const opened = builder.emit('open', [x], how);
  const lifted = builder.emit('open', [x], { shift: 0, width: 28, offsetLog: 26, share: 'lift', bits: 64 });
  const table = (at: number, a: object) =>
    builder.emit('compareTable', [at], { position: 12, window: 13, thresholds: [8, 32], ...a });
  const bits = builder.emit('openBits', [builder.emit('oneHot', [table(opened, {})])]);
  const series = (ins: number[], a: object = {}) =>
    builder.emit('octaveSeries', ins, {
      lo: 13,
      thresholds: [2],
      power: 2,
      factor: 1,
      constantTerm: 1,
      coefficients: [[1, 1]],
      fracBits: 48,
      bits: 64,
      ...a,
    });
  t.notThrows(() => series([opened, bits]));
  const refused = (body: () => unknown) => t.throws(body, { code: 'BAD_PROGRAM' });
  refused(() => table(opened, { position: 16 }));
  refused(() => table(opened, { thresholds: [32, 8] }));
  refused(() => table(opened, { window: 8, thresholds: [256] }));
  refused(() => table(opened, { window: 14 }));
  refused(() => table(lifted, {}));
  refused(() => table(x, {}));
  refused(() => series([opened]));
  refused(() => series([opened, opened]));
  refused(() => series([lifted, bits]));
  refused(() => series([opened, bits], { thresholds: [3] }));
  // The highest octave ends at 2^29 where it starts at 2^15
  refused(() => series([opened, bits], { lo: 22 }));
  refused(() => series([opened, bits], { coefficients: [[60, 60]] }));
  refused(() => series([opened, bits], { fracBits: 18 }));
});
