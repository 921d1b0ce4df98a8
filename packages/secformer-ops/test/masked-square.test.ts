/** Squares where a mask has ones: every case of the wrap, of the mask's bits and of their masks; and 2Quad's use. */
import test from 'ava';
import {
  attend,
  type Emitter,
  normalise,
  ProgramBuilder,
  ProgramError,
  quadSoftmax,
  type ShareType,
} from '../src/index.js';
import { encoded, evaluate, uniform, worst } from './harness.js';

const bit = (e: Emitter, v: number) =>
  e.emit('open', [v], { shift: e.share(v).fracBits, width: 1, offsetLog: -1, share: 'none', bits: 0, within: [0, 1] });

const [ROWS, WIDTH] = [24, 40];
const values = uniform(ROWS * WIDTH, -2000, 2000, 1);
values.set([0, -2047.9, 2047.9, 2 ** -16, -(2 ** -16)]);

/** Masks of keys, of rows, of all elements, and of one number. */
const shapes = [[WIDTH], [ROWS, 1], [ROWS, WIDTH], [1, 1]];

for (const [name, open] of Object.entries({
  lifted: (e: Emitter, x: number) => e.factor(e.claim(x, 11)),
  modular: (e: Emitter, x: number) =>
    e.emit('open', [x], { shift: 0, width: 64, offsetLog: -1, share: 'modular', bits: 64 }),
}))
  test(`squares of ${name} openings are exact where the mask has ones, and 0 elsewhere`, async (t) => {
    const masks = shapes.map((shape, i) => ({
      shape,
      values: uniform(
        shape.reduce((a, b) => a * b),
        0,
        1,
        5 + i,
      ).map(Math.round),
    }));
    const { outputs, checked } = await evaluate([{ shape: [ROWS, WIDTH], values }, ...masks], (e, [x, ...of]) => {
      const opened = open(e, x!);
      return [
        e.emit('square', [opened], { magnitude: 22 }),
        e.emit('square', [opened], { magnitude: 22, apart: true }),
        ...of.map((m) => e.emit('maskedSquare', [opened, bit(e, m)], { magnitude: 22 })),
      ];
    });
    const x = encoded(values);
    for (const plain of outputs.slice(0, 2)) t.is(worst(plain!, (i) => x[i]! ** 2).max, 0);
    for (const [k, { shape, values: m }] of masks.entries()) {
      const at = (i: number) => {
        const [row, column] = [Math.floor(i / WIDTH), i % WIDTH];
        return m[shape.length === 1 ? column : (shape[0] === 1 ? 0 : row) * shape[1]! + (shape[1] === 1 ? 0 : column)]!;
      };
      t.is(worst(outputs[k + 2]!, (i) => (at(i) ? x[i]! ** 2 : 0)).max, 0, `mask of [${shape}]`);
    }
    t.is((checked.types[checked.program.outputs[2]!] as ShareType).bits, 64);
  });

test('what a wrap adds is dealt above its power of two alone', async (t) => {
  const dealt = async (attributes: object, mask: boolean) => {
    const inputs = [
      { shape: [64], values: uniform(64, -9, 9, 2) },
      { shape: [1], values: Float32Array.of(1) },
    ];
    const { checked } = await evaluate(inputs, (e, [x, m]) => {
      const opened = e.factor(e.claim(x!, 11));
      const ins = mask ? [opened, bit(e, m!)] : [opened];
      return [e.emit(mask ? 'maskedSquare' : 'square', ins, { magnitude: 22, ...attributes })];
    });
    // Without the lift's own corrections, and β of the mask
    return checked.cost.dealer - (mask ? 8 : 0);
  };
  const [usual, apart, masked] = [await dealt({}, false), await dealt({ apart: true }, false), await dealt({}, true)];
  // An opening of 29 bits: 64 − 30 bits, and 35 of β·u
  t.is(usual - apart, 64 * 8 - (64 * 34) / 8);
  t.is(masked - apart, 2 * 64 * 8 + (64 * (34 + 35)) / 8);
});

