/** Weights that anybody may know: what is computed with them is what it is on 'cpu', and nothing of them is opened. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { whatNodesSee } from '../src/audit.js';
import { asPublic, configure, lastRun, share } from '../src/index.js';
import { shadowRevealingEverything } from '../src/insecure.js';
import { trace } from '../src/service/trace.js';

/** Numbers that follow from a seed. */
function numbers(shape: number[], seed: number, scale = 1): tf.Tensor {
  let s = seed * 7919 + 17;
  const next = () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return (s / 2 ** 31 - 1) * scale;
  };
  return tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape);
}

type Weigh = <T extends tf.Tensor>(t: T) => T;
/** Programs of inputs that stay secret and weights, in floats as users have them, of odd shapes and in batches. */
const programs: Record<string, (w: Weigh) => tf.Tensor> = {
  'a dense layer': (w) =>
    tf.add(tf.matMul(numbers([3, 70], 1, 4), w(numbers([70, 61], 2, 0.3)) as tf.Tensor2D), w(numbers([61], 3))),
  'two layers with an activation': (w) => {
    const x = tf.relu(tf.matMul(numbers([5, 64], 1, 2), w(numbers([64, 65], 2, 0.3)) as tf.Tensor2D));
    return tf.matMul(x as tf.Tensor2D, w(numbers([65, 7], 3, 0.3)) as tf.Tensor2D);
  },
  'a batch of products, transposed': (w) =>
    tf.matMul(numbers([2, 3, 5, 31], 1, 2), w(numbers([2, 3, 43, 31], 2)), false, true),
  'weights on the left': (w) =>
    tf.matMul(w(numbers([67, 63], 2, 0.4)) as tf.Tensor2D, numbers([63, 2], 1, 3) as tf.Tensor2D),
  'a convolution': (w) =>
    tf.conv2d(numbers([2, 9, 7, 16], 1) as tf.Tensor4D, w(numbers([3, 3, 16, 31], 2, 0.2)) as tf.Tensor4D, 2, 'same'),
  'elementwise, broadcast': (w) =>
    tf.sub(tf.mul(numbers([2, 65, 64], 1, 5), w(numbers([65, 64], 2))), w(numbers([65, 64], 3))),
  'weights less a secret': (w) => tf.sub(w(numbers([65, 64], 2)), tf.square(numbers([65, 64], 1, 5))),
  'a division by weights': (w) => tf.div(numbers([65, 64], 1, 5), w(tf.add(tf.abs(numbers([65, 64], 2)), 0.5))),
  'a softmax of scores': (w) =>
    tf.softmax(tf.matMul(numbers([4, 64], 1, 2), w(numbers([64, 66], 2, 0.4)) as tf.Tensor2D)),
  'parts of weights': (w) => {
    const table = w(numbers([70, 64], 2, 0.5)) as tf.Tensor2D;
    return tf.add(
      tf.matMul(numbers([3, 64], 1, 2), tf.transpose(tf.slice(table, [2, 0], [9, 64]))),
      tf.slice(table, [4, 3], [1, 9]),
    );
  },
  'rows that own indices name': (w) => {
    const rows = tf.gather(w(numbers([900, 8], 2)), tf.tensor1d([3, 0, 899, 3], 'int32'));
    return tf.matMul(rows as tf.Tensor2D, numbers([8, 5], 1));
  },
  'small weights': (w) => tf.matMul(numbers([3, 70], 1, 400), w(numbers([70, 61], 2, 2 ** -17)) as tf.Tensor2D),
  'large weights': (w) => tf.matMul(numbers([3, 70], 1, 3), w(numbers([70, 61], 2, 90)) as tf.Tensor2D),
  'a sum with what a secret product made': (w) => {
    const x = numbers([5, 66], 1, 2) as tf.Tensor2D;
    return tf.add(tf.matMul(x, w(numbers([66, 64], 2, 0.3)) as tf.Tensor2D), tf.matMul(x, numbers([66, 64], 3, 0.3)));
  },
};

test.serial.beforeEach(async () => {
  configure({});
  await tf.setBackend('cpu');
});

for (const [name, program] of Object.entries(programs))
  test.serial(`as on 'cpu': ${name}`, async (t) => {
    const want = await program((w) => w).data();
    await tf.setBackend('secformer');
    const got = await program(asPublic).data();
    const top = Math.max(1, ...Array.from(want, Math.abs));
    got.forEach((v, i) => {
      t.true(Math.abs(v - want[i]!) < 5e-5 * top + 1e-3, `${v} for ${want[i]} at ${i}`);
    });
  });

test.serial('a product with public weights takes no round, and they are sent once', async (t) => {
  await tf.setBackend('secformer');
  const w = asPublic(numbers([80, 90], 2)) as tf.Tensor2D;
  for (const run of [0, 1]) {
    await tf.matMul(numbers([3, 80], run + 1) as tf.Tensor2D, w).data();
    t.is(lastRun()!.rounds, 0);
    t.is(lastRun()!.bytes.dealer, 0);
  }
  const known = whatNodesSee(tf.matMul(numbers([3, 80], 9) as tf.Tensor2D, w)).program.inputs.filter(
    (i) => i.kind === 'public',
  );
  t.is(known.length, 1);
});

test.serial('what the nodes see depends on public weights and on nothing that is secret', async (t) => {
  await tf.setBackend('secformer');
  const see = (x: number, w: number) =>
    whatNodesSee(tf.matMul(numbers([3, 80], x) as tf.Tensor2D, asPublic(numbers([80, 90], w)) as tf.Tensor2D)).hash;
  t.is(see(1, 2), see(3, 2));
  t.not(see(1, 2), see(1, 3));
});

