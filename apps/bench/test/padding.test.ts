/** Attention of students on shares: rows of padding never leave the range of its function, those of tokens are told. */
import { type AttentionSettings, weigh } from '@secformer/bert-loader/training';
import { SecformerError } from '@secformer/ring';
import type { Tensor2D } from '@tensorflow/tfjs';
import test from 'ava';
import { tf } from '../src/quiet-tfjs.js';

const LENGTH = 4;
const MASK = [1, 1, 0, 0];
const TAME = [1, -1, 0.5, 0];

const cases: [name: string, settings: AttentionSettings, wild: number[]][] = [
  // Centred on the two tokens' mean ±20, so that exponents are 20 − 0.01·400 = 16
  ['cgf', { function: 'cgf', constant: 0.01, power: 2, divisor: 'tokens' }, [40, 0, 30, 0]],
  ['squares', { function: 'power', constant: 1, power: 2, divisor: 'tokens' }, [700, 0, 600, 0]],
  ['fourth powers', { function: 'power', constant: 1, power: 4, divisor: 40 }, [300, 0, 200, 0]],
];

/** Weights of one head, of scores that products made: the backend computes with its own values in the clear. */
async function weights(rows: number[][], settings: AttentionSettings): Promise<Float32Array> {
  const y = tf.tidy(() => {
    const scores = tf.matMul(tf.tensor2d(rows), tf.eye(LENGTH) as Tensor2D);
    return weigh(tf.reshape(scores, [1, 1, LENGTH, LENGTH]), tf.tensor4d(MASK, [1, 1, 1, LENGTH]), settings, undefined)
      .weights;
  });
  try {
    return (await y.data()) as Float32Array;
  } finally {
    y.dispose();
  }
}

for (const [name, settings, wild] of cases) {
  test.serial(`padding beyond the range of ${name} is left out; a token's scores beyond it are reported`, async (t) => {
    t.timeout(60_000);
    const rows = [TAME, TAME, wild, wild];
    await tf.setBackend('cpu');
    const want = await weights(rows, settings);
    t.true(want.slice(0, 2).some((w) => w > 0.1));
    await tf.setBackend('secformer');
    const got = await weights(rows, settings);
    for (const [i, v] of want.entries()) t.true(Math.abs(v - got[i]!) < 1e-3, `${got[i]} for ${v}`);
    await t.throwsAsync(weights([wild, TAME, TAME, TAME], settings), {
      instanceOf: SecformerError,
      code: 'RANGE_LEFT',
    });
  });
}
