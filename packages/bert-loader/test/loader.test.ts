import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { BertTokenizer, bertFromFiles, loadBert, ModelFileError, randomBert } from '../src/index.js';
import { Safetensors } from '../src/safetensors.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const demoModel = join(root, 'apps/bench/models/sst2-tiny');
const others = join(root, '../shared/models');

test.before(() => tf.setBackend('cpu'));

interface Expected {
  text: string;
  input_ids: number[];
  logits?: number[];
  mean?: number[];
  firstToken?: number[];
}

/** Largest difference from what PyTorch computed on the same weights; token ids have to be equal. */
async function differenceFromPyTorch(
  t: { deepEqual(a: unknown, b: unknown): unknown },
  folder: string,
): Promise<number> {
  const model = await loadBert(folder);
  let worst = 0;
  for (const e of (JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected[]).slice(0, 4)) {
    const inputs = model.tokenize(e.text);
    t.deepEqual(Array.from(inputs.inputIds.dataSync()), e.input_ids);
    const pairs: [Float32Array, number[]][] = [];
    if (e.logits) pairs.push([model.logits(inputs).dataSync() as Float32Array, e.logits]);
    if (e.mean) pairs.push([model.embed(inputs).dataSync() as Float32Array, e.mean]);
    if (e.firstToken) pairs.push([model.embed(inputs, 'cls').dataSync() as Float32Array, e.firstToken]);
    for (const [got, want] of pairs) {
      want.forEach((w, i) => {
        worst = Math.max(worst, Math.abs(w - got[i]!));
      });
    }
  }
  model.dispose();
  return worst;
}

test('the classifier in the repository gives PyTorch’s logits on cpu', async (t) => {
  t.true((await differenceFromPyTorch(t, demoModel)) < 1e-4);
});

for (const name of ['minilm-l6', 'sst2-tiny-2quad']) {
  const folder = join(others, name);
  (existsSync(folder) ? test : test.skip)(`${name} gives PyTorch’s answers on cpu`, async (t) => {
    t.timeout(120_000);
    t.true((await differenceFromPyTorch(t, folder)) < 1e-4);
  });
}

test('padding to a length changes nothing but rounding', async (t) => {
  const model = await loadBert(demoModel);
  const text = 'A warm, funny film.';
  const short = model.logits(model.tokenize(text)).dataSync();
  const long = model.logits(model.tokenize(text, 32)).dataSync();
  t.true(short.every((v, i) => Math.abs(v - long[i]!) < 1e-4));
  t.throws(() => model.tokenize(text, 1000), { instanceOf: RangeError, message: /2 to 128/ });
  model.dispose();
});

test('what is no text, and a length that is none, is refused with what came and what was expected', async (t) => {
  const model = await loadBert(demoModel);
  const before = tf.memory().numTensors;
  const texts: [unknown, RegExp][] = [
    [5, /texts is a number; expected a string, or an array/],
    [undefined, /texts is undefined/],
    [null, /texts is null/],
    [{ text: 'a' }, /texts is an object \(Object\)/],
    [[], /texts is an empty array; expected .* at least one/],
    [['a', 3], /texts\[1\] is a number; expected a string, or a pair/],
    [['a', undefined], /texts\[1\] is undefined/],
    // biome-ignore lint/suspicious/noSparseArray: what a program may hold
    [['a', , 'b'], /texts\[1\] is undefined/],
    [[['a']], /texts\[0\] is an array of a string/],
    [[['a', 4]], /texts\[0\] is an array of a string, a number/],
    [[['a', 'b', 'c']], /texts\[0\] is an array of/],
  ];
  for (const [given, message] of texts) {
    t.throws(() => model.tokenize(given as string), { instanceOf: TypeError, message }, String(message));
  }
  t.throws(() => model.tokenizer.encode(5 as never, 8), { instanceOf: TypeError, message: /text is a number/ });
  const lengths: [unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    ['128', TypeError, /length is the string '128'; expected a whole number of tokens, 2 to 128/],
    [null, TypeError, /length is null/],
    [Number.NaN, RangeError, /length is NaN/],
    [0, RangeError, /length is 0/],
    [1, RangeError, /length is 1;/],
    [-4, RangeError, /length is -4/],
    [8.5, RangeError, /length is 8\.5/],
    [129, RangeError, /length is 129; .* 2 to 128/],
  ];
  for (const [given, instanceOf, message] of lengths) {
    t.throws(() => model.tokenize('a text', given as number), { instanceOf, message }, String(message));
    if (given !== 129)
      t.throws(() => model.tokenizer.encode('a text', given as number), { instanceOf }, String(message));
  }
  t.is(tf.memory().numTensors, before);
  t.deepEqual(model.tokenize('').inputIds.shape, [1, 2], 'an empty text is a text');
  model.dispose();
});