test('operands that are no opened value and its bits are refused', (t) => {
  const builder = new ProgramBuilder();
  const share = (shape: number[], fracBits = 0) =>
    builder.input({ kind: 'share', shape, fracBits, bits: 64, magnitude: 10 });
  const open = (v: number, width: number, more = {}) =>
    builder.emit('open', [v], { shift: 0, width, offsetLog: -1, share: 'modular', bits: width, ...more });
  const x = open(share([4, 8], 16), 64);
  const [b, other, two, none] = [
    open(share([8]), 1),
    open(share([3]), 1),
    open(share([8]), 2),
    open(share([4, 8], 16), 40, { share: 'none', bits: 0, within: [0, 1] }),
  ];
  const square = (...ins: number[]) => builder.emit('maskedSquare', ins, { magnitude: 20 });
  t.notThrows(() => square(x, b));
  for (const ins of [[x], [x, other], [x, two], [b, x], [none, b], [x, b, b]])
    t.throws(() => square(...ins), { instanceOf: ProgramError }, String(ins));
});

/** 2Quad of rows where a mask has ones. */
function meant(scores: Float64Array, c: number, width: number, mask: (i: number) => number): Float64Array {
  const squares = scores.map((s, i) => (mask(i) ? (s + c) ** 2 : 0));
  return squares.map((v, i) => {
    const from = i - (i % width);
    return v / squares.subarray(from, from + width).reduce((a, b) => a + b);
  });
}

test('2Quad with masks of keys and of rows takes no round more than without, in long rows too', async (t) => {
  for (const n of [128, 512]) {
    const scores = uniform(8 * n, -6, 6, 3);
    // Padding far out counts for nothing
    for (let i = 0; i < 8; i++) scores[i * n + n - 1] = 1500;
    const keys = Float32Array.from({ length: n }, (_, i) => (i < n - 9 ? 1 : 0));
    const each = uniform(8 * n, 0, 1, 4).map((v, i) => (i % n === n - 1 ? 0 : Math.round(v)));
    const inputs = [{ shape: [8, n], values: scores }];
    const rounds = (await evaluate(inputs, (e, [x]) => [normalise(e, quadSoftmax(e, x!, 5))])).checked.cost.rounds;
    for (const [shape, values, at] of [
      [[n], keys, (i: number) => keys[i % n]!],
      [[8, n], each, (i: number) => each[i]!],
    ] as const) {
      const { outputs, checked } = await evaluate([...inputs, { shape: [...shape], values }], (e, [x, m]) => [
        normalise(e, quadSoftmax(e, x!, 5, m!)),
      ]);
      const want = meant(encoded(scores), 5, n, at);
      t.is(checked.cost.rounds, rounds, `rows of ${n}, a mask of [${shape}]`);
      const { max } = worst(outputs[0]!, (i) => want[i]!);
      t.true(max < 2e-5, `rows of ${n}, a mask of [${shape}]: ${max}`);
      t.true(
        outputs[0]!.every((v, i) => at(i) === 1 || Math.abs(v) < 1e-6),
        'masked',
      );
    }
  }
});

test('a context of masked weights is right', async (t) => {
  const n = 32;
  const [scores, v] = [uniform(n * n, -6, 6, 7), uniform(n * 8, -4, 4, 8)];
  const keys = Float32Array.from({ length: n }, (_, i) => (i % 3 ? 1 : 0));
  const inputs = [
    { shape: [n, n], values: scores },
    { shape: [n, 8], values: v },
    { shape: [n], values: keys },
  ];
  const { outputs } = await evaluate(inputs, (e, [x, y, m]) => [attend(e, quadSoftmax(e, x!, 5, m!), y!, false)]);
  const [p, columns] = [meant(encoded(scores), 5, n, (i) => keys[i % n]!), encoded(v)];
  const want = (i: number) => {
    const [row, column] = [Math.floor(i / 8), i % 8];
    return Array.from({ length: n }, (_, k) => p[row * n + k]! * columns[k * 8 + column]!).reduce((a, b) => a + b);
  };
  t.true(worst(outputs[0]!, want).max < 2e-4);
});
