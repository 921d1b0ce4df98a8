/** The tokenizer that a model is loaded with: from which folder, within which limits, with which token types. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { bertFromFiles, ModelFileError } from '../src/index.js';
import { encodeText, reader } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const WORDS = 'w1 w2 w3 '.repeat(40);
const POINTER = encodeText(`version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 1\n`);

test('a text is cut to what the model takes: fewer than positions where these are counted from padding', async (t) => {
  for (const [name, most] of [
    ['bert-model', 20],
    ['albert-model', 20],
    ['distilbert-model', 20],
    ['roberta-model', 18],
    ['xlm-roberta-model', 18],
    ['mpnet-model', 18],
  ] as const) {
    const model = await bertFromFiles(reader(name), name);
    const inputs = model.tokenize([WORDS, 'w1']);
    t.deepEqual(inputs.inputIds.shape, [2, most], name);
    t.deepEqual(inputs.truncated, [true, false], name);
    t.is(model.tokenizer.encode(WORDS).ids.length, most, name);
    t.deepEqual(model.hiddenStates(inputs).shape, [2, most, 16], name);
    t.throws(() => model.tokenize('w1', most + 1), { instanceOf: RangeError, message: new RegExp(`2 to ${most}$`) });
    const padding = (inputs.inputIds.arraySync()[1] as number[]).slice(3);
    t.true(
      padding.every((id) => id === model.config.padToken),
      name,
    );
    model.dispose();
  }
});

test('token types are those that the model and its class have', async (t) => {
  const named = ['input_ids', 'token_type_ids', 'attention_mask'];
  for (const [name, second, change] of [
    ['bert-model', 1, {}],
    ['electra-model', 1, {}],
    ['mobilebert-model', 1, {}],
    ['roberta-model', 0, {}],
    ['distilbert-model', 0, {}],
    ['mpnet-model', 0, {}],
    ['albert-model', 0, {}],
    ['albert-model', 1, { 'tokenizer_config.json': JSON.stringify({ model_input_names: named }) }],
    ['roberta-model', 0, { 'tokenizer_config.json': JSON.stringify({ model_input_names: named }) }],
  ] as const) {
    const model = await bertFromFiles(reader(name, change), name);
    const inputs = model.tokenize([['w1 w2', 'w3']]);
    t.is(Math.max(...inputs.tokenTypeIds.dataSync()), second, name);
    t.true(model.hiddenStates(inputs).dataSync().every(Number.isFinite), name);
    model.dispose();
  }
});

test('pairs are cut as the third argument says', async (t) => {
  const model = await bertFromFiles(reader('bert-model'), 'm');
  const cut = (...how: [] | ['only_first' | 'only_second']) =>
    Array.from(model.tokenize([['w1 w2 w3 w4', 'w5 w6']], 7, ...how).inputIds.dataSync());
  const first = cut('only_first');
  t.deepEqual(cut(), first, 'the longer one');
  const words = Array.from(model.tokenize('w1 w2 w3 w4 w5 w6').inputIds.dataSync());
  const [cls, sep] = [words[0]!, words.at(-1)!];
  t.deepEqual(first, [cls, words[1]!, words[2]!, sep, words[5]!, words[6]!, sep]);
  const second = Array.from(model.tokenize([['w1 w2', 'w3 w4 w5 w6']], 6, 'only_second').inputIds.dataSync());
  t.deepEqual(second, [cls, words[1]!, words[2]!, sep, words[3]!, sep]);
  t.throws(() => cut('other' as never), { instanceOf: RangeError, message: /truncation is 'other'/ });
  t.throws(() => model.tokenize([['w1 w2 w3 w4 w5', 'w6']], 7, 'only_second'), { message: /alone may be cut/ });
});

const MODULES = JSON.stringify([
  { idx: 0, name: '0', path: '0_Transformer', type: 'sentence_transformers.models.Transformer' },
  { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
]);

/** A sentence folder whose encoder is in a folder of its own, with what is changed there and beside it. */
function apart(inside: Record<string, Uint8Array | string | undefined>, beside: Record<string, string> = {}) {
  const name = 'sentence-mean-normalize';
  const encoder = reader(name, inside);
  const folder = reader(name, { 'modules.json': MODULES, ...beside });
  return async (file: string) => {
    if (file.startsWith('0_Transformer/')) return encoder(file.slice('0_Transformer/'.length));
    const here = Object.hasOwn(beside, file) || file === 'modules.json' || file.includes('/');
    return here ? folder(file) : undefined;
  };
}