test.serial('a small public tensor, and a mask of any size, stay a part of the program', async (t) => {
  configure({ fold: false });
  await tf.setBackend('secformer');
  const kinds = (p: tf.Tensor) => whatNodesSee(tf.add(numbers(p.shape, 1), p)).program.inputs.map((i) => i.kind);
  t.deepEqual(kinds(asPublic(numbers([64, 64], 2))), ['share']);
  t.deepEqual(kinds(asPublic(tf.ones([70, 70]))), ['share']);
  t.deepEqual(kinds(asPublic(numbers([70, 70], 2))).sort(), ['public', 'share']);
});

// The first time that a graph is run
for (const [width, sync] of [
  [120, false],
  [125, true],
] as const)
  test.serial(
    `a large secret head on public weights is written as an opening${sync ? ', synchronously' : ''}`,
    async (t) => {
      const x = numbers([3, 80], 1) as tf.Tensor2D;
      const [w, head] = [numbers([80, 140], 2, 0.3), numbers([140, width], 3, 0.3)] as [tf.Tensor2D, tf.Tensor2D];
      const f = () => tf.matMul(tf.relu(tf.matMul(x, w)) as tf.Tensor2D, head);
      const want = await f().data();
      await tf.setBackend('secformer');
      asPublic(w);
      const bytes: number[] = [];
      for (const _ of [1, 2]) {
        const got = sync ? f().dataSync() : await f().data();
        got.forEach((v, i) => {
          t.true(Math.abs(v - want[i]!) < 2e-3, `${v} for ${want[i]} at ${i}`);
        });
        bytes.push(lastRun()!.bytes.p0p1);
      }
      t.is(bytes[0], bytes[1], 'the first run opens nothing that later ones do not');
    },
  );

/** A tf.LayersModel of public weights; the last layer and an adapter may be secret. */
test.serial('a LayersModel of public weights, with an adapter and a head that stay secret', async (t) => {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        units: 40,
        activation: 'relu',
        inputShape: [30],
        kernelInitializer: tf.initializers.randomNormal({ seed: 3 }),
      }),
      tf.layers.dense({ units: 20, kernelInitializer: tf.initializers.randomNormal({ seed: 4 }) }),
    ],
  });
  const x = numbers([3, 30], 1) as tf.Tensor2D;
  const [down, up, head] = [numbers([30, 4], 5, 0.3), numbers([4, 20], 6, 0.3), numbers([20, 2], 7, 0.3)];
  const f = () => {
    const adapter = tf.matMul(tf.matMul(x, down as tf.Tensor2D), up as tf.Tensor2D);
    return tf.matMul(tf.add(model.predict(x) as tf.Tensor2D, adapter) as tf.Tensor2D, head as tf.Tensor2D);
  };
  const want = await f().data();
  await tf.setBackend('secformer');
  t.is(asPublic(model), model);
  const y = f();
  const inputs = whatNodesSee(y).program.inputs;
  t.is(inputs.filter((i) => i.kind === 'public').length, 4, 'kernels and biases');
  t.true(inputs.filter((i) => i.kind === 'share').length >= 4, 'x, the adapter and the head');
  const { violation } = await shadowRevealingEverything(y);
  t.is(violation?.message, undefined);
  (await y.data()).forEach((v, i) => {
    t.true(Math.abs(v - want[i]!) < 1e-3, `${v} for ${want[i]}`);
  });
});

test.serial('what is no model is refused in words', async (t) => {
  await tf.setBackend('secformer');
  t.throws(() => asPublic({} as never), { message: /asPublic takes a tensor, or a model with `weights`/ });
});

test.serial('values that are out of range are refused before anything of them is sent', async (t) => {
  await tf.setBackend('secformer');
  const w = asPublic(tf.mul(numbers([70, 70], 2), tf.scalar(2 ** 16)));
  await t.throwsAsync(share(tf.matMul(numbers([3, 70], 1) as tf.Tensor2D, w as tf.Tensor2D)), {
    code: 'VALUE_OUT_OF_RANGE',
  });
});

test.serial('a published model of public weights: the nodes have them, clients a last bias at most', async (t) => {
  await tf.setBackend('secformer');
  const model = asPublic({
    weights: [numbers([70, 5000], 2, 0.3), numbers([5000], 3), numbers([5000, 4], 4, 0.1), numbers([4], 5)],
  });
  const [w1, b1, w2, b2] = model.weights as [tf.Tensor2D, tf.Tensor, tf.Tensor2D, tf.Tensor];
  const input = { name: 'x', shape: [2, 70], dtype: 'float32' as const };
  const wide = trace((x) => ({ y: tf.add(tf.matMul(x as tf.Tensor2D, w1), b1) }), [input]);
  const narrow = trace(
    (x) => ({ y: tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(x as tf.Tensor2D, w1), b1)) as tf.Tensor2D, w2), b2) }),
    [input],
  );
  const known = ({ needed }: typeof wide) => [...needed.sources.values()].map((source) => source().known);
  t.deepEqual(known(wide), [true, true]);
  t.deepEqual(known(narrow), [true, true, true]);
  t.true(JSON.stringify(wide.program.client).length < 3000);
  t.true(JSON.stringify(narrow.program.client).length < 3000);
  for (const { release } of [wide, narrow]) release();
});
