/** Attention as it is planned: what is opened of it, and how often. */
import test from 'ava';
import { checkProgram, type Graph, type GraphNode, plan, primitives, suiteOf, writtenTensor } from '../src/index.js';
import { uniform } from './harness.js';
import { difference } from './planned.js';

const [TOKENS, WIDTH] = [8, 64];

/**
 * One head: queries and keys by weights, so that they are products themselves; scores over 8 with a mask added to them,
 * or 2Quad's with a mask that multiplies.
 */
function head(quad: boolean): Graph {
  const square = [TOKENS, TOKENS];
  const nodes: GraphNode[] = [
    { op: 'input', slot: 0, in: [], shape: [TOKENS, WIDTH] },
    { op: 'input', slot: 1, in: [], shape: [WIDTH, WIDTH] },
    { op: 'input', slot: 2, in: [], shape: [WIDTH, WIDTH] },
    { op: 'input', slot: 3, in: [], shape: [TOKENS] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 1], shape: [TOKENS, WIDTH] },
    { op: 'matMul', transposeA: false, transposeB: false, in: [0, 2], shape: [TOKENS, WIDTH] },
    { op: 'matMul', transposeA: false, transposeB: true, in: [4, 5], shape: square },
    { op: 'constant', values: [1 / 8], in: [], shape: [] },
    { op: 'mul', in: [6, 7], shape: square },
  ];
  if (quad) nodes.push({ op: 'quad', c: 5, in: [8, 3], shape: square });
  else nodes.push({ op: 'add', in: [8, 3], shape: square }, { op: 'softmax', in: [9], shape: square });
  nodes.push({ op: 'matMul', transposeA: false, transposeB: false, in: [nodes.length - 1, 0], shape: [TOKENS, WIDTH] });
  return { nodes, outputs: [nodes.length - 1] };
}

/** Bits of each opening of the elements of a shape, in the order of the rounds. */
function opened(graph: Graph, suite: string, shape: readonly number[], watched: boolean): number[] {
  const states = [writtenTensor, writtenTensor, writtenTensor, writtenTensor];
  const { program } = plan(graph, suiteOf(suite), states, [0], [], undefined, { watched });
  const { types, rounds } = checkProgram(program);
  return rounds.flatMap(({ openings }) =>
    openings.flatMap((index) => {
      const i = program.instructions[index]!;
      const ins = i.in.map((v) => types[v]!);
      const out = types[program.inputs.length + index]!;
      const whole = ins[0]!.kind === 'share' || ins[0]!.kind === 'opened';
      const bits = primitives.get(i.op)!.opens!(ins, i as never, out).bits;
      return whole && out.shape.join() === shape.join() ? [bits] : [];
    }),
  );
}

const inputs = [
  uniform(TOKENS * WIDTH, -3, 3, 1),
  uniform(WIDTH * WIDTH, -0.4, 0.4, 2),
  uniform(WIDTH * WIDTH, -0.4, 0.4, 3),
];

for (const watched of [false, true])
  test(`softmax truncates no scores before it opens them${watched ? ', watched' : ''}`, (t) => {
    // For their maximum and the distances to it, the numerators and what these lack as an operand
    const widths = opened(head(false), 'exact', [TOKENS, TOKENS], watched);
    t.deepEqual(widths, [watched ? 30 : 28, 22, 30]);
  });

test('a mask takes no opening of keys or of scores, whether 2Quad is watched or not', (t) => {
  for (const watched of [false, true]) {
    const widths = opened(head(true), 'fast', [TOKENS, WIDTH], watched);
    // x as an operand of either product; queries and keys in two steps; the context
    t.deepEqual(
      [...widths].sort((a, b) => a - b),
      [16, 16, 32, 32, 39, 48, 59],
      `watched ${watched}`,
    );
    t.deepEqual(opened(head(true), 'fast', [TOKENS], watched), [1], 'the bits of the mask');
    const { length } = opened(head(true), 'fast', [TOKENS, TOKENS], watched);
    t.is(length, 3, 'scores, their squares, and what these lack as an operand');
  }
});

test('scores that are opened once are as right as scores that are truncated', async (t) => {
  const mask = Float32Array.from({ length: TOKENS }, (_, i) => (i < 6 ? 0 : -800));
  t.true((await difference(head(false), [...inputs, mask])) < 2e-3);
  t.true((await difference(head(true), [...inputs, mask.map((v) => (v === 0 ? 1 : 0))], 'fast')) < 2e-3);
});
