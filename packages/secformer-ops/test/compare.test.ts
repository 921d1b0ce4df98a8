/** Comparisons in chunks of four and of five bits: the same bits, and right at every border of a chunk. */
import test from 'ava';
import { type Emitter, primitives } from '../src/index.js';
import { evaluate, uniform } from './harness.js';

/** Bits [x < τ] of an opening, by chunks of so many bits, as numbers. */
function bitsOf(e: Emitter, opened: number, how: { position: number; window: number }, chunk: number): number {
  const thresholds = ['-3', '0', '1', '17', '31', '32'];
  let v = e.emit('compare', [opened], { ...how, thresholds, chunk });
  do v = e.emit('combine', [v]);
  while (e.type(v).kind === 'chunks');
  const bits = Array.from({ length: thresholds.length }, (_, from) => e.emit('planes', [v], { from, count: 1 }));
  return e.concat(
    bits.map((b) => e.emit('bitValue', [e.emit('openBits', [b])], { bits: 64 })),
    0,
  );
}

/** Thresholds and their neighbours on the grid of 2^-16 and of 2^-13, borders of chunks of either size, and others. */
const near = [-4, -3, 0, 1, 15, 16, 17, 31, 32, 33, 1023, 1024, 32767, -32768].flatMap((v) =>
  [v - 1, v, v + 1].flatMap((at) => [at / 2 ** 16, at / 2 ** 13]),
);
const values = Float32Array.from([...near.map((v) => Math.max(-2, Math.min(1.99, v))), ...uniform(516, -2, 2, 7)]);

test('chunks of five bits give the bits that chunks of four give, wherever the window lies', async (t) => {
  const windows = [6, 7, 11, 14, 15, 16, 17, 21, 26, 31].map((window) => ({
    position: 0,
    window: Math.max(19, window),
  }));
  const across = [3, 13].flatMap((position) => [6, 7, 9, 10, 12, 15, 16].map((window) => ({ position, window })));
  const all = [...windows, ...across];
  const { outputs } = await evaluate([{ shape: [values.length], values, magnitude: 3 }], (e, [x]) => {
    const opened = e.emit('open', [x!], { shift: 0, width: 36, offsetLog: 20, share: 'none', bits: 0 });
    return all.flatMap((how) => [4, 5].map((chunk) => bitsOf(e, opened, how, chunk)));
  });
  all.forEach(({ position, window }, i) => {
    const [four, five] = [outputs[2 * i]!, outputs[2 * i + 1]!];
    t.deepEqual(five, four, `a window of ${window} bits from ${position}`);
    if (position > 0) return;
    [-3, 0, 1, 17, 31, 32].forEach((tau, k) => {
      values.forEach((v, j) => {
        if (five[k * values.length + j] !== Number(Math.round(v * 2 ** 16) < tau))
          t.fail(`${v} below ${tau}, window ${window}`);
      });
    });
  });
});

test('a chunk of five bits may lie across the halves of a word, and in the upper one', async (t) => {
  for (const position of [27, 28, 30, 31, 32, 40]) {
    const { outputs } = await evaluate([{ shape: [values.length], values, magnitude: 3 }], (e, [x]) => {
      const wide = e.emit('affine', [x!], {
        scale: String(1n << BigInt(position)),
        offset: '0',
        fracBits: 16,
        bits: 64,
        magnitude: 44,
      });
      const opened = e.emit('open', [wide], { shift: 0, width: 62, offsetLog: 60, share: 'none', bits: 0 });
      return [4, 5].map((chunk) => bitsOf(e, opened, { position, window: 20 }, chunk));
    });
    t.deepEqual(outputs[1], outputs[0], `from bit ${position}`);
    values.forEach((v, j) => {
      if (outputs[1]![values.length + j] !== Number(Math.round(v * 2 ** 16) < 0)) t.fail(`${v}, from bit ${position}`);
    });
  }
});

test('three chunks and not four are opened, for 161 bits of tables and not 97', (t) => {
  const { infer, material } = primitives.get('compare')!;
  const opened = { kind: 'opened', shape: [64], fracBits: 16, width: 32, offsetLog: 30, modular: false, bits: 64 };
  const ins = [{ ...opened, magnitude: 14 }] as never;
  const of = (chunk: number) => {
    const a = { op: 'compare', in: [0], position: 12, window: 16, thresholds: ['0'], chunk } as never;
    const bits = material!(ins, a, undefined as never).reduce((sum, b) => sum + b.count * b.bits, 0) / 64;
    return [(infer(ins, a) as unknown as { chunks: number }).chunks, bits];
  };
  t.deepEqual(of(4), [4, 97]);
  t.deepEqual(of(5), [3, 161]);
});
