/** Every family and head against the reference implementation, on 'cpu'. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { bucketOf } from '../src/families/mpnet.js';
import { bertFromFiles, NoHeadError } from '../src/index.js';
import { expectedOf, fixtureNames, fixtures, inputsOf, reader, worst } from './fixture.js';

const BAR = 1e-4;

const HEADS: Record<string, string> = {
  sequence: 'sequence-classification',
  tokens: 'token-classification',
  answers: 'question-answering',
  masked: 'masked-lm',
};

test.before(() => tf.setBackend('cpu'));

for (const name of fixtureNames) {
  test(`${name} gives the reference’s outputs`, async (t) => {
    const model = await bertFromFiles(reader(name), name);
    const expected = expectedOf(name);
    const inputs = inputsOf(expected);
    const { hidden, pooled, logits, start, end, embedding } = expected.outputs;
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const close = (got: tf.Tensor, want: { shape: number[]; data: number[] }, what: string) => {
        const difference = worst(got, want);
        t.true(difference <= BAR, `${what}: ${difference}`);
      };
      if (hidden) close(model.hiddenStates(inputs), hidden, 'hidden states');
      if (pooled) close(model.pooled(inputs), pooled, 'pooled output');
      if (logits) close(model.logits(inputs), logits, 'logits');
      if (start && end) {
        const answers = model.answers(inputs);
        close(answers.start, start, 'start');
        close(answers.end, end, 'end');
      }
      if (embedding) close(model.embed(inputs), embedding, 'embedding');
      if (!logits) t.true(!start === (() => thrown(() => model.logits(inputs)) instanceof NoHeadError)());
    });
    t.is(tf.memory().numTensors, before, 'no tensor is left');
    const head = HEADS[name.split('-').at(-1)!];
    if (head) t.is(model.head, head as never);
    model.dispose();
  });
}

function thrown(f: () => unknown): unknown {
  try {
    f();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('all families have all heads among the fixtures', (t) => {
  for (const family of ['bert', 'distilbert', 'roberta', 'xlm-roberta', 'electra', 'mpnet', 'albert', 'mobilebert'])
    for (const head of ['model', ...Object.keys(HEADS)])
      t.true(fixtureNames.includes(`${family}-${head}`), `${family}-${head}`);
});

test('MPNet’s buckets of distances are the reference’s', (t) => {
  const want = JSON.parse(readFileSync(join(fixtures, 'mpnet-buckets.json'), 'utf8')) as number[];
  t.deepEqual(
    want.map((_, i) => bucketOf(i - 511)),
    want,
  );
});

test.serial('a model is disposed with all of its tensors', async (t) => {
  const before = tf.memory().numTensors;
  for (const name of ['albert-masked', 'mobilebert-masked', 'mpnet-model', 'sentence-every'])
    (await bertFromFiles(reader(name), name)).dispose();
  t.is(tf.memory().numTensors, before);
});

test('padding changes no state of a token, wherever positions are counted from', async (t) => {
  for (const name of ['bert-model', 'roberta-model', 'mpnet-model', 'albert-model']) {
    const model = await bertFromFiles(reader(name), name);
    const inputs = inputsOf(expectedOf(name));
    // The second text is of six tokens
    const cut = (x: tf.Tensor2D) => tf.slice(x, [1, 0], [1, 6]);
    const short = {
      inputIds: cut(inputs.inputIds),
      attentionMask: cut(inputs.attentionMask),
      tokenTypeIds: cut(inputs.tokenTypeIds),
    };
    const padded = tf.slice(model.hiddenStates(inputs), [1, 0, 0], [1, 6, 16]);
    const difference = tf.max(tf.abs(tf.sub(padded, model.hiddenStates(short)))).dataSync()[0]!;
    t.true(difference < 1e-5, `${name}: ${difference}`);
    model.dispose();
  }
});

test('more tokens than a model has positions for are refused', async (t) => {
  for (const [name, most] of [
    ['bert-model', 20],
    ['roberta-model', 18],
    ['mpnet-model', 18],
  ] as const) {
    const model = await bertFromFiles(reader(name), name);
    const ids = (length: number) => tf.fill([1, length], 7, 'int32') as tf.Tensor2D;
    const inputs = (length: number) => ({
      inputIds: ids(length),
      attentionMask: ids(length),
      tokenTypeIds: tf.zerosLike(ids(length)),
    });
    t.deepEqual(model.hiddenStates(inputs(most)).shape, [1, most, 16]);
    t.throws(() => model.hiddenStates(inputs(most + 1)), {
      instanceOf: RangeError,
      message: new RegExp(`of ${most + 1} tokens; the model takes ${most}`),
    });
    model.dispose();
  }
});
