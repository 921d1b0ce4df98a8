import { sizeOf, stridesOf } from '@secformer/ring';
import test from 'ava';
import {
  allOf,
  among,
  beforeReshape,
  cover,
  type Part,
  type Places,
  placesOf,
  shapeOf,
  within,
} from '../src/graph/places.js';
import {
  checkProgram,
  evaluateGraph,
  type Graph,
  type GraphNode,
  needed,
  plan,
  suiteOf,
  writtenTensor,
} from '../src/index.js';
import { random } from './harness.js';

const listed = (p: Places) => Array.from({ length: p.count }, (_, i) => p.begin + i * p.step);

/** Where the elements of a part are among all, in their order. */
function elements(part: Part, shape: readonly number[]): number[] {
  const strides = stridesOf(shape);
  return part.reduce<number[]>(
    (all, p, axis) => all.flatMap((at) => listed(p).map((i) => at + i * strides[axis]!)),
    [0],
  );
}

class Chance {
  readonly #next: () => number;
  constructor(seed: number) {
    this.#next = random(seed);
  }
  below(n: number): number {
    return Math.floor(this.#next() * n);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  places(d: number): Places {
    const begin = this.below(d);
    const step = 1 + this.below(d);
    return placesOf(begin, step, 1 + this.below(Math.floor((d - 1 - begin) / step) + 1));
  }
  part(shape: readonly number[]): Places[] {
    return shape.map((d) => (this.below(2) ? this.places(d) : allOf([d])[0]!));
  }
  /** Another shape of as many elements. */
  shape(n: number): number[] {
    const shape: number[] = [];
    for (let rest = n; rest > 1 || shape.length === 0; ) {
      const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter((d) => rest % d === 0);
      const d = shape.length === 3 ? rest : this.of(divisors);
      shape.push(d);
      rest /= d;
    }
    return shape;
  }
}

test('two sets of places: what covers both, and where each is in it', (t) => {
  for (let seed = 0; seed < 500; seed++) {
    const chance = new Chance(seed);
    const [a, b] = [chance.places(30), chance.places(30)];
    const both = cover(a, b);
    for (const p of [a, b]) {
      t.true(listed(p).every((i) => listed(both).includes(i)));
      t.deepEqual(listed(among(within(p, both), both)), listed(p));
    }
    t.true(both.count === 1 || both.begin === Math.min(a.begin, b.begin));
    t.deepEqual(cover(a, a), a);
  }
});

test('a part before a reshape has the same elements in the same order', (t) => {
  let less = 0;
  for (let seed = 0; seed < 2000; seed++) {
    const chance = new Chance(seed);
    const to = chance.shape(chance.of([12, 24, 30, 36, 64]));
    const from = chance.shape(sizeOf(to));
    const part = chance.part(to);
    const { made, before } = beforeReshape(part, from, to);
    const name = `${JSON.stringify(part)} of [${to}] from [${from}]`;
    t.deepEqual(elements(before, from), elements(made, to), name);
    const there = new Set(elements(made, to));
    t.true(
      elements(part, to).every((i) => there.has(i)),
      name,
    );
    if (there.size < sizeOf(to)) less++;
  }
  t.true(less > 500, `only ${less} were parts`);
});

test('rows of every sentence of a batch, evenly apart, pass a reshape', (t) => {
  const first = [placesOf(0, 1, 4), placesOf(0, 1, 1), placesOf(0, 1, 8)];
  const rows = [placesOf(0, 16, 4), placesOf(0, 1, 8)];
  t.deepEqual(beforeReshape(first, [64, 8], [4, 16, 8]), { made: first, before: rows });
  t.deepEqual(beforeReshape(rows, [4, 16, 8], [64, 8]), { made: rows, before: first });
});

/** A random graph of what a part can pass, and what it can not. */
function randomGraph(seed: number): Graph {
  const chance = new Chance(seed);
  const nodes: GraphNode[] = [
    { op: 'input', slot: 0, in: [], shape: [2, 4, 6] },
    { op: 'input', slot: 1, in: [], shape: [6, 6] },
    { op: 'input', slot: 2, in: [], shape: [6] },
    { op: 'constant', values: Array.from({ length: 24 }, (_, i) => i / 24), in: [], shape: [4, 6] },
    { op: 'tanh', in: [0], shape: [2, 4, 6] },
  ];
  const push = (node: GraphNode) => nodes.push(node) - 1;
  let at = nodes.length - 1;
  for (let i = 0; i < 8; i++) {
    // Mostly on what came last, now and then on something before
    if (chance.below(5) === 0) at = 4 + chance.below(nodes.length - 4);
    const shape = nodes[at]!.shape;
    const rank = shape.length;
    const last = shape.at(-1)!;
    const rows = [...shape.slice(0, -1)];
    const alike = nodes.flatMap((n, j) => {
      const more = rank - n.shape.length;
      return more >= 0 && n.shape.every((d, axis) => d === 1 || d === shape[axis + more]) ? [j] : [];
    });
    at = chance.of([
      () => push({ op: chance.of(['sigmoid', 'square', 'gelu'] as const), form: 'erf', in: [at], shape } as GraphNode),
      () => push({ op: chance.of(['add', 'sub', 'mul', 'prelu'] as const), in: [at, chance.of(alike)], shape }),
      () => push({ op: 'reshape', in: [at], shape: chance.shape(sizeOf(shape)) }),
      () => {
        const perm = shape.map((_, axis) => axis).sort(() => chance.below(3) - 1);
        return push({ op: 'transpose', perm, in: [at], shape: perm.map((p) => shape[p]!) });
      },
      () => {
        const part = chance.part(shape);
        return push({
          op: 'slice',
          begin: part.map((p) => p.begin),
          strides: part.map((p) => p.step),
          in: [at],
          shape: shapeOf(part),
        });
      },
      () =>
        push({
          op: chance.of(['softmax', 'layerNorm', 'logSoftmax'] as const),
          epsilon: 0.1,
          in: [at],
          shape,
        } as GraphNode),
      () => push({ op: 'cumSum', exclusive: chance.below(2) === 0, reverse: chance.below(2) === 0, in: [at], shape }),
      () => push({ op: chance.of(['max', 'argMax'] as const), in: [at], shape: [...rows, 1] }),
      () =>
        push({
          op: 'topK',
          k: Math.min(2, last),
          index: chance.below(2) === 0,
          in: [at],
          shape: [...rows, Math.min(2, last)],
        }),
      () => {
        const axis = chance.below(rank);
        return push({ op: 'sum', axes: [axis], in: [at], shape: shape.map((d, j) => (j === axis ? 1 : d)) });
      },
      () => {
        const axis = chance.below(rank);
        return push({ op: 'concat', axis, in: [at, at], shape: shape.map((d, j) => (j === axis ? 2 * d : d)) });
      },
      () => push({ op: 'broadcast', in: [at], shape: [3, ...shape] }),
      () => push({ op: 'quad', c: 5, in: [at], shape }),
      () => push({ op: 'view', strides: stridesOf(shape), offset: 0, in: [at], shape }),
      () => push({ op: 'pick', indices: [0, -1, sizeOf(shape) - 1], in: [at], shape: [3] }),
      () => {
        if (rank < 2) return at;
        const [transposeA, transposeB] = [chance.below(2) === 0, chance.below(2) === 0];
        const partner = chance.of([at, at, ...(shape.slice(-2).includes(6) ? [1] : [])]);
        if (partner === 1 && chance.below(2) && shape.at(-2) === 6)
          return push({ op: 'matMul', transposeA: false, transposeB: false, in: [1, at], shape });
        const b = nodes[partner]!.shape;
        const [height, inner] = transposeA ? [last, shape.at(-2)!] : [shape.at(-2)!, last];
        const [depth, width] = transposeB ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
        if (inner !== depth) return at;
        return push({
          op: 'matMul',
          transposeA,
          transposeB,
          in: [at, partner],
          shape: [...shape.slice(0, -2), height, width],
        });
      },
    ])();
  }
  const { shape } = nodes[at]!;
  const part = chance.part(shape);
  const out = push({
    op: 'slice',
    begin: part.map((p) => p.begin),
    strides: part.map((p) => p.step),
    in: [at],
    shape: shapeOf(part),
  });
  return { nodes, outputs: [out, ...(chance.below(3) === 0 ? [chance.below(nodes.length)] : [])] };
}

test('a graph computes the same from what is needed of it', (t) => {
  const next = random(1);
  const inputs = [48, 36, 6].map((n) => Float64Array.from({ length: n }, () => 2 * next() - 1));
  let fewer = 0;
  for (let seed = 0; seed < 1500; seed++) {
    const graph = randomGraph(seed);
    const less = needed(graph);
    const name = `seed ${seed}`;
    t.is(less.origin.length, less.graph.nodes.length, name);
    t.deepEqual(evaluateGraph(less.graph, inputs), evaluateGraph(graph, inputs), name);
    less.graph.outputs.forEach((o, i) => {
      t.deepEqual(less.graph.nodes[o]!.shape, graph.nodes[graph.outputs[i]!]!.shape, name);
    });
    for (const [i, n] of less.graph.nodes.entries()) {
      t.true(n.op === 'slice' || n.op === graph.nodes[less.origin[i]!]!.op, name);
      // The nodes keep openings of what a client wrote, of the whole
      if (n.op === 'matMul' || n.op === 'mul')
        for (const x of n.in)
          t.false(less.graph.nodes[x]!.op === 'slice' && isInput(less.graph, less.graph.nodes[x]!.in[0]!), name);
    }
    if (less.graph !== graph) fewer++;
  }
  t.true(fewer > 700, `only ${fewer} graphs were made smaller`);
});

const isInput = ({ nodes }: Graph, i: number) => nodes[i]!.op === 'input';

/** A layer of an encoder over a batch of sentences, and of its result one token of each, or all. */
function encoder(batch: number, tokens: number, hidden: number, heads: number, first: boolean): Graph {
  const nodes: GraphNode[] = [];
  const push = (node: GraphNode) => nodes.push(node) - 1;
  const rows = batch * tokens;
  const input = (...shape: number[]) =>
    push({ op: 'input', slot: nodes.filter((n) => n.op === 'input').length, in: [], shape });
  const dense = (x: number, from: number, to: number) => {
    const flat = push({ op: 'reshape', in: [x], shape: [rows, from] });
    const product = push({
      op: 'matMul',
      transposeA: false,
      transposeB: false,
      in: [flat, input(from, to)],
      shape: [rows, to],
    });
    return push({
      op: 'reshape',
      in: [push({ op: 'add', in: [product, input(to)], shape: [rows, to] })],
      shape: [batch, tokens, to],
    });
  };
  const split = (x: number) => {
    const apart = push({ op: 'reshape', in: [x], shape: [batch, tokens, heads, hidden / heads] });
    return push({ op: 'transpose', perm: [0, 2, 1, 3], in: [apart], shape: [batch, heads, tokens, hidden / heads] });
  };
  const norm = (a: number, b: number) => {
    const shape = [batch, tokens, hidden];
    return push({ op: 'layerNorm', epsilon: 1e-12, in: [push({ op: 'add', in: [a, b], shape })], shape });
  };
  const x = norm(input(batch, tokens, hidden), input(tokens, hidden));
  const [q, k, v] = [0, 1, 2].map(() => split(dense(x, hidden, hidden))) as [number, number, number];
  const scores = push({
    op: 'matMul',
    transposeA: false,
    transposeB: true,
    in: [q, k],
    shape: [batch, heads, tokens, tokens],
  });
  const masked = push({ op: 'add', in: [scores, input(batch, 1, 1, tokens)], shape: [batch, heads, tokens, tokens] });
  const weights = push({ op: 'softmax', in: [masked], shape: [batch, heads, tokens, tokens] });
  const context = push({
    op: 'matMul',
    transposeA: false,
    transposeB: false,
    in: [weights, v],
    shape: [batch, heads, tokens, hidden / heads],
  });
  const turned = push({
    op: 'transpose',
    perm: [0, 2, 1, 3],
    in: [context],
    shape: [batch, tokens, heads, hidden / heads],
  });
  const a = norm(dense(push({ op: 'reshape', in: [turned], shape: [batch, tokens, hidden] }), hidden, hidden), x);
  const up = dense(a, hidden, 4 * hidden);
  const gelu = push({ op: 'gelu', form: 'erf', in: [up], shape: [batch, tokens, 4 * hidden] });
  const y = norm(dense(gelu, 4 * hidden, hidden), a);
  return { nodes, outputs: [first ? push({ op: 'slice', begin: [0, 0, 0], in: [y], shape: [batch, 1, hidden] }) : y] };
}

test('a classifier leaves out the other tokens of the last layer, except for keys and values', (t) => {
  const { graph } = needed(encoder(3, 16, 8, 2, true));
  const shapes = (op: string) => graph.nodes.filter((n) => n.op === op).map((n) => n.shape.join());
  t.deepEqual(shapes('gelu'), ['3,1,32']);
  t.deepEqual(shapes('softmax'), ['3,2,1,16']);
  t.deepEqual(shapes('layerNorm'), ['3,16,8', '3,1,8', '3,1,8']);
  // queries, keys, values, scores, context, and the three dense layers after it
  t.deepEqual(shapes('matMul'), ['3,8', '48,8', '48,8', '3,2,1,16', '3,2,1,4', '3,8', '3,32', '3,8']);
  for (const n of graph.nodes) if (n.op === 'slice') t.false(isInput(graph, n.in[0]!));
});

test('a graph whose every place is needed stays as it is', (t) => {
  const graph = encoder(3, 16, 8, 2, false);
  t.is(needed(graph).graph, graph);
});

test('on shares a layer of which one token is read costs less, and as many rounds', (t) => {
  const cost = (first: boolean) => {
    const graph = encoder(1, 32, 64, 2, first);
    const states = graph.nodes.filter((n) => n.op === 'input').map(() => writtenTensor);
    return checkProgram(plan(graph, suiteOf('exact'), states, [0]).program).cost;
  };
  const [one, all] = [cost(true), cost(false)];
  t.is(one.rounds, all.rounds);
  t.true(one.online < all.online, `${one.online} of ${all.online} bytes`);
  t.true(one.dealer < all.dealer / 2, `${one.dealer} of ${all.dealer} bytes from the dealer`);
});