test('a text that is cut is said to be', async (t) => {
  const model = await loadBert(demoModel);
  t.deepEqual(model.tokenize('A delight.').truncated, [false]);
  t.deepEqual(model.tokenize(['A delight.', 'A long and winding film.', ['a', 'pair of several words']], 6).truncated, [
    false,
    true,
    true,
  ]);
  t.deepEqual(model.tokenize('word '.repeat(126)).truncated, [false], 'exactly as long as the model takes');
  t.deepEqual(model.tokenize('word '.repeat(127)).truncated, [true], 'longer than the model takes');
  model.dispose();
});

test('a tokenizer made from vocab.txt gives the ids of tokenizer.json, pairs and cuts included', (t) => {
  const json = JSON.parse(readFileSync(join(demoModel, 'tokenizer.json'), 'utf8'));
  const vocab = Object.entries(json.model.vocab as Record<string, number>).sort((a, b) => a[1] - b[1]);
  const fromVocab = BertTokenizer.fromVocabulary('vocab.txt', `${vocab.map(([token]) => token).join('\n')}\n`, true);
  const fromJson = new BertTokenizer('tokenizer.json', json);
  for (const text of ['Hello, World!', 'Café naïve 東京 unbelievable', '', ['first part', 'and the second one']] as (
    | string
    | [string, string]
  )[]) {
    t.deepEqual(fromVocab.encode(text, 64), fromJson.encode(text, 64));
  }
  const cut = fromVocab.encode('one two three four five six', 5);
  t.is(cut.ids.length, 5);
  t.is(cut.ids.at(-1), 102);
  t.deepEqual(fromVocab.encode(['a', 'b'], 64).types, [0, 0, 0, 1, 1]);
});

function safetensors(tensors: Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + json.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let to = 8 + json.length;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, to);
    to += bytes.length;
  }
  return out;
}

/** A safetensors file of a header alone. */
function headed(json: string): Uint8Array {
  return Uint8Array.from([json.length, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(json)]);
}

