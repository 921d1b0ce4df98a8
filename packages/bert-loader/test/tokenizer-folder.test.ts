import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { build } from 'esbuild';
import { type BertTokenizer, ModelFileError } from '../src/index.js';
import { tokenizeTexts } from '../src/tokenizer/batch.js';
import { type ModelLimits, TOKENIZER_FILES, tokenizerFromFiles } from '../src/tokenizer/load.js';

const fixtures = fileURLToPath(new URL('../../test/fixtures/tokenizers', import.meta.url));

test.before(() => tf.setBackend('cpu'));

/** The files of a fixture; of JSON files the fields named are changed, `undefined` takes a file away. */
function filesOf(folder: string, changes: Record<string, object | string | undefined> = {}): Map<string, string> {
  const there = new Set(readdirSync(join(fixtures, folder)));
  const files = new Map<string, string>(
    TOKENIZER_FILES.filter((f) => there.has(f)).map((f) => [f, readFileSync(join(fixtures, folder, f), 'utf8')]),
  );
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) files.delete(name);
    else
      files.set(
        name,
        typeof change === 'string' ? change : JSON.stringify({ ...JSON.parse(files.get(name) ?? '{}'), ...change }),
      );
  }
  return files;
}

const MODEL: ModelLimits = { positions: 512, types: 2, vocabularySize: 10_000, padToken: 0 };
const load = (
  folder: string,
  changes: Record<string, object | string | undefined> = {},
  model: Partial<ModelLimits> = {},
) => tokenizerFromFiles(filesOf(folder, changes), 'a/folder', { ...MODEL, ...model });

test('a text’s length is what the folder says, and never more than the model’s positions', (t) => {
  const truncation = { max_length: 128, stride: 0, strategy: 'LongestFirst', direction: 'Right' };
  const cases: [Record<string, object>, number][] = [
    [{}, 512],
    [{ 'tokenizer_config.json': { model_max_length: 1e30 } }, 512],
    [{ 'tokenizer_config.json': { model_max_length: 1024 } }, 512],
    [{ 'tokenizer_config.json': { model_max_length: 64 } }, 64],
    [{ 'tokenizer_config.json': { max_len: 65, model_max_length: undefined } }, 65],
    [{ 'tokenizer.json': { truncation } }, 128],
    [{ 'tokenizer_config.json': { model_max_length: 512 }, 'sentence_bert_config.json': { max_seq_length: 256 } }, 256],
    [{ 'tokenizer.json': { truncation }, 'sentence_bert_config.json': { max_seq_length: 256 } }, 256],
    [{ 'tokenizer.json': { truncation }, 'sentence_bert_config.json': { max_seq_length: null } }, 128],
    [{ 'sentence_bert_config.json': { max_seq_length: 1000 } }, 512],
  ];
  for (const [changes, limit] of cases) {
    const tokenizer = load('bert-saved', changes);
    t.is(tokenizer.limit, limit, JSON.stringify(changes));
    const { ids, truncated } = tokenizer.encode('word '.repeat(2000));
    t.is(ids.length, limit);
    t.true(truncated);
  }
});

test('what the folder says of pairs’ truncation counts, and what the caller says more', (t) => {
  const truncation = { max_length: 9, stride: 0, strategy: 'OnlySecond', direction: 'Right' };
  const tokenizer = load('bert-saved', { 'tokenizer.json': { truncation } });
  const pair: [string, string] = ['one two', 'three four five six seven eight nine ten'];
  const first = tokenizer.encode(['one two', '']).ids.slice(0, -1);
  t.deepEqual(tokenizer.encode(pair, 12).ids.slice(0, first.length), first, 'the first text is whole');
  const inputs = (kind?: 'only_first' | 'longest_first') =>
    tokenizeTexts(tokenizer, 512, [pair], first.length + 3, kind);
  const whole = inputs();
  t.deepEqual(Array.from(whole.inputIds.dataSync()).slice(0, first.length), first);
  t.notDeepEqual(Array.from(inputs('longest_first').inputIds.dataSync()), Array.from(whole.inputIds.dataSync()));
  t.throws(() => inputs('only_first'), {
    instanceOf: RangeError,
    message: /the first, which alone may be cut \('only_first'\), has/,
  });
  t.throws(() => tokenizer.encode('a single text that is too long', 6), { instanceOf: RangeError, message: /second/ });
  t.throws(() => tokenizer.encode(pair, 12, 'middle' as never), {
    instanceOf: RangeError,
    message: /'middle'; expected one of 'longest_first'/,
  });
  t.throws(() => tokenizer.encode(pair, 12, 3 as never), { instanceOf: TypeError, message: /truncation is a number/ });
  t.throws(() => tokenizer.encode(pair, 2), { instanceOf: RangeError, message: /a pair has 3 special tokens alone/ });
  t.throws(() => load('roberta-saved').encode(pair, 3), {
    instanceOf: RangeError,
    message: /a pair has 4 special tokens alone/,
  });
});

