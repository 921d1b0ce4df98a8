/** Products of truncations' openings without their last bits, and the operands that are opened of them in one round. */
import test from 'ava';
import {
  attend,
  checkProgram,
  type Emitter,
  exactSoftmax,
  layerNorm,
  OPERAND_FORMATS,
  ProgramBuilder,
  ProgramError,
  quadSoftmax,
} from '../src/index.js';
import { encoded, evaluate, normal, random, uniform, worst } from './harness.js';

const lift = (width: number, offsetLog: number) => ({ shift: 0, width, offsetLog, share: 'lift', bits: 64 });

/** x·y of rows and their scales, by `mulDrop`, both opened in as few bits as they take. */
const scaled = (shift: number, signed: boolean) => (e: Emitter, x: number, y: number) => {
  const wide = (v: number) => e.emit('drop', [e.reinterpret(v, 16, 13)], { shift: 1 });
  const of = e.emit('open', [wide(x)], { ...lift(30, 28), within: [-8192, 8192] });
  const by = e.emit(
    'open',
    [wide(y)],
    signed ? { ...lift(26, 24), within: [-512, 512] } : { ...lift(26, -1), within: [0, 1024] },
  );
  return e.emit('mulDrop', [of, by], { shift, magnitude: 14 });
};

test('every case of both wraps is the product, to what is dropped', async (t) => {
  const [rows, width] = [64, 96];
  const x = uniform(rows * width, -60, 60, 1);
  x.set([0, -8191.5, 8191.5, 2 ** -15, -(2 ** -15)]);
  for (const signed of [false, true]) {
    const y = uniform(rows, signed ? -1.9 : 0, 1.9, 2);
    y.set([2 ** -14, 0.5, 1.9]);
    for (const shift of [1, 5, 8]) {
      const inputs = [
        { shape: [rows, width], values: x },
        { shape: [rows, 1], values: y },
      ];
      const { outputs } = await evaluate(inputs, (e, [a, b]) => [scaled(shift, signed)(e, a!, b!)]);
      const [p, q] = [encoded(x), encoded(y)];
      // Either side may be rounded to 15 bits
      const bar = (i: number) =>
        2 ** -15 * (Math.abs(p[i]!) + Math.abs(q[Math.floor(i / width)]!) + 1) + 2 ** (2 * shift - 30);
      const off = (i: number) => Math.abs(outputs[0]![i]! - p[i]! * q[Math.floor(i / width)]!) / bar(i);
      const most = Math.max(...Array.from(outputs[0]!, (_, i) => off(i)));
      t.true(most <= 1, `${signed ? 'signed' : 'positive'} scales, ${shift} bits: ${most} of the bar`);
    }
  }
});

test('operands that it does not take are refused', (t) => {
  const builder = new ProgramBuilder();
  const share = (shape: number[]) => builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 10 });
  const [rows, scales, others] = [share([4, 8]), share([4, 1]), share([3, 8])];
  const open = (v: number, how: object) => builder.emit('open', [v], { ...how } as never);
  const [x, y, z] = [open(rows, lift(28, 26)), open(scales, lift(28, 26)), open(others, lift(28, 26))];
  const modular = open(scales, { shift: 0, width: 64, offsetLog: -1, share: 'modular', bits: 64 });
  const drop = (ins: number[], shift = 8) => builder.emit('mulDrop', ins, { shift, magnitude: 12 });
  t.notThrows(() => drop([x, y]));
  for (const ins of [[x, modular], [modular, x], [x], [rows, y], [y, x], [x, z]])
    t.throws(() => drop(ins), { instanceOf: ProgramError }, String(ins));
  t.throws(() => drop([x, y], 27), { instanceOf: ProgramError });
  t.throws(() => drop([x, y], 0), { instanceOf: ProgramError });
});

/** Rounds until an operand of a value is there. */
const roundsOf = (compose: (e: Emitter, x: number) => number, shape: number[]) => async () =>
  (
    await evaluate(
      [
        {
          shape,
          values: uniform(
            shape.reduce((a, b) => a * b),
            -2,
            2,
            3,
          ),
        },
      ],
      (e, [x]) => [compose(e, x!)],
    )
  ).checked.cost.rounds;

