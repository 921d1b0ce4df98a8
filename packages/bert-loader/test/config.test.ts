/** What config.json says that changes a model: understood, or refused by name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { type BertModel, bertFromFiles, type LoadOptions, ModelFileError, NoHeadError } from '../src/index.js';
import { changed, expectedOf, fixtures, inputsOf, reader, renamed, worst } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const load = (name: string, change: Record<string, unknown>, options?: LoadOptions): Promise<BertModel> =>
  bertFromFiles(reader(name, { 'config.json': changed(name, change) }), 'm', options);

test('labels are those of id2label, and without it as many as the weight has', async (t) => {
  const labels = async (name: string, change: Record<string, unknown>) => (await load(name, change)).config.labels;
  for (const name of ['bert-sequence', 'roberta-sequence', 'distilbert-tokens']) {
    t.deepEqual(await labels(name, { id2label: { 0: 'x', 2: 'z', 1: 'y' } }), ['x', 'y', 'z'], name);
    t.deepEqual(await labels(name, { id2label: undefined }), ['LABEL_0', 'LABEL_1', 'LABEL_2'], name);
    t.deepEqual(await labels(name, { id2label: undefined, num_labels: 3 }), ['LABEL_0', 'LABEL_1', 'LABEL_2'], name);
    const refused: [Record<string, unknown>, RegExp][] = [
      [{ id2label: undefined, num_labels: 2 }, /weight' is of 3 classes, but num_labels in config\.json of 2/],
      [{ id2label: { 0: 'a', 1: 'b' } }, /weight' is of 3 classes, but id2label in config\.json of 2/],
      [{ id2label: { 1: 'a', 2: 'b', 3: 'c' } }, /id2label does not name the classes 0, 1/],
      [{ id2label: { 0: 'a', 1: 2, 2: 'c' } }, /id2label does not name/],
      [{ id2label: 'abc' }, /id2label does not name/],
    ];
    for (const [change, message] of refused)
      await t.throwsAsync(labels(name, change), { instanceOf: ModelFileError, message }, name);
  }
  const model = await load('bert-sequence', { id2label: undefined });
  const expected = expectedOf('bert-sequence');
  t.true(worst(model.logits(inputsOf(expected)), expected.outputs.logits!) < 1e-4);
});

test('keys that change the mathematics are refused by name where they are not understood', async (t) => {
  const cases: [name: string, change: Record<string, unknown>, message: RegExp][] = [
    [
      'bert-model',
      { position_embedding_type: 'relative_key' },
      /position_embedding_type 'relative_key' is not understood; 'absolute' is/,
    ],
    ['bert-model', { position_embedding_type: 'alibi' }, /position_embedding_type 'alibi'/],
    ['albert-model', { position_embedding_type: 'relative_key_query' }, /position_embedding_type 'relative_key_query'/],
    ['bert-model', { is_decoder: true }, /is_decoder true is not understood/],
    ['roberta-model', { add_cross_attention: true }, /add_cross_attention true/],
    ['bert-model', { pruned_heads: { 0: [1] } }, /pruned_heads \{"0":\[1\]\}/],
    ['bert-model', { quantization_config: { bits: 8 } }, /quantization_config \{"bits":8\}/],
    ['bert-model', { auto_map: { AutoModel: 'code--model.Model' } }, /auto_map .* models without code of their own/],
    ['bert-model', { hidden_act: 'swish' }, /hidden_act 'swish' is not understood/],
    ['bert-model', { hidden_act: 'toString' }, /hidden_act 'toString' is not understood/],
    ['distilbert-model', { activation: 'mish' }, /activation 'mish' is not understood/],
    [
      'mpnet-model',
      { relative_attention_num_buckets: 64 },
      /relative_attention_num_buckets 64 is not understood; 32 is/,
    ],
    ['mobilebert-model', { normalization_type: 'layer_norm' }, /normalization_type 'layer_norm'/],
    ['mobilebert-model', { key_query_shared_bottleneck: false }, /key_query_shared_bottleneck false/],
    ['mobilebert-model', { trigram_input: 'yes' }, /'trigram_input' is neither true nor false/],
    ['albert-model', { num_hidden_groups: 0 }, /num_hidden_groups is 0 for 3 layers/],
    [
      'bert-model',
      { model_type: 'deberta' },
      /model_type is 'deberta'; bert, distilbert, roberta, xlm-roberta, electra, mpnet, albert, mobilebert are/,
    ],
    ['bert-model', { model_type: 'constructor' }, /model_type is 'constructor'/],
    ['bert-model', { layer_norm_eps: 'small' }, /'layer_norm_eps' is no number/],
    ['roberta-model', { max_position_embeddings: 3 }, /max_position_embeddings 3 leaves room for no text/],
  ];
  for (const [name, change, message] of cases)
    await t.throwsAsync(load(name, change), { instanceOf: ModelFileError, message }, String(message));
  // And what changes nothing is not
  for (const change of [
    { is_decoder: false, pruned_heads: {}, auto_map: { AutoTokenizer: 'x' } },
    { hidden_act: 'gelu_python' },
  ])
    await t.notThrowsAsync(load('bert-model', change));
});

test('an architecture whose head is not understood is refused by name', async (t) => {
  const [head, family] = [
    'whose head is not understood; .*ForMaskedLM are',
    "which is no class of model_type 'bert'; BertModel",
  ];
  const cases: [name: string, architecture: string, what: string][] = [
    ['bert-model', 'BertForMultipleChoice', head],
    ['bert-model', 'BertForNextSentencePrediction', head],
    ['bert-model', 'BertLMHeadModel', head],
    ['roberta-model', 'RobertaForMultipleChoice', head],
    ['roberta-model', 'RobertaForCausalLM', head],
    ['electra-model', 'ElectraForPreTraining', head],
    ['distilbert-model', 'DistilBertForPreTraining', head],
    ['bert-model', 'JinaBertModel', family],
    ['bert-model', 'RobertaForSequenceClassification', family],
    ['bert-model', 'BertFortoString', family],
  ];
  for (const [name, architecture, what] of cases)
    await t.throwsAsync(load(name, { architectures: [architecture] }), {
      instanceOf: ModelFileError,
      message: new RegExp(`config\\.json: architectures is \\['${architecture}'\\], ${what}`),
    });
  await t.throwsAsync(load('bert-model', { architectures: 'BertModel' }), {
    message: /architectures is "BertModel"; expected an array/,
  });
  await t.throwsAsync(load('bert-model', { architectures: ['BertForMultipleChoice'] }), {
    message: /BertForMaskedLM.* are\. \{ head: 'none' \}/,
  });
  const model = await load('bert-model', { architectures: ['BertForMultipleChoice'] }, { head: 'none' });
  t.is(model.head, 'none');
  await t.throwsAsync(load('bert-model', {}, { head: 'regression' as never }), {
    instanceOf: RangeError,
    message: /head is 'regression'; none, sequence/,
  });
});

test('a head that architectures names has to be there, and one it does not name is found', async (t) => {
  for (const [name, architecture, tensor] of [
    ['bert-model', 'BertForSequenceClassification', 'classifier.weight'],
    ['bert-sequence', 'BertForQuestionAnswering', 'qa_outputs.weight'],
    ['roberta-tokens', 'RobertaForSequenceClassification', 'classifier.dense.weight'],
    ['bert-tokens', 'BertForSequenceClassification', 'bert.pooler.dense.weight'],
    ['electra-model', 'ElectraForMaskedLM', 'generator_predictions.dense.weight'],
  ] as const)
    await t.throwsAsync(load(name, { architectures: [architecture] }), {
      instanceOf: ModelFileError,
      message: new RegExp(`has no tensor '${tensor}'`),
    });
  for (const family of ['bert', 'distilbert', 'roberta', 'electra', 'albert', 'mobilebert', 'mpnet']) {
    const heads = {
      model: 'none',
      sequence: 'sequence-classification',
      tokens: 'token-classification',
      answers: 'question-answering',
      masked: 'masked-lm',
    };
    for (const [head, kind] of Object.entries(heads)) {
      const model = await load(`${family}-${head}`, { architectures: undefined });
      t.is(model.head, kind as never, `${family}-${head}`);
      t.is(model.classifies, head === 'sequence');
      model.dispose();
    }
  }
});

test('what a checkpoint has nothing for is refused with what there is', async (t) => {
  const inputs = inputsOf(expectedOf('bert-model'));
  const bare = await load('bert-model', {});
  t.throws(() => bare.logits(inputs), {
    instanceOf: NoHeadError,
    code: 'NO_SUCH_HEAD',
    message: /has no head; use embed/,
  });
  t.throws(() => bare.answers(inputs), {
    instanceOf: NoHeadError,
    message: /head is 'none', not 'question-answering'/,
  });
  const electra = await load('electra-sequence', {});
  t.throws(() => electra.pooled(inputs), {
    instanceOf: NoHeadError,
    message: /this ElectraModel has no pooler; embed\(inputs, 'cls'\)/,
  });
  const without = await bertFromFiles(
    reader('bert-model', {
      'model.safetensors': renamed('bert-model', (n) => (n.startsWith('pooler') ? undefined : n)),
    }),
    'm',
  );
  t.throws(() => without.pooled(inputs), { instanceOf: NoHeadError });
});

test('a decoder that is not tied is read, and a tied one is the word embeddings', async (t) => {
  // The file of a tied model holds no decoder
  const header = readFileSync(join(fixtures, 'bert-masked/model.safetensors')).toString('latin1');
  t.false(header.includes('decoder.weight'));
  await t.throwsAsync(load('bert-masked', { tie_word_embeddings: false }), {
    message: /has no tensor 'cls\.predictions\.decoder\.weight'/,
  });
  await t.throwsAsync(load('bert-untied', { tie_word_embeddings: true }), {
    instanceOf: ModelFileError,
    message:
      /'cls\.predictions\.decoder\.weight' is not 'bert\.embeddings\.word_embeddings\.weight', as tie_word_embeddings/,
  });
  await t.throwsAsync(load('bert-untied', { tie_word_embeddings: undefined }), { message: /as tie_word_embeddings/ });
});