test.serial('a weight that is NaN or infinite is named when the checkpoint is loaded, in every format', async (t) => {
  const bytesOf = (words: Uint16Array | Float32Array) => new Uint8Array(words.buffer);
  const damaged = {
    'an F32 NaN': ['F32', bytesOf(Float32Array.of(1, Number.NaN)), /tensor 'w' holds NaN \(element 1 of shape \[2\]\)/],
    'an F32 infinity': [
      'F32',
      bytesOf(Float32Array.of(Number.NEGATIVE_INFINITY, 1)),
      /tensor 'w' holds an infinite value \(element 0/,
    ],
    'an F16 infinity': [
      'F16',
      bytesOf(Uint16Array.of(0x3c00, 0x7c00)),
      /tensor 'w' holds an infinite value \(element 1/,
    ],
    'an F16 NaN': ['F16', bytesOf(Uint16Array.of(0x3c00, 0x7e00)), /tensor 'w' holds NaN/],
    'a BF16 NaN': ['BF16', bytesOf(Uint16Array.of(0x3f80, 0x7fc0)), /tensor 'w' holds NaN/],
    'a BF16 infinity': ['BF16', bytesOf(Uint16Array.of(0x3f80, 0xff80)), /tensor 'w' holds an infinite value/],
  } as const;
  for (const [name, [dtype, bytes, message]] of Object.entries(damaged)) {
    const s = new Safetensors('m.safetensors', safetensors({ w: { dtype, shape: [2], bytes } }));
    const error = t.throws(() => s.read('w', [2]), { instanceOf: ModelFileError, message }, name);
    t.is(error?.file, 'm.safetensors');
  }
  const weights = new Uint8Array(readFileSync(join(demoModel, 'model.safetensors')));
  const start = 8 + Number(new DataView(weights.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(weights.subarray(8, start))) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const tensor = 'bert.encoder.layer.1.output.LayerNorm.bias';
  const { dtype, data_offsets: offsets } = header[tensor]!;
  weights.fill(0xff, start + offsets[0], start + offsets[0] + (dtype === 'F32' ? 4 : 2));
  const before = tf.memory().numTensors;
  const read = async (name: string) =>
    name === 'model.safetensors'
      ? weights
      : existsSync(join(demoModel, name))
        ? new Uint8Array(readFileSync(join(demoModel, name)))
        : undefined;
  await t.throwsAsync(bertFromFiles(read, 'damaged'), {
    instanceOf: ModelFileError,
    message: /^damaged\/model\.safetensors: tensor 'bert\.encoder\.layer\.1\.output\.LayerNorm\.bias' holds NaN/,
  });
  t.is(tf.memory().numTensors, before);
});

test('fp32, fp16 and bf16 tensors are read; anything damaged names the file and the tensor', (t) => {
  const values = [1, -2.5, 0.15625];
  const bf16 = new Uint16Array(new Uint32Array(Float32Array.from(values).buffer).map((w) => w >>> 16));
  const f16 = Uint16Array.of(0x3c00, 0xc100, 0x3100);
  const file = safetensors({
    a: { dtype: 'F32', shape: [3], bytes: new Uint8Array(Float32Array.from(values).buffer) },
    b: { dtype: 'BF16', shape: [3], bytes: new Uint8Array(Uint16Array.from(bf16).buffer) },
    c: { dtype: 'F16', shape: [3], bytes: new Uint8Array(f16.buffer) },
    d: { dtype: 'I8', shape: [3], bytes: new Uint8Array(3) },
  });
  const s = new Safetensors('m.safetensors', file);
  for (const name of ['a', 'b', 'c']) t.deepEqual(Array.from(s.read(name, [3])), values);
  const cases: [() => unknown, RegExp][] = [
    [() => s.read('a', [4]), /m\.safetensors: tensor 'a' has shape \[3\], expected \[4\]/],
    [() => s.read('d', [3]), /tensor 'd' is I8/],
    [() => s.read('x', [3]), /no tensor 'x'/],
    [() => new Safetensors('cut', file.subarray(0, 20)), /cut: .*cut short/],
    [() => new Safetensors('cut', file.subarray(0, file.length - 2)).read('d', [3]), /cut: tensor 'd'/],
    [() => new Safetensors('empty', new Uint8Array(3)), /too few/],
    [() => new Safetensors('null', headed('null')), /null: has a header that is no JSON object/],
    [() => new Safetensors('hollow', headed('{"w":null}')), /hollow: tensor 'w' is not described/],
    [
      () =>
        new Safetensors('vague', headed('{"w":{"dtype":"F32","shape":[1],"data_offsets":["0","4"]}}')).read('w', [1]),
      /vague: tensor 'w' lies at/,
    ],
  ];
  for (const [f, message] of cases) t.throws(f, { instanceOf: ModelFileError, message });
});

test('missing and wrong files of a folder are named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await t.throwsAsync(loadBert(folder), { instanceOf: ModelFileError, message: /config\.json: is not there/ });
  const config = JSON.parse(readFileSync(join(demoModel, 'config.json'), 'utf8'));
  for (const [change, message] of [
    [{ model_type: 'gpt2' }, /model_type is 'gpt2'/],
    [{ hidden_act: 'swish' }, /hidden_act 'swish'/],
    [{ softmax: 'cubic' }, /softmax 'cubic'/],
    [{ num_attention_heads: 5 }, /not a multiple/],
    [{ num_hidden_layers: 'four' }, /num_hidden_layers/],
  ] as const) {
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...change }));
    await t.throwsAsync(loadBert(folder), { instanceOf: ModelFileError, message });
  }
  for (const name of ['config.json', 'tokenizer_config.json']) {
    const given = (file: string) =>
      new TextEncoder().encode(file === name ? 'null' : file === 'vocab.txt' ? '' : JSON.stringify(config));
    await t.throwsAsync(
      bertFromFiles(async (file) => (file === 'modules.json' ? undefined : given(file)), 'null'),
      { instanceOf: ModelFileError, message: new RegExp(`null/${name.replace('.', '\\.')}: is no JSON object`) },
    );
  }
  const before = tf.memory().numTensors;
  const files = (name: string) =>
    name === 'config.json'
      ? new TextEncoder().encode(JSON.stringify({ ...config, num_hidden_layers: 5 }))
      : new Uint8Array(readFileSync(join(demoModel, name)));
  await t.throwsAsync(
    bertFromFiles(async (name) => (existsSync(join(demoModel, name)) ? files(name) : undefined), 'five layers'),
    {
      instanceOf: ModelFileError,
      message:
        /num_hidden_layers is 5 in config\.json, but the checkpoint holds 4 \('.*\.layer\.0' to '.*\.layer\.3'\)/,
    },
  );
  t.is(tf.memory().numTensors, before, 'tensors of a model that failed to load are disposed');
});

