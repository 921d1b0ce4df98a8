/** Folders of sentence-transformers: what embed() does by default, what it does when asked, and what is refused. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { type BertModel, bertFromFiles, ModelFileError } from '../src/index.js';
import { changed, expectedOf, fixtureNames, inputsOf, reader, worst } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const NAME = 'sentence-mean-normalize';
const MODULES = [
  { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
  { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
];
const MODES = ['cls_token', 'max_tokens', 'mean_tokens', 'mean_sqrt_len_tokens'].map((mode) => `pooling_mode_${mode}`);

/** A folder with these poolings and nothing after them. */
const pooledBy = (config: Record<string, unknown>): Promise<BertModel> => {
  const none = Object.fromEntries(MODES.map((mode) => [mode, undefined]));
  const file = '1_Pooling/config.json';
  return bertFromFiles(
    reader(NAME, { 'modules.json': JSON.stringify(MODULES), [file]: changed(NAME, { ...none, ...config }, file) }),
    'm',
  );
};

test('each pooling by hand, on states with padding', async (t) => {
  const model = await pooledBy({ pooling_mode_mean_tokens: true });
  const inputs = inputsOf(expectedOf(NAME));
  const states = model.hiddenStates(inputs).arraySync();
  const mask = inputs.attentionMask.arraySync();
  const by: Record<'cls' | 'max' | 'mean' | 'mean_sqrt_len', (states: number[]) => number> = {
    cls: (v) => v[0]!,
    max: (v) => Math.max(...v),
    mean: (v) => v.reduce((a, b) => a + b) / v.length,
    mean_sqrt_len: (v) => v.reduce((a, b) => a + b) / Math.sqrt(v.length),
  };
  for (const [pooling, f] of Object.entries(by)) {
    const got = model.embed(inputs, pooling as 'cls');
    const data = states.flatMap((text, b) =>
      text[0]!.map((_, h) => f(text.map((token) => token[h]!).filter((_, i) => mask[b]![i] === 1))),
    );
    t.true(worst(got, { shape: [2, 16], data }) < 1e-5, pooling);
  }
});

test('several poolings stand side by side, in the reference’s order', async (t) => {
  const inputs = inputsOf(expectedOf(NAME));
  const parts = (model: BertModel, ...poolings: ('cls' | 'max' | 'mean' | 'mean_sqrt_len')[]) =>
    tf.concat(
      poolings.map((p) => model.embed(inputs, p)),
      1,
    );
  const cases: [Record<string, unknown>, ('cls' | 'max' | 'mean' | 'mean_sqrt_len')[]][] = [
    [{ pooling_mode_mean_tokens: true, pooling_mode_cls_token: true }, ['cls', 'mean']],
    [Object.fromEntries(MODES.reverse().map((mode) => [mode, true])), ['cls', 'max', 'mean', 'mean_sqrt_len']],
    [{ pooling_mode: 'max' }, ['max']],
    [{ pooling_mode_weightedmean_tokens: undefined, pooling_mode_lasttoken: undefined }, ['mean']],
    // Newer folders, whose order counts
    [{ pooling_mode: ['mean_sqrt_len_tokens', 'mean', 'cls'] }, ['mean_sqrt_len', 'mean', 'cls']],
    [{ word_embedding_dimension: undefined, embedding_dimension: 16, pooling_mode: ['max'] }, ['max']],
  ];
  for (const [config, poolings] of cases) {
    const model = await pooledBy(config);
    const want = parts(model, ...poolings);
    t.is(worst(model.embed(inputs), { shape: want.shape, data: [...want.dataSync()] }), 0, poolings.join());
  }
});

test('embed() with a pooling is that pooling alone; one that there is not is refused', async (t) => {
  const model = await bertFromFiles(reader(NAME), 'm');
  const inputs = inputsOf(expectedOf(NAME));
  const length = (x: tf.Tensor) => tf.norm(x, 2, 1).arraySync() as number[];
  t.true(length(model.embed(inputs)).every((v) => Math.abs(v - 1) < 1e-6));
  t.true(length(model.embed(inputs, 'mean')).every((v) => Math.abs(v - 1) > 0.01));
  const expected = expectedOf('bert-model');
  const plain = await bertFromFiles(reader('bert-model'), 'm');
  const mean = plain.embed(inputsOf(expected), 'mean');
  t.is(
    worst(plain.embed(inputsOf(expected)), { shape: mean.shape, data: [...mean.dataSync()] }),
    0,
    'the mean where a folder says nothing',
  );
  const before = tf.memory().numTensors;
  const hidden = model.hiddenStates(inputs);
  for (const [given, instanceOf, message] of [
    ['median', RangeError, /pooling is 'median'; 'cls', 'max', 'mean', 'mean_sqrt_len' are known/],
    ['', RangeError, /pooling is ''/],
    [3, TypeError, /pooling is a number/],
    [null, TypeError, /pooling is null/],
    [['mean'], TypeError, /pooling is an array/],
  ] as const) {
    t.throws(() => model.embed(inputs, given as never), { instanceOf, message });
    t.throws(() => model.pool(hidden, inputs.attentionMask, given as never), { instanceOf, message });
  }
  hidden.dispose();
  t.is(tf.memory().numTensors, before);
});

