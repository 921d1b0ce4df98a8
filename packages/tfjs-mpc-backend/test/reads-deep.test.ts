/** Graphs as deep as loops write them: nothing that walks over one recurses. */
import type { GraphNode } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import type { SecformerBackend } from '../src/backend.js';
import { evaluateCompiled } from '../src/plaintext.js';
import { compiledFor } from '../src/reads.js';
import './harness.js';

const chain = (n: number, step: (y: tf.Tensor, i: number) => tf.Tensor) =>
  tf.tidy(() => {
    let y: tf.Tensor = tf.tensor1d([1, 2, 3]);
    for (let i = 0; i < n; i++) y = step(y, i);
    return y;
  });
const nodeOf = (t: tf.Tensor) => (tf.backend() as SecformerBackend).node(t);
const compiled = (t: tf.Tensor) => compiledFor(nodeOf(t));
/** What a read would give, in floating point: the graph is what is looked at. */
const plain = (t: tf.Tensor) => {
  const c = compiled(t);
  return Array.from(evaluateCompiled(c)[c.job.graph.outputs[0]!]!);
};
const near = (got: ArrayLike<number>, want: readonly number[]) =>
  Array.from(got).every((v, i) => Math.abs(v - want[i]!) < 1e-3);

test.serial('2,000 operations that nobody has read are read', async (t) => {
  t.timeout(60_000);
  const y = chain(2000, (v) => v.add(2 ** -10));
  t.true(near(await y.data(), [1 + 2000 / 1024, 2 + 2000 / 1024, 3 + 2000 / 1024]));
  y.dispose();
});

test.serial('a variable that is assigned 3,000 times is read', async (t) => {
  t.timeout(60_000);
  const v = tf.variable(tf.tensor1d([1, 2, 3]));
  for (let i = 0; i < 3000; i++) tf.tidy(() => v.assign(v.mul(0.5).add(0.5)));
  t.true(near(await v.data(), [1, 1, 1]));
  v.dispose();
});

test.serial('chains of every shape compile, and are disposed of', (t) => {
  const before = tf.memory().numTensors;
  const w = tf.tensor1d([1, 1, 1]);
  const scaled = (y: tf.Tensor, i: number) => (i < 19_999 ? y.add(w) : y.mul(0.3));
  const chains: Record<string, [number, (y: tf.Tensor, i: number) => tf.Tensor, (v: number) => number]> = {
    sums: [20_000, (y) => y.add(1 / 16384), (v) => v + 20_000 / 16384],
    'sums of written tensors, scaled': [20_000, scaled, (v) => 0.3 * (v + 19_999)],
    'the same operand twice': [5000, (y) => y.add(y).mul(0.5), (v) => v],
    views: [5000, (y, i) => (i % 2 ? y.reshape([3]) : y.expandDims(1).mul(1)), (v) => v],
    'products with patterns to look for': [5000, (y) => y.mul(y.div(y)), (v) => v],
  };
  for (const [name, [n, step, want]] of Object.entries(chains)) {
    const y = chain(n, step);
    t.true(near(plain(y), [1, 2, 3].map(want)), name);
    y.dispose();
  }
  w.dispose();
  t.is(tf.memory().numTensors, before);
});

test.serial('graphs that are emitted in stretches hold nothing twice', (t) => {
  // What this becomes is emitted before its last operand is
  const v = tf.tensor2d([[0.5, -1, 2]]);
  const normalised = (y: tf.Tensor) => {
    const { mean, variance } = tf.moments(v, 1, true);
    const a = tf.rsqrt(variance.add(0.01));
    return v.mul(a).add(y.sub(mean.mul(a)));
  };
  const [few, more, many] = [10, 20, 500].map((n) => compiled(chain(n, normalised)).job.graph.nodes) as [
    GraphNode[],
    GraphNode[],
    GraphNode[],
  ];
  t.true(few.some((n) => n.op === 'layerNorm'));
  t.is(many.length, few.length + 49 * (more.length - few.length));
  v.dispose();
});

test.serial('LSTM of 256 steps and simpleRNN of 512 compile to what they are', async (t) => {
  for (const [kind, steps] of [
    ['lstm', 256],
    ['simpleRNN', 512],
  ] as const) {
    const make = () => {
      const seed = (n: number) => tf.initializers.glorotNormal({ seed: n });
      const model = tf.sequential();
      model.add(
        tf.layers[kind]({
          units: 3,
          inputShape: [steps, 2],
          kernelInitializer: seed(1),
          recurrentInitializer: seed(2),
        }),
      );
      return model.predict(
        tf.tensor3d(
          Float32Array.from({ length: 2 * steps }, (_, i) => Math.sin(i)),
          [1, steps, 2],
        ),
      ) as tf.Tensor;
    };
    await tf.setBackend('cpu');
    const want = Array.from(make().dataSync());
    await tf.setBackend('secformer');
    t.true(near(plain(make()), want), kind);
  }
});
