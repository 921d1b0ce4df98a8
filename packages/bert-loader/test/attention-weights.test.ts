/** Attention's functions beside sums written out in double precision, with padding, and their keys in config.json. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { type AttentionSettings, USUAL_CONSTANT, weigh } from '../src/attention-weights.js';
import { type BertModel, bertFromFiles, ModelFileError } from '../src/index.js';
import { hostTensors, safetensorsOf } from '../src/training.js';
import { changed, expectedOf, inputsOf, reader } from './fixture.js';

test.before(() => tf.setBackend('cpu'));

const sum = (row: number[]) => row.reduce((a, b) => a + b, 0);

/** What a row of scores is meant to become, of the tokens that are no padding alone. */
function meant(row: number[], { function: by, power, divisor }: AttentionSettings, c: number): number[] {
  const n = row.length;
  const over = (values: number[], by: number) => values.map((v) => v / by);
  if (by === 'softmax') {
    const e = row.map((s) => Math.exp(s));
    return over(e, sum(e));
  }
  if (by === '2quad') {
    const squares = row.map((s) => (s + c) ** 2);
    return over(squares, sum(squares));
  }
  if (by === 'cgf') {
    const mean = sum(row) / n;
    const variance = sum(row.map((s) => (s - mean) ** 2)) / n;
    return row.map((s) => Math.exp(s - mean - c * variance) / n);
  }
  return row.map((s) => Math.max(0, s + c) ** power / (divisor === 'tokens' ? n : divisor));
}

const scores = Array.from({ length: 2 * 3 * 5 * 5 }, (_, i) => 3 * Math.sin(7 * i + (i % 5)));
const masks = [
  [1, 1, 1, 0, 0],
  [1, 1, 1, 1, 1],
];

const cases: [string, Omit<AttentionSettings, 'constant'>][] = [
  ['softmax', { function: 'softmax', power: 2, divisor: 'tokens' }],
  ['2quad', { function: '2quad', power: 2, divisor: 'tokens' }],
  ['cgf', { function: 'cgf', power: 2, divisor: 'tokens' }],
  ['relu over the tokens', { function: 'power', power: 1, divisor: 'tokens' }],
  ['its square over a number', { function: 'power', power: 2, divisor: 40 }],
  ['its fourth power', { function: 'power', power: 4, divisor: 'tokens' }],
];

for (const [name, settings] of cases) {
  for (const each of [false, true]) {
    test(`${name}${each ? ', a constant for each head' : ''}`, (t) => {
      const constants = [1.5, 0.25, 4];
      const got = tf.tidy(
        () =>
          weigh(
            tf.tensor4d(scores, [2, 3, 5, 5]),
            tf.tensor4d(masks.flat(), [2, 1, 1, 5]),
            { ...settings, constant: 2 },
            each ? tf.tensor1d(constants) : undefined,
          ).weights.arraySync() as number[][][][],
      );
      for (const [b, mask] of masks.entries()) {
        const kept = mask.flatMap((m, i) => (m === 1 ? [i] : []));
        for (let h = 0; h < 3; h++)
          for (let q = 0; q < 5; q++) {
            const at = ((b * 3 + h) * 5 + q) * 5;
            const want = meant(
              kept.map((k) => scores[at + k]!),
              { ...settings, constant: 2 },
              each ? constants[h]! : 2,
            );
            const row = got[b]![h]![q]!;
            if (mask[q] === 0 && ['cgf', 'power'].includes(settings.function)) {
              t.deepEqual(row, [0, 0, 0, 0, 0], 'a query that is padding');
              continue;
            }
            for (const [i, k] of kept.entries()) {
              const difference = Math.abs(row[k]! - want[i]!);
              t.true(difference <= 1e-5 * Math.max(1, want[i]!), `${row[k]} for ${want[i]}`);
            }
            for (const [k, m] of mask.entries()) if (m === 0) t.is(row[k], 0, 'padding');
          }
      }
    });
  }
}

test('what padding has a part in is far from the ends of the ranges of cgf and power', (t) => {
  const wild = scores.map((s) => 100 * s);
  for (const [name, settings] of cases.filter(([, { function: by }]) => by === 'cgf' || by === 'power')) {
    const { argument, weights } = weigh(
      tf.tensor4d(wild, [2, 3, 5, 5]),
      tf.tensor4d(masks.flat(), [2, 1, 1, 5]),
      { ...settings, constant: 0 },
      undefined,
    );
    const [given, made] = [argument, weights].map((x) => (x.arraySync() as number[][][][])[0]!) as number[][][][];
    let most = Number.NEGATIVE_INFINITY;
    for (const head of given)
      for (const [q, row] of head.entries())
        for (const [k, x] of row.entries()) {
          if (q >= 3 || k >= 3) t.true(x < -1000, `${name}: ${x}`);
          else most = Math.max(most, x);
        }
    t.true(most > 0, name);
    for (const head of made) for (const row of head.slice(3)) t.deepEqual(row, [0, 0, 0, 0, 0], name);
  }
});

