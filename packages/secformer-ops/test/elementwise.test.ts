import test from 'ava';
import { type Elementwise, type ElementwiseOp, elementwise, functionOf, type Parameters } from '../src/index.js';
import { encoded, evaluate, random } from './harness.js';

const UNIT = 2 ** -16;
const COUNT = 20_000;

/**
 * Samples of a whole domain: uniform, log-uniform towards 0, and every place where branches meet, a unit to either
 * side.
 */
function samples([low, high]: readonly [number, number], seed: number, edges: number[]): Float32Array {
  const next = random(seed);
  const top = Math.max(Math.abs(low), Math.abs(high));
  const draw = (i: number) => {
    if (i % 3 === 0) return low + (high - low) * next();
    if (i % 3 === 1) return 32 * (2 * next() - 1);
    return (next() < 0.5 ? -1 : 1) * top * (UNIT / top) ** next();
  };
  const values = Float32Array.from({ length: COUNT }, (_, i) => draw(i));
  const special = [low, high, 0, ...edges].flatMap((v) => [v - UNIT, v, v + UNIT]);
  values.set(special);
  return values.map((v) => Math.min(high, Math.max(low, v)));
}

const EDGES = [
  0.5, 1, 1.5, 2, 2.5, -0.5, -1, -1.5, -2.5, 3.25, 4.5, -4.5, 5, 5.5, 6, 11, -11, 12, 14, -14, 16, -16, 20, 32, -32,
  100.5, 1000,
];

async function measure(
  op: ElementwiseOp,
  p: Parameters,
  domain: readonly [number, number],
): Promise<{ worst: number; at: number; got: number; want: number }> {
  const values = samples(domain, 7, EDGES);
  const x = encoded(values);
  const protocol: Elementwise = elementwise[op];
  // Values as large as the domain allows are claimed, so that wide domains are really taken
  const { outputs } = await evaluate(
    [
      {
        shape: [values.length],
        values,
        magnitude: Math.max(14, Math.ceil(Math.log2(Math.max(...domain.map(Math.abs))))),
      },
    ],
    (e, [v]) => [protocol.emit(e, v!, p)],
  );
  const { absolute, relative = 0 } = protocol.error;
  let found = { worst: 0, at: 0, got: 0, want: 0 };
  x.forEach((v, i) => {
    if (v < domain[0] || v > domain[1]) return;
    const want = functionOf(op)!.plain(v, p);
    const allowed = Math.max(absolute, relative * Math.abs(want));
    const error = Math.abs(outputs[0]![i]! - want);
    const ratio = error === 0 ? 0 : error / allowed;
    if (!(ratio <= found.worst)) found = { worst: ratio, at: v, got: outputs[0]![i]!, want };
  });
  return found;
}

for (const op of Object.keys(elementwise) as ElementwiseOp[]) {
  test(`${op}: the error stated, over its whole domain`, async (t) => {
    const { worst, at, got, want } = await measure(op, functionOf(op)!.parameters ?? {}, elementwise[op].domain);
    t.log(`${worst.toFixed(3)} of the bar, at ${at}`);
    t.true(worst <= 1, `${worst} times the bar at ${at}: ${got} for ${want}`);
  });
}
