/** Tokenizer and configuration of a folder whose weights are somewhere else. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {
  bertFromFiles,
  loadConfig,
  loadTokenizer,
  ModelFileError,
  type ReadFile,
  tokenizerFiles,
  tokenizeTexts,
} from '../src/index.js';
import { changed, fixtureNames, reader } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const TEXTS = ['the lazy dog jumps over it', 'A quick brown fox', ''];

/** The folder's files, with a note of those that were asked for. */
function watched(read: ReadFile): { read: ReadFile; names: Set<string> } {
  const names = new Set<string>();
  return {
    names,
    read: (name) => {
      names.add(name);
      return read(name);
    },
  };
}

test('what tokenizerFiles gives makes the tokenizer of the whole folder, without its weights', async (t) => {
  for (const name of fixtureNames) {
    const whole = await bertFromFiles(reader(name), name);
    const { read, names } = watched(reader(name));
    const files = await tokenizerFiles(read, name);
    t.false(
      [...names, ...files.keys()].some((file) => /safetensors/.test(file)),
      name,
    );
    const again = watched(async (file) => files.get(file));
    const tokenizer = await loadTokenizer(again.read, name);
    const config = await loadConfig(again.read, name);
    t.is(tokenizer.limit, whole.tokenizer.limit, name);
    t.is(tokenizer.pad, whole.tokenizer.pad, name);
    for (const text of TEXTS) t.deepEqual(tokenizer.encode(text), whole.tokenizer.encode(text), name);
    t.is(config.longest, whole.config.longest, name);
    t.deepEqual(config.labels, config.labels.length > 0 ? whole.config.labels : [], name);
    whole.dispose();
  }
});

test('a folder of sentence-transformers keeps its own layout', async (t) => {
  const plain = await tokenizerFiles(reader('bert-sequence'), 'bert-sequence');
  t.true(plain.has('config.json') && plain.has('tokenizer.json'));
  t.false(plain.has('modules.json'));
  const sentence = await tokenizerFiles(reader('sentence-mean-normalize'), 'sentence-mean-normalize');
  t.true(sentence.has('modules.json'));
});

test('texts become the inputs of a length', async (t) => {
  const tokenizer = await loadTokenizer(reader('bert-sequence'), 'here');
  const { inputIds, attentionMask, truncated } = tokenizeTexts(tokenizer, 16, TEXTS, 8);
  t.deepEqual(inputIds.shape, [3, 8]);
  t.deepEqual(attentionMask.shape, [3, 8]);
  t.is(truncated.length, 3);
  tf.dispose([inputIds, attentionMask]);
});

test('a file that is not there, or says what is not understood, is named', async (t) => {
  for (const load of [loadTokenizer, loadConfig, tokenizerFiles]) {
    const none = await t.throwsAsync(
      load(async () => undefined, 'here'),
      { instanceOf: ModelFileError },
    );
    t.is(none.file, 'here/config.json');
    const other = reader('bert-sequence', { 'config.json': changed('bert-sequence', { model_type: 'gpt2' }) });
    await t.throwsAsync(load(other, 'here'), { instanceOf: ModelFileError, message: /^here\/config.json.*gpt2/ });
  }
  for (const load of [loadTokenizer, tokenizerFiles]) {
    const missing = { 'tokenizer.json': undefined, 'vocab.txt': undefined };
    await t.throwsAsync(load(reader('bert-sequence', missing), 'here'), { instanceOf: ModelFileError });
  }
});
