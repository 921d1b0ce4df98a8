import { Arena, type Words } from '@secformer/ring';
import test from 'ava';
import { lessThan } from '../src/compose/bits.js';
import { checkProgram, Emitter, ProgramBuilder } from '../src/index.js';
import { kernels } from './harness.js';
import { Roles } from './roles.js';

/** Integers of so many bits and a sign, some of them equal. */
function integers(n: number, bits: number, seed: number): Words {
  const out = new BigUint64Array(n);
  kernels.streamWords(new Uint8Array(32).fill(seed), out, 0, bits + 1);
  return out.map((v, i) => BigInt.asUintN(64, i % 7 === 0 ? BigInt(i % 512) : v - (1n << BigInt(bits))));
}

/** The Program of the larger of two tensors whose openings are stored. */
function largerOf(n: number, width: number) {
  const builder = new ProgramBuilder();
  const fracBits = Math.max(0, width - 24);
  const magnitude = width - 3 - fracBits;
  const [a, b] = [0, 1].map(() =>
    builder.input({ kind: 'opened', shape: [n], fracBits, bits: 64, magnitude, width }),
  ) as [number, number];
  const e = new Emitter(builder);
  const difference = e.emit('subOpened', [a, b], { magnitude: magnitude + 1 });
  const bit = e.emit('openBits', [lessThan(e, difference, 0, width, [0], { wide: true })]);
  return checkProgram(builder.build([e.emit('larger', [a, b, bit], { magnitude })]));
}

for (const width of [14, 29, 32, 33, 48])
  test(`the larger of two opened integers modulo 2^${width}, equal ones too, in the memory it declares`, async (t) => {
    const n = 2 ** 14;
    const checked = largerOf(n, width);
    const [a, b] = [integers(n, width - 3, 1), integers(n, width - 3, 2)];
    const arenas = [new Arena(0), new Arena(0), new Arena(0)] as const;
    const [[first], [second]] = await new Roles(checked, [a, b]).together(arenas);
    const sum = new BigUint64Array(n);
    kernels.add(sum, first!, second!);
    for (let i = 0; i < n; i++) {
      const [x, y] = [BigInt.asIntN(64, a[i]!), BigInt.asIntN(64, b[i]!)];
      if (BigInt.asIntN(width, sum[i]!) !== (x > y ? x : y)) t.fail(`of ${x} and ${y}: ${sum[i]}`);
    }
    const { peak, dealerPeak } = checked.cost;
    t.true(peak >= Math.max(arenas[0].peakBytes, arenas[1].peakBytes) / 1.06);
    t.true(dealerPeak >= arenas[2].peakBytes / 1.06);
  });

test('pairs and groups are of openings without an offset', (t) => {
  const opened = (more: object) => {
    const builder = new ProgramBuilder();
    const e = new Emitter(builder);
    const x = builder.input({ kind: 'share', shape: [8, 2], fracBits: 16, bits: 64, magnitude: 4 });
    const how = { shift: 0, width: 13, offsetLog: -1, share: 'modular', bits: 13, ...more };
    const v = e.emit('open', [e.reinterpret(x, 0, 4)], how);
    const part = (at: number) => e.slice(v, [0, at], [8, 1]);
    const bit = e.emit('openBits', [
      lessThan(e, e.emit('subOpened', [part(0), part(1)], { magnitude: 6 }), 0, 13, [0]),
    ]);
    return { e, v, part, bit };
  };
  for (const how of [{}, { offsetLog: 11 }]) {
    const { e, v, part, bit } = opened(how);
    const larger = () => e.emit('larger', [part(0), part(1), bit], { magnitude: 4 });
    const winner = () => e.emit('winner', [v, bit], { magnitude: 4 });
    for (const emit of [larger, winner])
      if ('offsetLog' in how) t.throws(emit, { code: 'BAD_PROGRAM' });
      else t.notThrows(emit);
  }
});