test('a DistilBERT checkpoint: its names, no token types, relu before the classifier', async (t) => {
  const [hidden, ffn, vocabulary] = [8, 16, 12];
  const config = {
    model_type: 'distilbert',
    vocab_size: vocabulary,
    dim: hidden,
    n_layers: 1,
    n_heads: 2,
    hidden_dim: ffn,
    max_position_embeddings: 6,
    activation: 'gelu',
    id2label: { 0: 'a', 1: 'b' },
  };
  let seed = 1;
  const tensors: Parameters<typeof safetensors>[0] = {};
  const put = (name: string, ...shape: number[]) => {
    const n = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: n }, () => {
      seed = (seed * 16807) % 2147483647;
      return (seed / 2147483647 - 0.5) * 0.8;
    });
    tensors[name] = { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
  };
  put('distilbert.embeddings.word_embeddings.weight', vocabulary, hidden);
  put('distilbert.embeddings.position_embeddings.weight', 6, hidden);
  const dense = (name: string, out: number, from: number) => {
    put(`${name}.weight`, out, from);
    put(`${name}.bias`, out);
  };
  const norm = (name: string) => {
    put(`${name}.weight`, hidden);
    put(`${name}.bias`, hidden);
  };
  norm('distilbert.embeddings.LayerNorm');
  const layer = 'distilbert.transformer.layer.0.';
  for (const part of ['q_lin', 'k_lin', 'v_lin', 'out_lin']) dense(`${layer}attention.${part}`, hidden, hidden);
  norm(`${layer}sa_layer_norm`);
  dense(`${layer}ffn.lin1`, ffn, hidden);
  dense(`${layer}ffn.lin2`, hidden, ffn);
  norm(`${layer}output_layer_norm`);
  dense('pre_classifier', hidden, hidden);
  dense('classifier', 2, hidden);
  const files: Record<string, Uint8Array> = {
    'config.json': new TextEncoder().encode(JSON.stringify(config)),
    'vocab.txt': new TextEncoder().encode('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\ng\n'),
    'model.safetensors': safetensors(tensors),
  };
  const model = await bertFromFiles(async (name) => files[name], 'distil');
  const inputs = model.tokenize('a b');
  t.deepEqual(Array.from(inputs.inputIds.dataSync()), [2, 5, 6, 3]);
  const logits = model.logits(inputs).dataSync();
  t.is(logits.length, 2);
  // relu between pre_classifier and classifier: computed by hand from the first hidden state
  const first = tf.squeeze(tf.slice(model.hiddenStates(inputs), [0, 0, 0], [1, 1, hidden]));
  const read = (name: string, shape: number[]) => tf.tensor(new Float32Array(tensors[name]!.bytes.buffer), shape);
  const inner = tf.relu(
    tf.add(tf.dot(read('pre_classifier.weight', [hidden, hidden]), first), read('pre_classifier.bias', [hidden])),
  );
  const want = tf.add(tf.dot(read('classifier.weight', [2, hidden]), inner), read('classifier.bias', [2])).dataSync();
  t.true(logits.every((v, i) => Math.abs(v - want[i]!) < 1e-5));
});

test('a random model is the same for the same seed', (t) => {
  const shape = { vocabSize: 30, hidden: 8, layers: 1, heads: 2, intermediate: 16, positions: 8 };
  const run = (seed: number) => {
    const m = randomBert(shape, seed);
    return Array.from(m.hiddenStates(m.tokenize('w1 w2')).dataSync());
  };
  t.deepEqual(run(3), run(3));
  t.notDeepEqual(run(3), run(4));
});

test('a random model may be a student: other weights of attention, with constants, and affine norms', (t) => {
  const shape = { vocabSize: 30, hidden: 8, layers: 1, heads: 2, intermediate: 16, positions: 8 };
  const quad = { function: '2quad', constant: 5, power: 2, divisor: 'tokens' } as const;
  const run = (more: object) => {
    const m = randomBert({ ...shape, ...more });
    return Array.from(m.hiddenStates(m.tokenize('w1 w2')).dataSync());
  };
  const all = [{}, { attention: quad }, { layerNorm: 'affine' }, { attention: quad, layerNorm: 'affine' }].map(run);
  t.true(all.every((states) => states.length === 32 && states.every(Number.isFinite)));
  t.is(new Set(all.map(String)).size, all.length);
});

test('what a layer computes on the way is not in memory any more where the next one begins', async (t) => {
  const peak = async (layers: number) => {
    const shape = { vocabSize: 30, hidden: 16, layers, heads: 2, intermediate: 64, positions: 32 };
    const model = randomBert(shape);
    const inputs = model.tokenize(new Array(8).fill('w1 w2 w3 w4'), 32);
    const before = tf.memory().numBytes;
    const { peakBytes } = await tf.profile(() => model.hiddenStates(inputs));
    model.dispose();
    return peakBytes - before;
  };
  const [two, eight] = [await peak(2), await peak(8)];
  // All that a layer keeps is what comes out of it
  t.true(eight - two <= 6 * 8 * 32 * 16 * 4, `${two} ${eight}`);
});
