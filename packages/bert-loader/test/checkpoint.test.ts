/** Weights as tools leave them, and those that are not what config.json says. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { bareName } from '../src/checkpoint.js';
import { bertFromFiles, ModelFileError } from '../src/index.js';
import { changed, expectedOf, fixtures, inputsOf, reader, renamed, worst } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const WEIGHTS = 'model.safetensors';
const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 90868376\n`;

/** How far a fixture's logits are from the reference's, with other files. */
async function difference(name: string, change: Record<string, Uint8Array | string | undefined>): Promise<number> {
  const model = await bertFromFiles(reader(name, change), name);
  const expected = expectedOf(name);
  const { hidden, logits } = expected.outputs;
  const far = worst(
    logits ? model.logits(inputsOf(expected)) : model.hiddenStates(inputsOf(expected)),
    (logits ?? hidden)!,
  );
  model.dispose();
  return far;
}

for (const wrapper of [
  '_orig_mod.',
  'module.',
  'model.',
  '0.auto_model.',
  'module._orig_mod.',
  '_orig_mod.module.model.',
]) {
  test(`tensors may begin with ${wrapper}`, async (t) => {
    for (const name of ['bert-sequence', 'roberta-tokens', 'distilbert-masked', 'mpnet-model']) {
      const wrapped = renamed(name, (tensor) => wrapper + tensor);
      t.true((await difference(name, { [WEIGHTS]: wrapped })) < 1e-4, name);
    }
  });
}

test('a part of a model may have been compiled by itself', (t) => {
  t.is(bareName('bert.encoder.layer.0._orig_mod.output.dense.weight'), 'bert.encoder.layer.0.output.dense.weight');
  t.is(bareName('bert.model.x'), 'bert.model.x');
});

test('encoders are read with their family’s prefix and without', async (t) => {
  for (const family of ['bert', 'distilbert', 'roberta', 'electra', 'mpnet', 'albert', 'mobilebert']) {
    const name = `${family}-model`;
    t.true((await difference(name, { [WEIGHTS]: renamed(name, (tensor) => `${family}.${tensor}`) })) < 1e-4, family);
  }
});

test('LayerNorm.gamma and beta are gain and bias', async (t) => {
  const old = renamed('bert-sequence', (name) =>
    name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
  );
  t.true((await difference('bert-sequence', { [WEIGHTS]: old })) < 1e-4);
});

test('older checkpoints hold the numbers of positions besides', async (t) => {
  const buffer = { dtype: 'I64', shape: [1, 0], data_offsets: [0, 0] };
  const old = renamed(
    'bert-sequence',
    (name) => name,
    () => ({ 'bert.embeddings.position_ids': buffer }),
  );
  t.true((await difference('bert-sequence', { [WEIGHTS]: old })) < 1e-4);
});

test('a tied decoder may be in the file besides', async (t) => {
  const both = renamed(
    'bert-masked',
    (name) => name,
    (header) => ({ 'cls.predictions.decoder.weight': header['bert.embeddings.word_embeddings.weight'] }),
  );
  t.true((await difference('bert-masked', { [WEIGHTS]: both })) < 1e-4);
});

