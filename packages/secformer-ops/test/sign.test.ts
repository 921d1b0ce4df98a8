import test from 'ava';
import type { Graph } from '../src/index.js';
import { notNegative } from '../src/plan/sign.js';

const shape: number[] = [];
type Loose = { op: string; in: readonly number[]; [attribute: string]: unknown };
const graphOf = (...nodes: Loose[]) =>
  ({ nodes: nodes.map((n) => ({ ...n, shape })), outputs: [] }) as unknown as Graph;
const input = { op: 'input', slot: 0, in: [] } as const;

test('what cannot be negative is seen from what it is computed from', (t) => {
  const constant = (v: number) => ({ op: 'constant', values: [v], in: [] }) as const;
  const sums = (v: number) =>
    graphOf(
      input,
      { op: 'exp', in: [0] },
      constant(v),
      { op: 'add', in: [1, 2] },
      { op: 'sub', in: [3, 2] },
      { op: 'mul', in: [0, 0] },
      { op: 'mul', in: [0, 3] },
    );
  const seen = (v: number) => sums(v).nodes.map((_, i) => notNegative(sums(v), i));
  t.deepEqual(seen(0.5), [false, true, true, true, false, true, false]);
  t.deepEqual(seen(-0.5), [false, true, false, false, false, true, false]);
  t.deepEqual(seen(Number.NaN), [false, true, false, false, false, true, false]);
});

test('a graph of any depth is looked at once, however often its values are used', (t) => {
  const doubled = Array.from({ length: 20_000 }, (_, i) => ({ op: 'add', in: [i, i] }) as const);
  t.false(notNegative(graphOf(input, ...doubled), 20_000));
  t.true(notNegative(graphOf({ op: 'constant', values: [1], in: [] }, ...doubled), 20_000));
});
