import { decodeFixed, encodeFixed, type Words } from '@secformer/ring';
import test from 'ava';
import {
  checkProgram,
  evaluateGraph,
  type Graph,
  plan,
  runTogether,
  type ShareType,
  suiteOf,
  withoutUnusedInputs,
  writtenTensor,
} from '../src/index.js';
import { kernels, uniform } from './harness.js';

/** x·w + b, and a second product of the result that an answer needs. */
const layer: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [3, 8] },
    { op: 'input', slot: 1, in: [], shape: [8, 5] },
    { op: 'input', slot: 2, in: [], shape: [5] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [3, 5] },
    { op: 'add', in: [3, 2], shape: [3, 5] },
  ],
  outputs: [4],
};
const states = [{ ...writtenTensor, once: true }, writtenTensor, writtenTensor];

test('revealed values leave with no more fractional bits than asked for, off by less than one unit', async (t) => {
  const inputs = [uniform(24, -4, 4, 1), uniform(40, -1, 1, 2), uniform(5, -2, 2, 3)];
  const want = evaluateGraph(
    layer,
    inputs.map((v) => Float64Array.from(v)),
  )[0]!;
  for (const revealBits of [undefined, 16, 9]) {
    const { program } = plan(layer, suiteOf('exact'), states, [0], [], undefined, revealBits ? { revealBits } : {});
    const checked = checkProgram(program);
    const type = checked.types[checked.program.outputs[0]!] as ShareType;
    t.is(type.fracBits, revealBits ?? 32);
    const run = await runTogether(
      kernels,
      checked,
      inputs.map((v): Words => encodeFixed(kernels, v, 16, 14)),
    );
    const got = decodeFixed(kernels, run.reveal(checked.program.outputs[0]!), type.bits, type.fracBits);
    const unit = 2 ** -type.fracBits;
    // Inputs are rounded at 2^-17 of themselves, and multiplied by at most 4
    const rounding = 8 * 5 * 2 ** -17 + 2 ** -17;
    got.forEach((x, i) => {
      t.true(Math.abs(x - want[i]!) < unit + rounding, `${x} for ${want[i]} at ${type.fracBits} bits`);
    });
  }
});

test('the openings of a plan alone, and a plan without the inputs that nothing uses', (t) => {
  const first = plan(layer, suiteOf('exact'), states, []);
  t.deepEqual(first.program.outputs, []);
  t.deepEqual(
    first.keeps.map((k) => k.kind === 'opened' && k.slot),
    [1],
  );
  const opened = withoutUnusedInputs(first);
  t.deepEqual(
    opened.bindings.map((b) => b.slot),
    [1],
  );
  checkProgram(opened.program);
  t.is(
    plan(layer, suiteOf('exact'), [states[0]!, { ...writtenTensor, stored: [64, 48] }, states[2]!], [0]).keeps.length,
    0,
  );
  const widths = (slot: number) =>
    first.keeps.flatMap((k) => (k.kind === 'opened' && k.slot === slot ? [k.width] : []));
  const later = plan(
    layer,
    suiteOf('exact'),
    [states[0]!, { ...writtenTensor, stored: widths(1) }, writtenTensor],
    [0],
  );
  const bare = withoutUnusedInputs(later);
  // The weights' share is not read once their opening is there; the value's and the bias's are
  t.deepEqual(
    bare.bindings.map((b) => [b.kind, b.slot]),
    [
      ['share', 0],
      ['opened', 1],
      ['share', 2],
    ],
  );
  const [some, all] = [bare, later].map(({ program }) => checkProgram(program));
  t.is(some!.cost.rounds, all!.cost.rounds);
  t.is(some!.cost.online, all!.cost.online);
});
