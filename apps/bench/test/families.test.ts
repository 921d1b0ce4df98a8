/**
 * Families whose encoders are no plain BERT, on shares beside plaintext: small checkpoints of bert-loader's own tests.
 * Largest difference seen: 5e-4, of a masked language model's scores up to 7.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BertInputs, type BertModel, loadBert } from '@secformer/bert-loader';
import { type Visible, whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
import type { Tensor } from '@tensorflow/tfjs';
import test from 'ava';
import { tf } from '../src/quiet-tfjs.js';

const fixtures = fileURLToPath(new URL('../../../../packages/bert-loader/test/fixtures/models', import.meta.url));

const BAR = 2e-3;

interface Expected {
  inputs: Record<'input_ids' | 'attention_mask' | 'token_type_ids', number[][]>;
}

/** The fixture's two texts, the second of which has three tokens of padding. */
function inputsOf(name: string): BertInputs {
  const { inputs } = JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8')) as Expected;
  const ints = (rows: number[][]) => tf.tensor2d(rows, undefined, 'int32');
  return {
    inputIds: ints(inputs.input_ids),
    attentionMask: ints(inputs.attention_mask),
    tokenTypeIds: ints(inputs.token_type_ids),
  };
}

const cases: [name: string, what: string, f: (model: BertModel, inputs: BertInputs) => Tensor][] = [
  ['mpnet-answers', 'relative position bias, positions counted from the padding’s id', (m, i) => m.logits(i)],
  ['albert-sequence', 'shared layers, narrow embeddings', (m, i) => m.logits(i)],
  ['mobilebert-masked', 'trigrams, bottlenecks, NoNorm, a decoder wider than the embeddings', (m, i) => m.logits(i)],
  ['sentence-every', 'three poolings, a dense layer, unit length', (m, i) => m.embed(i)],
];

for (const [name, what, f] of cases) {
  test.serial(`${name}: ${what}`, async (t) => {
    t.timeout(120_000);
    await tf.setBackend('cpu');
    const model = await loadBert(join(fixtures, name));
    const plain = f(model, inputsOf(name));
    const want = (await plain.data()) as Float32Array;
    plain.dispose();
    await tf.setBackend('secformer');
    const secret = f(model, inputsOf(name));
    const got = await secret.data();
    t.is(got.length, want.length);
    const worst = want.reduce((w, v, i) => Math.max(w, Math.abs(v - got[i]!)), 0);
    t.true(worst <= BAR, `${worst}`);
    secret.dispose();
    model.dispose();
  });
}

test.serial('positions counted over what is no padding do not show how much padding there is', async (t) => {
  t.timeout(120_000);
  await tf.setBackend('secformer');
  for (const name of ['roberta-model', 'mpnet-model']) {
    const model = await loadBert(join(fixtures, name));
    const seen = ['w1', 'w1 w2 w3 w4 w5 w6', 'w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1'].map((text): Visible => {
      let visible: Visible | undefined;
      tf.tidy(() => {
        visible = whatNodesSee(model.hiddenStates(model.tokenize(text, 12)));
      });
      return visible!;
    });
    for (const { hash, writes, graph } of seen) {
      t.is(hash, seen[0]!.hash);
      t.deepEqual(writes, seen[0]!.writes);
      t.deepEqual(graph, seen[0]!.graph);
    }
    model.dispose();
  }
});