test('token types are given where the model has them and its class gives them', (t) => {
  const types = (tokenizer: BertTokenizer) => tokenizer.encode(['a', 'b']).types.includes(1);
  t.true(types(load('bert-saved')));
  t.false(types(load('bert-saved', {}, { types: 0 })));
  t.false(types(load('bert-saved', {}, { types: 1 })));
  t.false(
    types(load('bert-saved', { 'tokenizer_config.json': { model_input_names: ['input_ids', 'attention_mask'] } })),
  );
  t.false(types(load('roberta-saved')));
  const generic = { 'tokenizer_config.json': { tokenizer_class: 'TokenizersBackend' } };
  t.false(types(load('roberta-saved', generic)), 'RoBERTa’s template has one type');
  t.true(types(load('bert-saved', generic)));
  t.true(
    types(load('albert-saved', { 'tokenizer_config.json': { model_input_names: ['input_ids', 'token_type_ids'] } })),
  );
});

test('a batch is filled up with the tokenizer’s own padding', (t) => {
  for (const [folder, pad] of [
    ['bert-saved', 0],
    ['roberta-saved', 1],
    ['xlmr-saved', 1],
    ['mpnet-saved', 1],
  ] as const) {
    const tokenizer = load(folder);
    t.is(tokenizer.pad, pad, folder);
    const { inputIds, attentionMask } = tokenizeTexts(tokenizer, 512, ['a', 'the lazy dog jumps over it']);
    const length = tokenizer.encode('a').ids.length;
    const row = (x: tf.Tensor2D) => (x.arraySync()[0] as number[]).slice(length);
    t.true(row(inputIds).length > 0);
    t.true(row(inputIds).every((id) => id === pad) && row(attentionMask).every((m) => m === 0), folder);
  }
  t.is(load('bert-saved', {}, { padToken: 7 }).pad, 0);
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', pad_token: undefined };
  t.is(
    load(
      'bert-saved',
      { 'tokenizer_config.json': { ...config, pad_token: '[PAD2]' } },
      { padToken: 7, vocabularySize: 400 },
    ).pad,
    7,
  );
});

test('an id that the model has no embedding for is refused', (t) => {
  const tokenizer = load('bert-saved', {}, { vocabularySize: 10 });
  t.throws(() => tokenizer.encode('the dog'), {
    instanceOf: RangeError,
    message: /gives the id \d+, and the model has embeddings for 10 ids/,
  });
});

test('special tokens in a text are text where the folder says so', (t) => {
  const ids = (changes: object) => load('bert-saved', { 'tokenizer_config.json': changes }).encode('a [MASK] b').ids;
  t.true(ids({}).includes(4));
  t.false(ids({ split_special_tokens: true }).includes(4));
});

test('sentence_bert_config.json may ask for lower case', (t) => {
  const cased = (changes: object) =>
    load('bert-vocab-cased', { 'sentence_bert_config.json': changes }).encode('Monday').ids;
  t.notDeepEqual(cased({}), cased({ do_lower_case: true }));
  t.deepEqual(cased({ do_lower_case: true }), load('bert-vocab-cased').encode('monday').ids);
});

test('half a surrogate pair is the replacement character that UTF-8 makes of it', (t) => {
  for (const folder of ['bert-saved', 'roberta-saved', 'xlmr-saved'])
    t.deepEqual(load(folder).encode('a\ud83d b\udc00').ids, load(folder).encode('a\ufffd b\ufffd').ids);
});

test('line ends of Windows make no other vocabulary', (t) => {
  const vocab = filesOf('bert-vocab-cased').get('vocab.txt')!;
  const text = 'The quick brown Fox';
  const windows = load('bert-vocab-cased', { 'vocab.txt': vocab.replaceAll('\n', '\r\n') });
  t.deepEqual(windows.encode(text), load('bert-vocab-cased').encode(text));
  const merges = filesOf('roberta-merges').get('merges.txt')!;
  const bytes = load('roberta-merges', { 'merges.txt': merges.replaceAll('\n', '\r\n') });
  t.deepEqual(bytes.encode(text), load('roberta-merges').encode(text));
});