test.serial('what is not the model of config.json is refused by numbers or by name', async (t) => {
  const before = tf.memory().numTensors;
  const refused = async (name: string, change: Record<string, Uint8Array | string | undefined>, message: RegExp) => {
    await t.throwsAsync(
      bertFromFiles(reader(name, change), 'm'),
      { instanceOf: ModelFileError, message },
      String(message),
    );
  };
  const config = (name: string, change: Record<string, unknown>) => ({ 'config.json': changed(name, change) });
  const bert = 'bert-sequence';
  await refused(
    bert,
    config(bert, { num_hidden_layers: 1 }),
    /num_hidden_layers is 1 in config\.json, but the checkpoint holds 2 \('.*\.layer\.0' to '.*\.layer\.1'\)/,
  );
  await refused(bert, config(bert, { num_hidden_layers: 3 }), /num_hidden_layers is 3 .* holds 2 /);
  await refused(
    'distilbert-model',
    config('distilbert-model', { n_layers: 1 }),
    /num_hidden_layers is 1 .* holds 2 \('transformer\.layer\.0'/,
  );
  await refused(
    'mobilebert-model',
    config('mobilebert-model', { num_hidden_layers: 4 }),
    /num_hidden_layers is 4 .* holds 2 /,
  );
  await refused(
    'mobilebert-model',
    config('mobilebert-model', { num_feedforward_networks: 2 }),
    /num_feedforward_networks less one is 1 .* holds 2 /,
  );
  await refused('albert-model', config('albert-model', { num_hidden_groups: 1 }), /num_hidden_groups is 1 .* holds 2 /);
  await refused(
    'albert-inner-groups',
    config('albert-inner-groups', { inner_group_num: 1 }),
    /inner_group_num is 1 .* holds 2 /,
  );
  await refused(
    bert,
    { [WEIGHTS]: renamed(bert, (name) => `other.${name}`) },
    /has no tensor 'embeddings\.word_embeddings\.weight'; it has 41, such as 'other\.bert\./,
  );
  await refused(
    bert,
    { [WEIGHTS]: renamed(bert, (name) => (name.includes('pooler') ? undefined : name)) },
    /has no tensor 'bert\.pooler\.dense\.weight'/,
  );
  await refused(
    bert,
    { [WEIGHTS]: renamed(bert, (name) => name.replace('classifier.bias', 'bert.encoder.layer.0.adapter.bias')) },
    /has a tensor 'bert\.encoder\.layer\.0\.adapter\.bias' that no model as config\.json describes it has/,
  );
  await refused(
    bert,
    { [WEIGHTS]: renamed(bert, (name) => (name === 'classifier.bias' ? 'module.bert.pooler.dense.bias' : name)) },
    /tensors '.*' and '.*' are both 'bert\.pooler\.dense\.bias'/,
  );
  t.is(tf.memory().numTensors, before, 'what was read before that is disposed');
});

test('a Git LFS pointer is called one, whichever file it stands for', async (t) => {
  for (const file of [
    WEIGHTS,
    'config.json',
    'tokenizer.json',
    'modules.json',
    '1_Pooling/config.json',
    '2_Dense/model.safetensors',
  ])
    await t.throwsAsync(bertFromFiles(reader('sentence-root-dense', { [file]: POINTER }), 'm'), {
      instanceOf: ModelFileError,
      message: new RegExp(`^m/${file}: is a Git LFS pointer, .*git lfs pull`),
    });
  await t.throwsAsync(bertFromFiles(reader('bert-sharded', { 'model-00002-of-00003.safetensors': POINTER }), 'm'), {
    message: /00002.*Git LFS pointer/,
  });
});

test('what an index says of shards that does not hold is refused', async (t) => {
  const index = 'model.safetensors.index.json';
  const shard = 'model-00003-of-00003.safetensors';
  const refused = (change: Record<string, Uint8Array | string | undefined>, message: RegExp) =>
    t.throwsAsync(
      bertFromFiles(reader('bert-sharded', change), 'm'),
      { instanceOf: ModelFileError, message },
      String(message),
    );
  await refused({ [shard]: undefined }, /m\/model-00003-of-00003\.safetensors: is not there/);
  await refused({ [index]: '{}' }, /index\.json: has no object 'weight_map'/);
  await refused({ [index]: '[' }, /index\.json: is not JSON/);
  for (const path of ['../secret', 'a/b', 'a\\\\b', ''])
    await refused(
      { [index]: `{"weight_map":{"w":"${path}"}}` },
      /tensor 'w' is not said to be in a file of this folder/,
    );
  await refused(
    { [index]: `{"weight_map":{"w":"${shard}"}}` },
    /has no tensor 'w', which model\.safetensors\.index\.json says/,
  );
  await refused({ [index]: undefined }, /m\/model\.safetensors: is not there/);
  t.false(existsSync(join(fixtures, 'bert-sharded', WEIGHTS)));
});
