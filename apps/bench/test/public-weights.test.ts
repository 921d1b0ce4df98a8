import { randomBert } from '@secformer/bert-loader';
import { configure, lastRun } from '@secformer/tfjs-mpc-backend';
import test from 'ava';
import { tf } from '../src/quiet-tfjs.js';

const shape = { vocabSize: 700, hidden: 128, layers: 1, heads: 2, intermediate: 256, positions: 16 };
const TOKENS = 8;

/** The same text on whatever backend is active. */
function text() {
  const ints = (f: (i: number) => number) =>
    tf.tensor2d(
      Int32Array.from({ length: TOKENS }, (_, i) => f(i)),
      [1, TOKENS],
      'int32',
    );
  return {
    inputIds: ints((i) => (i * 97 + 5) % shape.vocabSize),
    attentionMask: ints((i) => Number(i < TOKENS - 2)),
    tokenTypeIds: ints(() => 0),
  };
}

test.serial.afterEach(() => configure({}));

/** Two reads on 'secformer' of a model that was made elsewhere: states, and what the second took. */
async function read(weights: 'secret' | 'public', fold: boolean) {
  await tf.setBackend('cpu');
  const model = randomBert(shape, 3, weights);
  configure({ fold, network: 'wan' });
  await tf.setBackend('secformer');
  await model.hiddenStates(text()).data();
  const values = await model.hiddenStates(text()).data();
  return { values, rounds: lastRun()!.rounds, bytes: lastRun()!.bytes.p0p1 };
}

test.serial('a BERT of public weights answers the same in fewer rounds, whoever looks its tokens up', async (t) => {
  await tf.setBackend('cpu');
  const want = await randomBert(shape, 3).hiddenStates(text()).data();
  const secret = await read('secret', true);
  const here = await read('public', true);
  // A client that leaves the table to the nodes
  const there = await read('public', false);
  for (const { values } of [here, there])
    values.forEach((v, i) => {
      t.true(Math.abs(v - want[i]!) < 2e-3, `${v} for ${want[i]} at ${i}`);
    });
  t.true(there.rounds < secret.rounds && there.bytes < secret.bytes);
  t.true(here.rounds < there.rounds && here.bytes < there.bytes);
});