test('the encoder may be in a folder of its own, as older versions saved it', async (t) => {
  const read = reader(NAME, { 'modules.json': JSON.stringify([{ ...MODULES[0], path: '0_Transformer' }, MODULES[1]]) });
  const asked: string[] = [];
  const model = await bertFromFiles(async (name) => {
    asked.push(name);
    if (name === 'config.json') return new TextEncoder().encode('{"__version__":"1.0"}');
    return read(name.replace(/^0_Transformer\//, ''));
  }, 'm');
  t.true(asked.includes('0_Transformer/model.safetensors'));
  t.true(asked.includes('1_Pooling/config.json'));
  t.deepEqual(model.embed(inputsOf(expectedOf(NAME))).shape, [2, 16]);
});

test('a head that is not understood is no reason to refuse a sentence encoder', async (t) => {
  for (const architecture of ['BertForMultipleChoice', 'BertForMaskedLM']) {
    const model = await bertFromFiles(
      reader(NAME, { 'config.json': changed(NAME, { architectures: [architecture] }) }),
      'm',
    );
    t.is(model.head, 'none');
  }
});

test('modules and poolings that are not understood are refused by name', async (t) => {
  const modules = (...types: string[]) =>
    JSON.stringify([...MODULES, ...types.map((type, i) => ({ type, path: `${i + 2}_Dense` }))]);
  const pooling = (change: Record<string, unknown>) => ({
    '1_Pooling/config.json': changed(NAME, change, '1_Pooling/config.json'),
  });
  const dense = (change: Record<string, unknown>) => ({
    '2_Dense/config.json': changed('sentence-root-dense', change, '2_Dense/config.json'),
  });
  const one = (module: Record<string, unknown>) => JSON.stringify([module, MODULES[1]]);
  const cases: [folder: string, change: Record<string, string>, message: RegExp][] = [
    [
      NAME,
      pooling({ pooling_mode_lasttoken: true }),
      /1_Pooling\/config\.json: pooling_mode_lasttoken is not understood; pooling_mode_cls_token/,
    ],
    [NAME, pooling({ pooling_mode_weightedmean_tokens: true }), /pooling_mode_weightedmean_tokens is not understood/],
    [NAME, pooling({ pooling_mode_mean_tokens: false }), /has none of pooling_mode_cls_token/],
    [NAME, pooling({ pooling_mode: 'lasttoken' }), /pooling_mode 'lasttoken' is not understood; cls, max/],
    [NAME, pooling({ pooling_mode: [] }), /pooling_mode names none/],
    [NAME, pooling({ pooling_mode: ['mean', 'weightedmean'] }), /pooling_mode 'weightedmean' is not understood/],
    [
      NAME,
      { '2_Normalize/config.json': '{"module_input_name":"token_embeddings"}' },
      /2_Normalize\/config\.json: module_input_name "token_embeddings" is not/,
    ],
    ['sentence-root-dense', dense({ use_residual: true }), /use_residual true is not understood; false is/],
    ['sentence-root-dense', dense({ module_output_name: 'other' }), /module_output_name "other" is not understood/],
    [
      NAME,
      { 'sentence_bert_config.json': '{"module_output_name":"sentence_embedding"}' },
      /sentence_bert_config\.json: module_output_name/,
    ],
    [
      NAME,
      { 'sentence_bert_config.json': '{"transformer_task":"fill-mask"}' },
      /transformer_task 'fill-mask' is not understood/,
    ],
    [
      NAME,
      { 'sentence_bert_config.json': '{"modality_config":{"text":{"method_output_name":"pooler_output"}}}' },
      /method_output_name 'pooler_output'/,
    ],
    [NAME, pooling({ pooling_mode_mean_tokens: 'yes' }), /'pooling_mode_mean_tokens' is neither true nor false/],
    [
      NAME,
      pooling({ word_embedding_dimension: 384 }),
      /word_embedding_dimension is 384, but the encoder's states have 16/,
    ],
    [
      NAME,
      { 'modules.json': modules('sentence_transformers.models.CNN') },
      /modules\.json: module 'CNN' is not understood; Dense, LayerNorm/,
    ],
    [
      NAME,
      { 'modules.json': modules('custom_st.Transformer') },
      /module 'custom_st\.Transformer' is code of the folder's own/,
    ],
    [NAME, { 'modules.json': '{}' }, /is no array of modules/],
    [NAME, { 'modules.json': '[]' }, /lists nothing; a Transformer and then a Pooling/],
    [
      NAME,
      { 'modules.json': '[{"type":"sentence_transformers.models.Transformer"}]' },
      /has a module without 'type' and 'path'/,
    ],
    [NAME, { 'modules.json': one({ ...MODULES[0], path: '../other' }) }, /path '\.\.\/other' leaves the folder/],
    [NAME, { 'modules.json': one({ ...MODULES[0], path: '/etc' }) }, /path '\/etc' leaves the folder/],
    [
      NAME,
      { 'modules.json': JSON.stringify([MODULES[1], MODULES[0]]) },
      /lists Pooling, Transformer; a Transformer and then/,
    ],
    [
      'sentence-root-dense',
      dense({ activation_function: 'torch.nn.modules.activation.Softplus' }),
      /activation_function 'torch\.nn\.modules\.activation\.Softplus' is not/,
    ],
    ['sentence-root-dense', dense({ activation_function: 'my.Tanh' }), /activation_function 'my\.Tanh' is not/],
    ['sentence-root-dense', dense({ in_features: 17 }), /in_features is 17, but what comes before has 16 features/],
    [
      'sentence-root-dense',
      dense({ out_features: 13 }),
      /2_Dense\/model\.safetensors: tensor 'linear\.weight' has shape \[12,16\]/,
    ],
  ];
  for (const [folder, change, message] of cases)
    await t.throwsAsync(
      bertFromFiles(reader(folder, change), 'm'),
      { instanceOf: ModelFileError, message },
      String(message),
    );
  t.true(fixtureNames.filter((name) => name.startsWith('sentence-')).length >= 5);
});
