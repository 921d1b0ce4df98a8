/** Gradients beside differences of the loss, on the plain backend, and on WebAssembly beside those. */
import { trainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { useBackend } from '../src/index.js';
import { batchOf, encoded } from '../src/train/batches.js';
import { gradientsOf, stageHooks, taught } from '../src/train/gradients.js';
import { sentences, stage, tinyDraft } from './tiny.js';

const SETTINGS = { temperature: 2, cap: 0.2, capWeight: 0.5, freezeWords: false };

const cases: [string, Record<string, unknown>, number | undefined][] = [
  ['softmax', {}, undefined],
  ['2quad', { attention_function: '2quad' }, 5],
  ['cgf', { attention_function: 'cgf' }, 0.5],
  ['relu', { attention_function: 'power', attention_power: 1 }, 0.3],
  ['square, affine norms', { attention_function: 'power', layer_norm: 'affine' }, 1],
  ['fourth power', { attention_function: 'power', attention_power: 4, attention_divisor: 20 }, 1],
];

/** The loss of a model with some weights moved, and its gradients: all losses together, with a teacher. */
async function computed(change: Record<string, unknown>, constant: number | undefined, freezeWords = false) {
  const draft = tinyDraft(2, change, constant);
  const model = await trainableBert(draft.read, 'student');
  const teacher = await trainableBert(tinyDraft(2, { attention_function: '2quad' }).read, 'teacher');
  const examples = encoded(model.tokenizer, sentences(6), 16);
  const batch = batchOf(examples, [0, 1, 2, 3, 4, 5], 0, 16, 'int32');
  const all = stage(1, { hidden: 0.7, attention: 0.5, logits: 0.8, task: 1 });
  const theirs = taught(teacher, batch, true);
  const hooks = stageHooks(model, all);
  return {
    model,
    gradients() {
      const gradients = new Map<string, Float32Array>();
      const take = (name: string, gradient: Float32Array) => gradients.set(name, gradient.slice());
      const parts = gradientsOf(model, batch, all, hooks, theirs, { ...SETTINGS, freezeWords }, take);
      return { parts, gradients };
    },
    dispose() {
      model.dispose();
      teacher.dispose();
    },
  };
}

for (const [name, change, constant] of cases) {
  test.serial(`${name}: a step along each weight's gradient changes the loss as it says`, async (t) => {
    await useBackend('cpu');
    const { model, gradients, dispose } = await computed(change, constant);
    const found = gradients().gradients;
    t.is(found.size, model.weights.size);
    // What comes before attention, and the constants, depend on its function; the others are looked at once
    const looked = name === 'softmax' ? /./ : /word_embeddings|layer\.0\.attention\.self|layer\.1.*(constant|query)/;
    for (const [weight, g] of found) {
      if (!looked.test(weight)) continue;
      const variable = model.weights.get(weight)!;
      const length = Math.sqrt(g.reduce((sum, v) => sum + v * v, 0));
      if (length < 1e-4) continue;
      const before = variable.clone();
      const along = (h: number) => {
        tf.tidy(() => variable.assign(tf.add(before, tf.mul(tf.tensor(g.slice(), before.shape), h / length))));
        return gradients().parts.total!;
      };
      const h = 4e-3;
      const difference = (along(h) - along(-h)) / (2 * h);
      variable.assign(before);
      t.true(Math.abs(difference - length) < 0.02 * length + 1e-3, `${weight}: ${difference} for ${length}`);
    }
    dispose();
  });
}

test.serial('WebAssembly has the gradients of the plain backend, to rounding', async (t) => {
  for (const [name, change, constant] of cases) {
    const of = async (backend: 'cpu' | 'wasm') => {
      t.is(await useBackend(backend), backend);
      const made = await computed(change, constant);
      const found = made.gradients();
      made.dispose();
      return found;
    };
    const [want, got] = [await of('cpu'), await of('wasm')];
    t.deepEqual([...got.gradients.keys()], [...want.gradients.keys()]);
    for (const [weight, g] of want.gradients) {
      const worst = Math.max(...g.map((v, i) => Math.abs(v - got.gradients.get(weight)![i]!)));
      t.true(worst < 1e-4, `${name}, ${weight}: ${worst}`);
    }
  }
});

test.serial("rows of a table have TensorFlow.js's own gradient, of any axis", async (t) => {
  const x = tf.tensor3d(
    Array.from({ length: 24 }, (_, i) => i),
    [4, 3, 2],
  );
  const indices = tf.tensor2d([1, 3, 1, 0], [2, 2], 'int32');
  const of = (axis: number) => {
    const rows = axis === 0 ? indices : tf.tensor1d([1, 1], 'int32');
    return tf.tidy(() =>
      Array.from(
        tf
          .grad((v: tf.Tensor) => tf.sum(tf.square(tf.gather(v, rows as tf.Tensor1D, axis))))(x)
          .dataSync(),
      ),
    );
  };
  await useBackend('cpu');
  const counted = (i: number) => [1, 2, 0, 1][Math.floor(i / 6)]! * 2 * i;
  t.deepEqual(
    of(0),
    Array.from({ length: 24 }, (_, i) => counted(i)),
  );
  t.deepEqual(
    of(1),
    Array.from({ length: 24 }, (_, i) => (Math.floor(i / 2) % 3 === 1 ? 4 * i : 0)),
  );
});

test.serial("where the words' embeddings are left as they are, all other gradients are the same", async (t) => {
  await useBackend('cpu');
  const [all, some] = [await computed({}, undefined), await computed({}, undefined, true)];
  const [want, got] = [all.gradients().gradients, some.gradients().gradients];
  const words = 'bert.embeddings.word_embeddings.weight';
  t.true(want.has(words));
  t.false(got.has(words));
  t.is(got.size, want.size - 1);
  for (const [name, gradient] of got) t.deepEqual(gradient, want.get(name));
  all.dispose();
  some.dispose();
});
