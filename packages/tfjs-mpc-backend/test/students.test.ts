/** What students of private inference are made of, as plain TensorFlow.js: powers as weights, and affine norms. */
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import { whatNodesSee } from '../src/audit.js';
import { configure, lastRun } from '../src/index.js';
import { BATCH, HEADS, made, mask, SIZE, TOKENS } from './heads.js';

test.serial.afterEach(() => configure({}));

const raised = (x: tf.Tensor, p: number) => (p === 1 ? x : p === 2 ? tf.square(x) : tf.square(tf.square(x)));
/** What the nodes have computed: a product of matrices. */
const computed = (shape: number[], size: number, seed: number) => {
  const last = shape.at(-1)!;
  return tf.matMul(made(shape, size, seed), made([...shape.slice(0, -2), last, last], 1 / Math.sqrt(last), seed + 9));
};

/** relu(s + c)^p over how many tokens there are, or over a number. */
function attention(p: 1 | 2 | 4, divisor: number | 'tokens' | 'public'): tf.Tensor {
  const shape = [BATCH, HEADS, TOKENS, SIZE];
  const [q, k, v] = [computed(shape, 2, 1), computed(shape, 2, 2), computed(shape, 3, 3)];
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(SIZE));
  const power = raised(tf.relu(tf.add(scores, 1.5)), p);
  if (divisor === 'public') return tf.matMul(tf.div(power, 5), v);
  const m = mask();
  const over = divisor === 'tokens' ? tf.div(m, tf.sum(m, -1, true)) : tf.mul(m, 1 / divisor);
  return tf.matMul(tf.mul(power, over), v);
}

/** Softmax with the logarithm of its sum taken from the scores' mean and variance, over tokens that are no padding. */
function cumulants(): tf.Tensor {
  const shape = [BATCH, HEADS, TOKENS, SIZE];
  const [q, k, v] = [computed(shape, 2, 1), computed(shape, 2, 2), computed(shape, 3, 3)];
  const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(SIZE));
  const even = tf.div(mask(), tf.sum(mask(), -1, true));
  const centered = tf.sub(scores, tf.sum(tf.mul(scores, even), -1, true));
  const variance = tf.sum(tf.mul(tf.square(centered), even), -1, true);
  return tf.matMul(tf.mul(tf.exp(tf.sub(centered, tf.mul(variance, 0.5))), even), v!);
}

/** (s + c)²/Σ(s + c)² over tokens that are no padding, as bert-loader has it: c public, or a constant for each head. */
function quad(c: number | number[], masked = true): tf.Tensor {
  const shape = [BATCH, HEADS, TOKENS, SIZE];
  const [q, k, v] = [computed(shape, 2, 1), computed(shape, 2, 2), computed(shape, 3, 3)];
  const scores = tf.mul(tf.matMul(q, k, false, true), tf.scalar(1 / Math.sqrt(SIZE)));
  const shifted = tf.add(scores, typeof c === 'number' ? tf.scalar(c) : tf.reshape(tf.tensor1d(c), [1, HEADS, 1, 1]));
  const tokens = Int32Array.from({ length: BATCH * TOKENS }, (_, i) => (i >= BATCH * TOKENS - 3 ? 0 : 1));
  const cast = tf.reshape(tf.cast(tf.tensor2d(tokens, [BATCH, TOKENS], 'int32'), 'float32'), [BATCH, 1, 1, TOKENS]);
  const squares = masked ? tf.mul(tf.square(shifted), cast) : tf.square(shifted);
  return tf.matMul(tf.div(squares, tf.sum(squares, -1, true)), v);
}

const worstOf = (got: ArrayLike<number>, want: ArrayLike<number>) =>
  Array.from(got).reduce((most, v, i) => Math.max(most, Math.abs(v - want[i]!)), 0);

for (const suite of ['exact', 'fast', 'secformer', 'puma'])
  test.serial(`relu(s + c)^p as attention weights under ${suite}`, async (t) => {
    for (const p of [1, 2, 4] as const) {
      for (const divisor of ['tokens', 30, 'public'] as const) {
        await tf.setBackend('cpu');
        const want = await attention(p, divisor).data();
        const size = Array.from(want).reduce((most, v) => Math.max(most, Math.abs(v)), 1);
        configure({ suite });
        await tf.setBackend('secformer');
        const read = attention(p, divisor);
        const { graph } = whatNodesSee(read);
        t.true(
          graph.nodes.some((n) => n.op === 'matMul' && n.weighs),
          `${p} ${divisor}`,
        );
        t.true(
          graph.nodes.some((n) => n.op === ({ 1: 'relu', 2: 'relu2', 4: 'relu4' } as const)[p]),
          `${p} ${divisor}`,
        );
        const off = worstOf(await read.data(), want);
        t.true(off <= 4e-4 * size, `relu^${p} over ${divisor}: ${off} of ${size}`);
      }
    }
  });