test('an operand of a norm, of a context and of a 2Quad’s is one opening', async (t) => {
  const shape = [8, 128];
  const square = (e: Emitter, x: number) => e.slice(x, [0, 0], [8, 8]);
  for (const compose of [
    (e: Emitter, x: number) => layerNorm(e, x, 1e-12, true),
    (e: Emitter, x: number) => attend(e, exactSoftmax(e, square(e, x)), x, false),
    (e: Emitter, x: number) => attend(e, quadSoftmax(e, square(e, x), 5), x, false),
  ]) {
    const before = await roundsOf(compose, shape)();
    const after = await roundsOf((e, x) => e.emit('unwrap', [e.operand(compose(e, x))]), shape)();
    t.is(after, before + 1);
  }
});

for (const bits of [16, 13] as const)
  test(`an operand of a norm with ${bits} bits is right to a unit, for deviations from 0.3 to 60`, async (t) => {
    const width = 384;
    const next = random(7);
    const unit = 2 ** -bits;
    for (const deviation of [0.3, 3, 16, 60]) {
      const values = Float32Array.from({ length: 8 * width }, () => normal(next) * deviation);
      for (let row = 0; row < 8; row++) {
        const mean = values.subarray(row * width, (row + 1) * width).reduce((a, b) => a + b) / width;
        for (let i = row * width; i < (row + 1) * width; i++) values[i] = values[i]! - mean;
        // One feature far out, as BERTs have it
        values[row * width] = 15 * deviation;
        values[row * width + 1] = -15 * deviation;
      }
      const x = encoded(values);
      const { outputs } = await evaluate([{ shape: [8, width], values }], (e, [v]) => {
        e.format = OPERAND_FORMATS[bits];
        return [e.emit('unwrap', [e.operand(layerNorm(e, v!, 0, true))])];
      });
      const inverse = Array.from({ length: 8 }, (_, row) => {
        const own = x.subarray(row * width, (row + 1) * width);
        return 1 / Math.sqrt(own.reduce((s, v) => s + v * v, 0) / width);
      });
      const { max, mean } = worst(outputs[0]!, (i) => x[i]! * inverse[Math.floor(i / width)]!);
      // A unit of the operand, and 4e-6 of 1/σ times 15
      t.true(max <= unit + 6e-5, `deviation ${deviation}: ${max}`);
      t.true(mean <= unit / 2, `deviation ${deviation}: ${mean} in the mean`);
    }
  });

test('a context of flat and of sharp rows is right to a unit of its operand', async (t) => {
  const width = 128;
  for (const spread of [0, 0.5, 30]) {
    const scores = uniform(width * width, -spread, spread, 11);
    const values = uniform(width * 32, -3, 3, 12);
    const inputs = [
      { shape: [width, width], values: scores },
      { shape: [width, 32], values },
    ];
    const { outputs } = await evaluate(inputs, (e, [s, v]) => [
      e.emit('unwrap', [e.operand(attend(e, exactSoftmax(e, s!), v!, false))]),
    ]);
    const [s, v] = [encoded(scores), encoded(values)];
    const want = Array.from({ length: width }, (_, row) => {
      const powers = Array.from(s.subarray(row * width, (row + 1) * width), Math.exp);
      const total = powers.reduce((a, b) => a + b);
      return Array.from({ length: 32 }, (_, j) => powers.reduce((sum, p, k) => sum + p * v[k * 32 + j]!, 0) / total);
    }).flat();
    const { max } = worst(outputs[0]!, (i) => want[i]!);
    t.true(max <= 2e-4, `spread ${spread}: ${max}`);
  }
});

test('a result whose operand would be off by more, or takes all bits, is opened in two rounds as before', async (t) => {
  const builder = new ProgramBuilder();
  const x = builder.input({ kind: 'share', shape: [4, 128], fracBits: 16, bits: 64, magnitude: 14 });
  const { Emitter } = await import('../src/index.js');
  const e = new Emitter(builder);
  const wide = e.operand(layerNorm(e, x, 1e-12, true), 64);
  const ops = checkProgram(builder.build([e.emit('unwrap', [wide])])).program.instructions.map((i) => i.op);
  t.false(ops.includes('mulDrop'));
});
