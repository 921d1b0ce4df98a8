import test from 'ava';
import { type Emitter, elementwise, functionOf, logSoftmax, maxWithIndex, prelu, probabilities, reciprocal, suites, topK } from '../src/index.js';
import { evaluate, uniform } from './harness.js';

/** Everything that is composed of instructions, on a shape whose sizes are no multiple of anything. */
const shape = [5, 13];

const compositions: Record<string, (e: Emitter, x: number) => number> = {
  ...Object.fromEntries(Object.entries(elementwise).map(([op, p]) => [op, (e: Emitter, x: number) => p.emit(e, x, functionOf(op)!.parameters ?? {})])),
  ...Object.fromEntries(
    Object.values(suites).flatMap((suite) => [
      [`${suite.name} gelu`, (e: Emitter, x: number) => suite.gelu(e, x, 'erf')],
      [`${suite.name} gelu, tanh form`, (e: Emitter, x: number) => suite.gelu(e, x, 'tanh')],
      [`${suite.name} layerNorm`, (e: Emitter, x: number) => suite.layerNorm(e, x, 1e-5)],
      [
        `${suite.name} softmax`,
        (e: Emitter, x: number) => {
          return probabilities(suite, e, x);
        },
      ],
    ]),
  ),
  product: (e, x) => e.truncated(e.matMul(x, x, false, true)),
  'elementwise product': (e, x) => e.truncated(e.mul(x, e.addConstant(x, 1))),
  square: (e, x) => e.truncated(e.square(x)),
  'reciprocal of either sign': (e, x) => reciprocal(e, x, false),
  prelu: (e, x) => prelu(e, x, x),
  cumSum: (e, x) => e.cumSum(x, true, true),
  logSoftmax,
  max: (e, x) => maxWithIndex(e, x, false).max,
  argMax: (e, x) => maxWithIndex(e, x, true).index!,
  'topK values': (e, x) => topK(e, x, 3).values,
  'topK indices': (e, x) => topK(e, x, 1).indices,
};

for (const [name, compose] of Object.entries(compositions)) {
  test(`declared rounds and bytes are the traffic: ${name}`, async (t) => {
    const { run, checked } = await evaluate([{ shape, values: uniform(65, 0.5, 6, 1) }], (e, [x]) => [compose(e, x!)]);
    const bytes = (frames: Uint8Array[]) => frames.reduce((n, f) => n + f.length, 0);
    t.is(run.trace.rounds, checked.cost.rounds);
    t.is(run.received.p0.length, checked.cost.rounds);
    t.is(bytes(run.received.p0), checked.cost.online);
    t.is(bytes(run.received.p1), checked.cost.online);
    t.is(bytes(run.received.material), checked.cost.dealer);
  });
}