test('what is not understood is refused by name', (t) => {
  const model = (changes: object) => ({
    'tokenizer.json': { model: { ...JSON.parse(filesOf('bert-saved').get('tokenizer.json')!).model, ...changes } },
  });
  const bpe = (changes: object) => ({
    'tokenizer.json': { model: { ...JSON.parse(filesOf('roberta-saved').get('tokenizer.json')!).model, ...changes } },
  });
  const cases: [string, Record<string, object | string | undefined>, RegExp][] = [
    [
      'bert-saved',
      { 'tokenizer_config.json': { tokenizer_class: 'BertJapaneseTokenizer' } },
      /^a\/folder\/tokenizer_config\.json: tokenizer_class 'BertJapaneseTokenizer' is not/,
    ],
    [
      'bert-vocab-cased',
      { 'config.json': { tokenizer_class: 'BertJapaneseTokenizer' } },
      /^a\/folder\/config\.json: tokenizer_class 'BertJapaneseTokenizer'/,
    ],
    ['bert-saved', { 'tokenizer_config.json': { tokenizer_class: 'constructor' } }, /tokenizer_class 'constructor'/],
    [
      'bert-saved',
      { 'tokenizer_config.json': { do_lower_case: 'yes' } },
      /tokenizer_config\.json: do_lower_case is neither/,
    ],
    ['bert-saved', { 'tokenizer_config.json': { strip_accents: 1 } }, /strip_accents is neither/],
    ['bert-saved', { 'tokenizer_config.json': { padding_side: 'left' } }, /pads on the left/],
    ['bert-saved', { 'tokenizer_config.json': { model_max_length: 'long' } }, /model_max_length is no number/],
    ['bert-saved', { 'tokenizer_config.json': 'null' }, /tokenizer_config\.json: is no JSON object/],
    ['bert-saved', { 'special_tokens_map.json': '{' }, /special_tokens_map\.json: is not JSON/],
    ['bert-saved', { 'tokenizer.json': '[]' }, /tokenizer\.json: is no JSON object/],
    [
      'bert-saved',
      { 'tokenizer.json': { normalizer: { type: 'Nmt' } } },
      /normalizer 'Nmt' is not understood; BertNormalizer/,
    ],
    [
      'bert-saved',
      { 'tokenizer.json': { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAEAAA==' } } },
      /charsmap is cut short/,
    ],
    ['bert-saved', { 'tokenizer.json': { pre_tokenizer: { type: 'Split' } } }, /pre_tokenizer 'Split'/],
    [
      'bert-saved',
      { 'tokenizer.json': { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'first' } } },
      /prepend_scheme 'first'/,
    ],
    ['bert-saved', { 'tokenizer.json': { post_processor: { type: 'Other' } } }, /post_processor 'Other'/],
    ['bert-saved', model({ type: 'WordLevel' }), /model 'WordLevel'/],
    ['bert-saved', model({ unk_token: '[NONE]' }), /no token \[NONE\]/],
    ['bert-saved', model({ vocab: { a: 'x' } }), /the piece 'a' the id x/],
    ['roberta-saved', bpe({ dropout: 0.1 }), /drops merges by chance/],
    ['roberta-saved', bpe({ end_of_word_suffix: '</w>' }), /end_of_word_suffix/],
    ['xlmr-saved', { 'tokenizer.json': undefined }, /tokenizer\.json: is not there; .*save_pretrained/],
    ['roberta-merges', { 'merges.txt': undefined }, /merges\.txt: is not there/],
    ['roberta-merges', { 'merges.txt': '#version: 0.2\na b c\n' }, /merges\.txt: line 2 is no pair/],
    ['bert-vocab-cased', { 'vocab.txt': undefined }, /vocab\.txt: is not there/],
    ['bert-vocab-cased', { 'vocab.txt': 'a\nb\n' }, /vocab\.txt: has no token \[PAD\]/],
  ];
  for (const [folder, changes, message] of cases)
    t.throws(() => load(folder, changes), { instanceOf: ModelFileError, message }, String(message));
});

test('the tokenizers can be bundled for browsers', async (t) => {
  const entryPoints = [fileURLToPath(new URL('../src/tokenizer/load.js', import.meta.url))];
  const { outputFiles } = await build({ entryPoints, bundle: true, platform: 'browser', format: 'esm', write: false });
  t.notRegex(outputFiles[0]!.text, /["']node:/);
});