test('a sentence folder’s tokenizer is the encoder’s own, cut where sentence_bert_config.json says', async (t) => {
  const settings = (length: number) => JSON.stringify({ max_seq_length: length, do_lower_case: false });
  const beside = { 'tokenizer.json': '{}', 'tokenizer_config.json': '[]', 'sentence_bert_config.json': settings(5) };
  const length = async (inside: Record<string, string | undefined>) => {
    const model = await bertFromFiles(apart(inside, beside), 'm');
    t.deepEqual(model.tokenize(WORDS, 12).inputIds.shape, [1, 12], 'a length that is asked for counts more');
    return model.tokenize(WORDS).inputIds.shape[1];
  };
  t.is(await length({ 'sentence_bert_config.json': settings(8) }), 8);
  t.is(await length({ 'sentence_bert_config.json': undefined }), 20);
  const older = ['roberta', 'distilbert', 'albert', 'xlm-roberta'].map((name) => `sentence_${name}_config.json`);
  for (const name of older) t.is(await length({ 'sentence_bert_config.json': undefined, [name]: settings(9) }), 9);
  t.is(await length({ 'sentence_bert_config.json': settings(7), [older[0]!]: settings(9) }), 7);
  await t.throwsAsync(length({ 'sentence_bert_config.json': undefined, [older[1]!]: '{"max_seq_length":"long"}' }), {
    instanceOf: ModelFileError,
    message: /^m\/0_Transformer\/.*max_seq_length of sentence_distilbert_config\.json is no number/,
  });
  const plain = await bertFromFiles(reader('bert-model', { [older[0]!]: settings(9) }), 'm');
  t.is(plain.tokenize(WORDS).inputIds.shape[1], 20, 'these are files of sentence-transformers');
});

test('of a tokenizer’s files, pointers and what is missing are named where they are', async (t) => {
  const files = [
    'tokenizer_config.json',
    'tokenizer.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.txt',
  ];
  for (const file of [...files, 'vocab.json', 'merges.txt', 'sentence_bert_config.json'])
    await t.throwsAsync(bertFromFiles(apart({ [file]: POINTER }), 'm'), {
      instanceOf: ModelFileError,
      message: new RegExp(`^m/0_Transformer/${file}: is a Git LFS pointer, .*git lfs pull`),
    });
  await t.throwsAsync(bertFromFiles(apart({ 'tokenizer.json': undefined }), 'm'), {
    message: /^m\/0_Transformer\/vocab\.txt: is not there; a model folder holds config\.json/,
  });
  await t.throwsAsync(bertFromFiles(apart({ 'tokenizer.json': '[]' }), 'm'), {
    message: /^m\/0_Transformer\/tokenizer\.json: is no JSON object/,
  });
  await t.throwsAsync(bertFromFiles(reader('roberta-model', { 'tokenizer.json': undefined }), 'm'), {
    message: /^m\/vocab\.json: is not there; .*merges\.txt/,
  });
});

test('config.json, which the model and its tokenizer need, is read once', async (t) => {
  const read = reader('bert-model');
  const asked: string[] = [];
  await bertFromFiles(async (name) => {
    asked.push(name);
    return read(name);
  }, 'm');
  t.is(asked.filter((name) => name === 'config.json').length, 1);
});
