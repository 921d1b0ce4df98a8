import { Arena, availableKernels, encodeFixed, sizeOf, type Words } from '@secformer/ring';
import test, { type ExecutionContext } from 'ava';
import {
  type CheckedProgram,
  checkProgram,
  Emitter,
  encodePublic,
  type Graph,
  onesOf,
  ProgramBuilder,
  plan,
  plusPublic,
  primitives,
  type Suite,
  suites,
  timesPublic,
  weighed,
  writtenTensor,
} from '../src/index.js';
import { footprints } from '../src/protocols/footprints.js';
import { bertGraph } from './bert-graph.js';
import { compositions, watchedCompositions } from './compositions.js';
import { kernels, uniform } from './harness.js';
import { Roles } from './roles.js';

/** What the arenas do not see, arrays of less than a page, and what a step makes in WebAssembly alone. */
const SMALL = 64 * 1024;
/** What is not declared: parts of a stream that kernels in WebAssembly unpack. */
const PARTS = process.env.SECFORMER_KERNELS === 'wasm' || availableKernels().length === 1 ? 128 * 1024 : 0;

/** Most bytes that a party and the dealer had in use at once, everything of its own size: nothing is used again. */
async function measured(
  checked: CheckedProgram,
  given: (Words | Int32Array)[],
): Promise<{ party: number; dealer: number }> {
  const arenas = [new Arena(0), new Arena(0), new Arena(0)] as const;
  await new Roles(checked, given).together(arenas);
  const { inputs, constants } = checked.program;
  const oneHot = inputs.reduce((sum, i) => sum + (i.kind === 'oneHot' ? 16 * sizeOf(i.shape) : 0), 0);
  const numbers = constants.reduce((sum, c) => sum + 8 * c.values.length, 0);
  return {
    party: Math.max(arenas[0].peakBytes, arenas[1].peakBytes) + oneHot + numbers,
    dealer: arenas[2].peakBytes + oneHot,
  };
}

function holds(t: ExecutionContext, what: string, declared: number, seen: number): void {
  // Sizes here are mostly those of a class of buffers; others are an eighth smaller at most
  t.true(declared + PARTS >= seen / 1.06, `${what}: ${declared} bytes are declared and ${seen} were in use`);
  t.true(declared <= 1.5 * seen + SMALL, `${what}: ${declared} bytes are declared and only ${seen} were in use`);
}

for (const [name, compose] of Object.entries({ ...compositions, ...watchedCompositions })) {
  test(`declared memory is what is used: ${name}`, async (t) => {
    const shape = [64, 128];
    const builder = new ProgramBuilder();
    const x = builder.input({ kind: 'share', shape, fracBits: 16, bits: 64, magnitude: 14 });
    const checked = checkProgram(builder.build([compose(new Emitter(builder), x)].flat()));
    const seen = await measured(checked, [encodeFixed(kernels, uniform(sizeOf(shape), 0.5, 6, 1), 16, 14)]);
    holds(t, 'party', checked.cost.peak, seen.party);
    holds(t, 'dealer', checked.cost.dealerPeak, seen.dealer);
  });
}

/**
 * The Program of a graph's first run, which opens the weights, and that of the next, which reads them as they are
 * stored.
 */
function plansOf(graph: Graph, suite: Suite) {
  const nodes = graph.nodes.filter((n) => n.op === 'input' || n.op === 'oneHot');
  const written = nodes.map(() => writtenTensor);
  const first = plan(graph, suite, written, [0]);
  const stored = written.map((state, slot) => ({
    ...state,
    stored: first.keeps.flatMap((k) => (k.kind === 'opened' && k.slot === slot ? [k.width] : [])),
  }));
  return { 'the first time': first, again: plan(graph, suite, stored, [0]) };
}

const layers = { layers: 2, batch: 2, tokens: 24, hidden: 128, heads: 4, intermediate: 256, vocabulary: 1000 };

for (const suite of Object.values(suites)) {
  const graph = bertGraph(layers);
  const inputs = graph.nodes.filter((n) => n.op === 'input' || n.op === 'oneHot');
  for (const [when, { program, bindings }] of Object.entries(plansOf(graph, suite)))
    test(`declared memory of two layers is what is used: ${suite.name}, ${when}`, async (t) => {
      const checked = checkProgram(program);
      const ids = Int32Array.from(uniform(layers.batch * layers.tokens, 0, layers.vocabulary, 2));
      const given = bindings.map((b) =>
        b.kind === 'oneHot'
          ? onesOf(b, ids)
          : encodeFixed(kernels, uniform(sizeOf(inputs[b.slot]!.shape), -1, 1, b.slot), 16, 14),
      );
      const seen = await measured(checked, given);
      holds(t, 'party', checked.cost.peak, seen.party);
      holds(t, 'dealer', checked.cost.dealerPeak, seen.dealer);
    });
}

test('every instruction says what it makes, or makes its result alone', (t) => {
  const simple = ['constant', 'rowSum', 'pick', 'concat'];
  t.deepEqual([...Object.keys(footprints), ...simple].sort(), [...primitives.keys()].sort());
  t.true(simple.every((op) => !(op in footprints)));
});

test('declared memory is what is used: public tensors', async (t) => {
  const values = uniform(64 * 128, -1, 1, 2);
  const tensor = encodePublic(kernels, values, 'a tensor');
  const { fracBits, magnitude } = tensor;
  const forms: Record<string, (e: Emitter, x: number, p: number) => number> = {
    product: (e, x, p) => weighed(e, x, p, { transposeA: false, transposeB: true }),
    'product of a view': (e, x, p) => weighed(e, x, e.transpose(p, [1, 0]), { transposeA: false, transposeB: false }),
    'product with the public side left': (e, x, p) =>
      weighed(e, x, p, { transposeA: false, transposeB: true, left: true }),
    'elementwise product': timesPublic,
    sum: plusPublic,
    'sum with a row': (e, x, p) => plusPublic(e, x, e.slice(p, [0, 0], [1, 128])),
    share: (e, x, p) => e.add(x, e.emit('sharePublic', [p])),
  };
  for (const [name, emit] of Object.entries(forms)) {
    const builder = new ProgramBuilder();
    const x = builder.input({ kind: 'share', shape: [64, 128], fracBits: 16, bits: 64, magnitude: 14 });
    const digest = '0'.repeat(64);
    const p = builder.input({ kind: 'public', shape: [64, 128], fracBits, magnitude, digest });
    const checked = checkProgram(builder.build([emit(new Emitter(builder), x, p)]));
    const seen = await measured(checked, [encodeFixed(kernels, values, 16, 14), tensor.words]);
    holds(t, name, checked.cost.peak, seen.party);
    t.is(checked.cost.dealerPeak, 0);
    t.is(seen.dealer, 0);
  }
});