test.serial(
  'what almost is such attention is not: a power of no scores, one that is read, a matrix of one’s own',
  async (t) => {
    configure({ fold: false });
    await tf.setBackend('secformer');
    const shape = [BATCH, HEADS, TOKENS, TOKENS];
    const weighs = (y: tf.Tensor) => whatNodesSee(y).graph.nodes.some((n) => n.op === 'matMul' && n.weighs === true);
    const v = computed([BATCH, HEADS, TOKENS, SIZE], 1, 3);
    const half = (x: tf.Tensor) => tf.mul(tf.square(tf.relu(x)), 0.1);
    const scores = tf.matMul(v, computed([BATCH, HEADS, TOKENS, SIZE], 1, 4), false, true);
    t.true(weighs(tf.matMul(half(scores), v)));
    t.false(weighs(tf.matMul(half(computed(shape, 1, 5)), v)));
    t.false(weighs(tf.matMul(half(scores), made([BATCH, HEADS, TOKENS, SIZE], 1, 6))));
    t.false(weighs(tf.matMul(tf.mul(tf.square(scores), 0.1), v)));
    t.false(weighs(tf.matMul(tf.mul(half(scores), -1), v)));
    const kept = half(scores);
    t.false(weighs(tf.add(tf.matMul(kept, v), tf.sum(kept))));
  },
);

test.serial(
  'a square of what is above 0 is one function; far below 0 it holds, beyond 128 it is reported',
  async (t) => {
    await tf.setBackend('cpu');
    const values = [-16000, -300, -0.5, 0, 0.25, 3, 11, 127.5];
    const of = (x: tf.Tensor) =>
      tf.stack([tf.square(tf.relu(x)), tf.mul(tf.square(tf.square(tf.relu(tf.minimum(x, 10)))), 1)]);
    const want = await of(tf.tensor1d(values)).data();
    configure({ fold: false });
    await tf.setBackend('secformer');
    const got = await of(tf.mul(tf.tensor1d(values), tf.tensor1d(values.map(() => 1)))).data();
    values.forEach((_, i) => {
      t.true(Math.abs(got[i]! - want[i]!) <= 2 ** -15, `square of ${values[i]}: ${got[i]}`);
    });
    t.true(worstOf(got.slice(values.length), want.slice(values.length)) <= 1e4 * 1e-4);
    const beyond = tf.square(tf.relu(tf.add(tf.tensor1d(values), 1)));
    await t.throwsAsync(async () => beyond.data(), { code: 'RANGE_LEFT' });
  },
);

test.serial('a gain and a bias in the place of a norm go into the dense layer behind them', async (t) => {
  const [rows, width, out] = [6, 64, 32];
  const block = () => {
    const x = tf.add(
      tf.matMul(computed([rows, width], 1, 1) as tf.Tensor2D, made([width, width], 0.2, 2) as tf.Tensor2D),
      made([width], 1, 3),
    );
    const y = tf.add(tf.mul(x, made([width], 0.8, 4)), made([width], 0.3, 5));
    return tf.add(tf.matMul(y as tf.Tensor2D, made([width, out], 0.3, 6) as tf.Tensor2D), tf.sum(y, -1, true));
  };
  await tf.setBackend('cpu');
  const want = await block().data();
  configure({ fold: false });
  await tf.setBackend('secformer');
  await block().data();
  const got = await block().data();
  t.true(worstOf(got, want) <= 2e-3, String(worstOf(got, want)));
  // x as an operand, its gain's product and what is read of both
  t.true(lastRun()!.rounds <= 6, `${lastRun()!.rounds} rounds`);
});

test.serial('e^(s − mean − c·var)/n as attention weights: what divides them goes to the values', async (t) => {
  await tf.setBackend('cpu');
  const want = await cumulants().data();
  for (const suite of ['exact', 'puma']) {
    configure({ suite });
    await tf.setBackend('secformer');
    const read = cumulants();
    const { nodes } = whatNodesSee(read).graph;
    t.true(nodes.some((n) => n.op === 'matMul' && n.weighs));
    const off = worstOf(await read.data(), want);
    t.true(off <= 5e-4, `${suite}: ${off}`);
  }
});

test.serial('2Quad with a constant for each head takes the rounds of one with a public constant', async (t) => {
  for (const suite of ['exact', 'puma'])
    for (const masked of [true, false])
      for (const fold of [true, false]) {
        const rounds: number[] = [];
        for (const c of [5, [4, 7]]) {
          await tf.setBackend('cpu');
          const want = await quad(c, masked).data();
          configure({ suite, fold });
          await tf.setBackend('secformer');
          const read = quad(c, masked);
          const { nodes } = whatNodesSee(read).graph;
          t.is(nodes.filter((n) => n.op === 'quad').length, 1);
          t.false(nodes.some((n) => n.op === 'div'));
          const off = worstOf(await read.data(), want);
          t.true(off <= 5e-4, `${suite} ${c} ${masked}: ${off}`);
          rounds.push(lastRun()!.rounds);
        }
        t.is(rounds[1], rounds[0], `${suite}, mask: ${masked}`);
      }
});

test.serial(
  'what is no constant of heads is an ordinary sum: one for each row, or one that the nodes know',
  async (t) => {
    configure({ fold: false });
    await tf.setBackend('secformer');
    const x = computed([BATCH, HEADS, TOKENS, TOKENS], 1, 4);
    const quads = (c: tf.Tensor) => {
      const p = tf.square(tf.add(x, c));
      return whatNodesSee(tf.div(p, tf.sum(p, -1, true))).graph.nodes.some((n) => n.op === 'quad');
    };
    t.true(quads(made([1, HEADS, 1, 1], 2, 5)));
    t.false(quads(made([BATCH, HEADS, TOKENS, 1], 2, 5)));
    t.false(quads(made([1, 1, 1, TOKENS], 2, 5)));
    t.false(quads(tf.sum(x, [2, 3], true)));
  },
);
