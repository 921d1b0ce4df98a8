import { checkProgram, Emitter, gelu, ProgramBuilder } from '@secformer/secformer-ops';
import test from 'ava';
import { type PlannedRound, roundsOf, stretchesOf } from '../src/schedule.js';

const round = (operation: string): PlannedRound => ({ opened: [{ operation, bits: 8, elements: 4 }], bytes: 4 });
const rounds = (text: string) => [...text].map(round);

test('layers are found as the stretch that repeats, with what comes before and after', (t) => {
  t.deepEqual(stretchesOf(rounds('xabcabcabcyz')), [
    { from: 0, rounds: 1, times: 1 },
    { from: 1, rounds: 3, times: 3 },
    { from: 10, rounds: 2, times: 1 },
  ]);
  // A repetition inside a layer is shorter than the layers
  t.deepEqual(stretchesOf(rounds('aabaabaab')), [{ from: 0, rounds: 3, times: 3 }]);
  t.deepEqual(stretchesOf(rounds('abc')), [{ from: 0, rounds: 3, times: 1 }]);
  t.deepEqual(stretchesOf([]), []);
});

test('what is opened in each round, by width, is what the frames hold', (t) => {
  const builder = new ProgramBuilder();
  const e = new Emitter(builder);
  builder.tag = 'gelu';
  // Whole bytes, so that nothing is padded
  const x = builder.input({ kind: 'share', shape: [64], fracBits: 16, bits: 64, magnitude: 12 });
  const checked = checkProgram(builder.build([gelu(e, x)]));
  const all = roundsOf(checked);
  t.is(all.length, checked.cost.rounds);
  t.is(
    all.reduce((sum, r) => sum + r.bytes, 0),
    checked.cost.online,
  );
  for (const { opened, bytes } of all) {
    t.is(
      opened.reduce((sum, o) => sum + (o.bits * o.elements) / 8, 0),
      bytes,
    );
    t.true(opened.every((o) => o.operation === 'gelu'));
  }
  t.deepEqual(all[0]!.opened, [{ operation: 'gelu', bits: 29, elements: 64 }]);
});
