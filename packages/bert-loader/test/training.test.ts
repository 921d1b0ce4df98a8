/** Models as variables: what they compute, where hooks are asked, and checkpoints that are written again. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { bertFromFiles, ModelFileError } from '../src/index.js';
import {
  hostTensors,
  normalize,
  safetensorsOf,
  scored,
  type TrainableBert,
  trainableBert,
  weigh,
} from '../src/training.js';
import { changed, expectedOf, inputsOf, reader } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

/** The folder with the model's weights as they are, written anew. */
async function rewritten(name: string, model: TrainableBert) {
  const tensors = await hostTensors(reader(name), name);
  for (const weight of model.weights.keys()) tensors.set(weight, model.exported(weight));
  return bertFromFiles(reader(name, { 'model.safetensors': safetensorsOf(tensors) }), name);
}

for (const name of ['bert-sequence', 'roberta-sequence', 'electra-sequence', 'distilbert-sequence']) {
  test(`${name}: variables compute what the model does, and are written as they were read`, async (t) => {
    const inputs = inputsOf(expectedOf(name));
    const model = await trainableBert(reader(name), name);
    const plain = await bertFromFiles(reader(name), name);
    const want = Array.from(plain.logits(inputs).dataSync());
    t.deepEqual(Array.from(model.compute(inputs).scores!.dataSync()), want);
    t.deepEqual(Array.from((await rewritten(name, model)).logits(inputs).dataSync()), want);
    const [weight] = model.weights.values();
    weight!.assign(tf.mul(weight!, 1.5));
    const after = Array.from(model.compute(inputs).scores!.dataSync());
    t.notDeepEqual(after, want);
    t.deepEqual(Array.from((await rewritten(name, model)).logits(inputs).dataSync()), after);
    t.throws(() => model.exported('none'), { instanceOf: RangeError });
  });
}

test('hooks are asked in every layer, and change nothing where they change nothing', async (t) => {
  const inputs = inputsOf(expectedOf('bert-sequence'));
  const model = await trainableBert(reader('bert-sequence'), 'm');
  const { layers, heads, hidden } = model.config;
  const [batch, length] = inputs.inputIds.shape;
  const seen: string[] = [];
  const norms: number[] = [];
  const dropped: string[] = [];
  const { scores } = model.compute(inputs, {
    seen(what, layer, x) {
      seen.push(`${what} ${layer}`);
      const square = what === 'argument' || what === 'weights';
      t.deepEqual(x.shape, square ? [batch, heads, length, length] : [batch, length, hidden]);
    },
    normalize(x, norm, at) {
      norms.push(at);
      return normalize(x, norm);
    },
    drop(x, place) {
      dropped.push(place);
      return x;
    },
    attention: () => 'softmax',
  });
  t.deepEqual(Array.from(scores!.dataSync()), Array.from(model.compute(inputs).scores!.dataSync()));
  t.deepEqual(
    norms,
    Array.from({ length: 2 * layers + 1 }, (_, i) => i),
  );
  const each = Array.from({ length: layers }, (_, i) =>
    ['argument', 'weights', 'context', 'attention', 'hidden'].map((what) => `${what} ${i}`),
  );
  t.deepEqual(seen, ['hidden -1', ...each.flat()]);
  t.deepEqual(dropped, ['hidden', ...each.flatMap(() => ['attention', 'hidden', 'hidden']), 'head']);
  const quads = model.compute(inputs, { attention: (layer) => (layer === 0 ? '2quad' : 'softmax') });
  t.notDeepEqual(Array.from(quads.scores!.dataSync()), Array.from(scores!.dataSync()));
});

test('layer after layer is the model, and of scores and values its attention is made', async (t) => {
  const inputs = inputsOf(expectedOf('bert-sequence'));
  const model = await trainableBert(reader('bert-sequence'), 'm');
  const { layers, attention } = model.config;
  const mask = tf.cast(tf.reshape(inputs.attentionMask, [inputs.attentionMask.shape[0], 1, 1, -1]), 'float32');
  let x = model.embed(inputs);
  for (let at = 0; at < layers; at++) {
    const of = (name: string) => {
      const stem = `bert.encoder.layer.${at}.attention.self.${name}`;
      return { weight: model.weights.get(`${stem}.weight`)!, bias: model.weights.get(`${stem}.bias`)! };
    };
    const w = { query: of('query'), key: of('key'), value: of('value') };
    const { scores, values } = scored({ query: x, key: x, value: x }, w, model.config);
    const heads = tf.matMul(weigh(scores, mask, attention, undefined).weights, values);
    const own = tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), x.shape);
    const next = model.layer(at, x, inputs, {
      seen: (what, layer, seen) => {
        t.is(layer, at);
        if (what === 'context') t.deepEqual(Array.from(seen.dataSync()), Array.from(own.dataSync()));
      },
    });
    x = next;
  }
  t.deepEqual(Array.from(x.dataSync()), Array.from(model.compute(inputs).hidden.dataSync()));
  t.throws(() => model.layer(layers, x, inputs), { instanceOf: RangeError, message: /layer is 2; the model has 2/ });
});