const load = (change: Record<string, unknown>): Promise<BertModel> =>
  bertFromFiles(reader('bert-sequence', { 'config.json': changed('bert-sequence', change) }), 'm');

test('config.json names the function and its numbers, by older names too', async (t) => {
  const attention = async (change: Record<string, unknown>) => (await load(change)).config.attention;
  t.deepEqual(await attention({}), { function: 'softmax', constant: 0, power: 2, divisor: 'tokens' });
  t.like(await attention({ attention_function: '2quad' }), { function: '2quad', constant: USUAL_CONSTANT['2quad'] });
  t.like(await attention({ softmax: '2quad', softmax_constant: 3 }), { function: '2quad', constant: 3 });
  t.like(await attention({ softmax: '2quad', attention_function: '2quad', attention_constant: 7 }), { constant: 7 });
  t.like(await attention({ attention_function: 'cgf' }), { function: 'cgf', constant: 0.5 });
  const power = { attention_function: 'power', attention_power: 4, attention_divisor: 64, attention_constant: 1 };
  t.deepEqual(await attention(power), { function: 'power', constant: 1, power: 4, divisor: 64 });
  t.is((await load({ layer_norm: 'affine' })).config.layerNorm, 'affine');
  for (const [change, message] of [
    [{ attention_function: 'cubic' }, /attention_function 'cubic' is not understood; 'softmax', '2quad', 'cgf' and/],
    [
      { attention_function: 'cgf', softmax: '2quad' },
      /attention_function and softmax, its older name, are not the same/,
    ],
    [{ attention_power: 3 }, /attention_power 3 is not understood; 1, 2 and 4 are/],
    [{ attention_divisor: 0 }, /attention_divisor is neither a number above 0 nor 'tokens'/],
    [{ attention_divisor: 1e-300 }, /attention_divisor 1e-300, or its inverse, is beyond a 32-bit float/],
    [{ attention_divisor: 1e300 }, /attention_divisor 1e\+300, or its inverse, is beyond/],
    [{ attention_constant: -1e39 }, /attention_constant -1e\+39 is beyond a 32-bit float/],
    [{ layer_norm_eps: -1 }, /layer_norm_eps -1 is below 0/],
    [{ pad_token_id: 1_000_000 }, /pad_token_id 1000000 has no row among the \d+ of vocab_size/],
    [{ attention_constant: 'two' }, /'attention_constant' is no number/],
    [{ layer_norm: 'batch' }, /layer_norm 'batch' is not understood; 'standard' and 'affine' are/],
  ] as const)
    await t.throwsAsync(load(change), { instanceOf: ModelFileError, message }, String(message));
});

test('constants of each head are read from the checkpoint, and checked', async (t) => {
  const tensors = await hostTensors(reader('bert-sequence'), 'm');
  const { heads, layers } = (await load({})).config;
  const inputs = inputsOf(expectedOf('bert-sequence'));
  const logits = async (values: number[] | undefined, constant: number) => {
    const all = new Map(tensors);
    for (let i = 0; values && i < layers; i++)
      all.set(`bert.encoder.layer.${i}.attention.self.constant`, {
        shape: [values.length],
        values: Float32Array.from(values),
      });
    const config = changed('bert-sequence', { attention_function: '2quad', attention_constant: constant });
    const model = await bertFromFiles(
      reader('bert-sequence', { 'config.json': config, 'model.safetensors': safetensorsOf(all) }),
      'm',
    );
    return Array.from(model.logits(inputs).dataSync());
  };
  const same = await logits(new Array(heads).fill(3), 9);
  t.deepEqual(same, await logits(undefined, 3));
  t.notDeepEqual(
    same,
    await logits(
      Array.from({ length: heads }, (_, h) => h + 1),
      9,
    ),
  );
  const message = /constant' has shape \[\d+\], expected \[\d+\]/;
  await t.throwsAsync(logits(new Array(heads + 1).fill(3), 9), { instanceOf: ModelFileError, message });
});

test('affine norms are gain and bias alone', async (t) => {
  const inputs = inputsOf(expectedOf('bert-sequence'));
  const model = await load({ layer_norm: 'affine' });
  const [states, other] = [model.hiddenStates(inputs), (await load({})).hiddenStates(inputs)];
  const deviation = (x: tf.Tensor) => tf.moments(x, -1).variance.sqrt().mean().dataSync()[0]!;
  t.true(Math.abs(deviation(states) - deviation(other)) > 1e-3);
  t.true(states.dataSync().every(Number.isFinite));
});