test.serial('a family whose layers are its own is refused by name, and leaves no tensor', async (t) => {
  for (const name of ['mobilebert-sequence', 'albert-sequence', 'mpnet-sequence']) {
    const before = tf.memory().numTensors;
    const message = /is not trained here; bert, roberta, xlm-roberta, electra and distilbert are/;
    await t.throwsAsync(trainableBert(reader(name), name), { instanceOf: ModelFileError, message });
    t.is(tf.memory().numTensors, before, name);
  }
});

test('a safetensors file begins its tensors at multiples of eight bytes, refuses other shapes', async (t) => {
  for (const name of ['a', 'bb', 'ccc', 'é']) {
    const bytes = safetensorsOf(new Map([[name, { shape: [2], values: Float32Array.of(1, 2) }]]));
    t.is(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8, 0, name);
    const read = async (file: string) => (file === 'model.safetensors' ? bytes : undefined);
    t.deepEqual([...(await hostTensors(read, 'm'))], [[name, { shape: [2], values: Float32Array.of(1, 2) }]]);
  }
  const wrong = new Map([['a', { shape: [3], values: Float32Array.of(1, 2) }]]);
  t.throws(() => safetensorsOf(wrong), { instanceOf: RangeError, message: /'a' of shape \[3\] has 2 values; 3 are/ });
});

test('16-bit floats are the nearest, in half the bytes, and refused where they do not hold a value', async (t) => {
  const values = Float32Array.of(1 / 3, -65504, 1e-9, 2.5);
  const tensors = (more: number[] = []) =>
    new Map([['a', { shape: [4 + more.length], values: Float32Array.from([...values, ...more]) }]]);
  const [half, whole] = [safetensorsOf(tensors(), 'F16'), safetensorsOf(tensors())];
  t.is(whole.length - half.length, 4 * 2);
  const read = async (file: string) => (file === 'model.safetensors' ? half : undefined);
  const found = (await hostTensors(read, 'm')).get('a')!;
  t.deepEqual(found.shape, [4]);
  t.deepEqual([...found.values], [0.333251953125, -65504, 0, 2.5]);
  const message = /'a' has a value of 70000; 16-bit floats go to 65504/;
  t.throws(() => safetensorsOf(tensors([7e4]), 'F16'), { instanceOf: RangeError, message });
});

/** A folder whose norms are affine, with gains that are `spread` times as far from 1, either way. */
async function affine(name: string, spread: number) {
  const tensors = await hostTensors(reader(name), name);
  let at = 0;
  for (const [tensor, { values }] of tensors)
    if (/(LayerNorm|layer_norm)\.weight$/.test(tensor) && !/predictions|vocab|lm_head/.test(tensor))
      for (let i = 0; i < values.length; i++) values[i] = 0.8 * (at % 3 === 0 ? -1 : 1) * spread ** Math.sin(at++);
  const config = changed(name, { layer_norm: 'affine' });
  return reader(name, { 'config.json': config, 'model.safetensors': safetensorsOf(tensors) });
}

for (const name of [
  'bert-sequence',
  'roberta-sequence',
  'electra-wide',
  'electra-sequence',
  'distilbert-masked',
  'bert-masked',
]) {
  test(`${name}: norms that went into the layers around them change nothing`, async (t) => {
    const inputs = inputsOf(expectedOf(name));
    for (const spread of [1, 3, 200]) {
      const read = await affine(name, spread);
      const [model, trained] = [await bertFromFiles(read, 'm'), await trainableBert(read, 'm')];
      const { hidden, scores } = trained.compute(inputs);
      const apart = (got: tf.Tensor, want: tf.Tensor) =>
        tf.tidy(
          () =>
            tf
              .max(tf.abs(tf.sub(got, want)))
              .div(tf.max(tf.abs(want)))
              .dataSync()[0]!,
        );
      const states = apart(model.hiddenStates(inputs), hidden);
      t.true(states < 1e-5, `${spread}: ${states}`);
      if (scores) t.true(apart(model.logits(inputs), scores) < 1e-5);
    }
  });
}

test('no product is left of the norms but the last, and where scales go far there are more', async (t) => {
  const inputs = inputsOf(expectedOf('bert-sequence'));
  const products = async (f: () => tf.Tensor) =>
    (await tf.profile(f)).kernels.filter(({ name }) => name === 'Multiply').length;
  const left = async (spread: number) => {
    const read = await affine('bert-sequence', spread);
    const [model, trained] = [await bertFromFiles(read, 'm'), await trainableBert(read, 'm')];
    const others = (await products(() => trained.compute(inputs).hidden)) - (2 * model.config.layers + 1);
    return (await products(() => model.hiddenStates(inputs))) - others;
  };
  t.is(await left(1.2), 1);
  const far = await left(200);
  t.true(far > 1 && far <= 5, String(far));
});
