/** Draws, the schedule, clipping, dropout, stages, settings and how a student begins. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { DistillError, settingsOf, studentOf, useBackend } from '../src/index.js';
import { drawsOf, gaussiansOf, shuffled } from '../src/random.js';
import { adamw, clipping, decays, normOf, rateAt } from '../src/train/adamw.js';
import { epochOf } from '../src/train/batches.js';
import { dropout } from '../src/train/dropout.js';
import { fineTuning, stagesOf } from '../src/train/stages.js';
import { tinyDraft } from './tiny.js';

test.before(() => useBackend('cpu'));

test('draws are of their seed, purpose and numbers', (t) => {
  const first = (...of: Parameters<typeof drawsOf>) => Array.from({ length: 4 }, drawsOf(...of));
  t.deepEqual(first(1, 'order', 2), first(1, 'order', 2));
  const others = [first(2, 'order', 2), first(1, 'dropout', 2), first(1, 'order', 3), first(1, 'order', 2, 0)];
  t.is(new Set([first(1, 'order', 2), ...others].map(String)).size, 5);
  const order = shuffled(1000, drawsOf(1, 'order'));
  t.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  t.true(order.filter((v, i) => v === i).length < 10);
  const gaussian = gaussiansOf(drawsOf(3, 'head'));
  const values = Array.from({ length: 20_000 }, gaussian);
  const mean = values.reduce((a, b) => a + b) / values.length;
  const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  t.true(Math.abs(mean) < 0.03 && Math.abs(deviation - 1) < 0.03, `${mean} ${deviation}`);
});

test('an epoch has every example once, in batches of much the same length, in another order each time', (t) => {
  const lengths = Array.from({ length: 1003 }, (_, i) => 3 + ((i * 37) % 60));
  const starts = new Uint32Array(1004);
  lengths.forEach((length, i) => {
    starts[i + 1] = starts[i]! + length;
  });
  const tokens = new Int32Array(starts[1003]!);
  const examples = { ids: tokens, types: tokens, starts, labels: new Float64Array(1003) };
  const epoch = epochOf(examples, 10, 1, 0, 4);
  t.is(epoch.length, 101);
  const all = epoch.flatMap((batch) => [...batch]);
  t.deepEqual(
    [...all].sort((a, b) => a - b),
    lengths.map((_, i) => i),
  );
  const longest = epoch.map((batch) => Math.max(...Array.from(batch, (i) => lengths[i]!)));
  const filled = epoch.reduce((sum, batch, i) => sum + batch.length * longest[i]!, 0);
  const own = tokens.length;
  t.true(filled < 1.1 * own, `${filled} for ${own}`);
  // Short and long ones are mixed
  const rising = longest.filter((length, i) => i > 0 && length >= longest[i - 1]!).length;
  t.true(rising > 20 && rising < 80, String(rising));
  t.deepEqual(epochOf(examples, 10, 1, 0, 4), epoch);
  t.notDeepEqual(epochOf(examples, 10, 1, 0, 5), epoch);
});

test('the rate rises, and falls to nothing at the end', (t) => {
  const rates = Array.from({ length: 11 }, (_, step) => rateAt(step, 10, 4, 1));
  t.deepEqual(rates, [0, 0.25, 0.5, 0.75, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]);
  t.is(rateAt(0, 10, 0, 2), 2);
});

test('gradients are made as short as asked, and no longer', (t) => {
  const gradients = [Float32Array.of(3, 0), Float32Array.of(0, 4)];
  t.is(normOf(gradients), 5);
  t.is(clipping(5, 10), 1);
  t.true(Math.abs(5 * clipping(5, 1) - 1) < 1e-6);
  const made = ([g, shorter]: [number, number]) => {
    const [weight, moments] = [Float32Array.of(1), { first: new Float32Array(1), second: new Float32Array(1) }];
    adamw(weight, Float32Array.of(g), moments, 1, 0.1, { beta1: 0.9, beta2: 0.999, epsilon: 1, decay: 0 }, shorter);
    return [...weight, ...moments.first, ...moments.second];
  };
  t.deepEqual(made([4, 0.25]), made([1, 1]));
  t.deepEqual(['a.dense.weight', 'a.dense.bias', 'a.LayerNorm.weight', 'a.self.constant'].map(decays), [
    true,
    false,
    false,
    false,
  ]);
});

test('dropout keeps the mean, drops as much as it says, and is the same at the same step', (t) => {
  const x = tf.ones([100, 200]);
  const values = (step: number, part = 0) => {
    const drop = dropout({ hidden: 0.3, attention: 0, head: 0 }, 1, step, part);
    t.is(drop(x, 'attention'), x);
    return Array.from(drop(x, 'hidden').dataSync());
  };
  const [a, b] = [values(1), values(2)];
  const dropped = a.filter((v) => v === 0).length / a.length;
  t.true(Math.abs(dropped - 0.3) < 0.02, String(dropped));
  t.true(Math.abs(a.reduce((s, v) => s + v) / a.length - 1) < 0.03);
  t.deepEqual(a, values(1));
  t.notDeepEqual(a, b);
  t.notDeepEqual(a, values(1, 1));
});

test('stages: attention first, then norms, from the top; then logits', (t) => {
  const plan = { layers: 2, hiddenEpochs: 4, epochs: 3, logits: 1, task: 0.5, hidden: 0.25 };
  const shown = (change: { attention: boolean; affine: boolean; oneLayerAtATime: boolean }) =>
    stagesOf({ ...plan, ...change }).map((s) => [s.name, s.attentionFrom, s.affineFrom, s.epochs]);
  t.deepEqual(shown({ attention: true, affine: true, oneLayerAtATime: false }), [
    ['attention', 0, 5, 4],
    ['norms', 0, 0, 4],
    ['logits', 0, 0, 3],
  ]);
  t.deepEqual(shown({ attention: true, affine: true, oneLayerAtATime: true }), [
    ['attention from layer 2', 1, 5, 2],
    ['attention from layer 1', 0, 5, 2],
    ['norms from layer 2', 0, 3, 2],
    ['norms from layer 1', 0, 0, 2],
    ['logits', 0, 0, 3],
  ]);
  t.deepEqual(shown({ attention: false, affine: false, oneLayerAtATime: true }), [['logits', 0, 0, 3]]);
  t.like(stagesOf({ ...plan, attention: true, affine: false, oneLayerAtATime: false }).at(-1), {
    losses: { hidden: 0.25, attention: 0.25, logits: 1, task: 0.5 },
  });
  t.like(fineTuning(2), [{ epochs: 2, losses: { task: 1, logits: 0 } }]);
});

test('settings that are none are refused by name', (t) => {
  t.is(settingsOf({ batch: 8 }).microBatch, 8);
  t.is(settingsOf({ batch: 8, microBatch: 2 }).microBatch, 2);
  for (const [given, message] of [
    [{ batch: 0 }, /batch is 0; expected a whole number from 1 to 4096/],
    [{ batch: 2.5 }, /batch is 2.5/],
    [{ rate: Number.NaN }, /rate is NaN; expected a number from 0 to 1/],
    [{ warmup: 2 }, /warmup is 2/],
    [{ seed: -1 }, /seed is -1/],
    [{ dropout: { hidden: 1 } }, /dropout of hidden is 1; expected a number from 0 to 0.99/],
  ] as const) {
    const error = t.throws(() => settingsOf(given), { instanceOf: DistillError, message });
    t.is(error.code, 'BAD_TRAINING');
  }
});

test("a student has its teacher's weights, a constant for each head, and the keys that say what it is", (t) => {
  const teacher = tinyDraft();
  const power = studentOf(teacher, { attention: 'power', power: 4, divisor: 32, layerNorm: 'affine' });
  t.like(power.config, {
    attention_function: 'power',
    attention_power: 4,
    attention_divisor: 32,
    attention_constant: 5,
    layer_norm: 'affine',
  });
  t.deepEqual([...power.tensors.get('bert.encoder.layer.1.attention.self.constant')!.values], [5, 5]);
  t.is(studentOf(teacher, { attention: 'power', power: 1 }).config.attention_constant, 0);
  const old = teacher.with({ ...teacher.config, softmax: '2quad', softmax_constant: 3 });
  const again = studentOf(old, { attention: '2quad' });
  t.is(again.config.attention_constant, 3);
  t.false('softmax' in again.config || 'softmax_constant' in again.config);
  for (const [from, settings, message] of [
    [teacher, { attention: 'cubic' }, /student is 'cubic'; softmax, 2quad, cgf, power are known/],
    [teacher, { power: 3 }, /power is 3/],
    [teacher, { divisor: 0 }, /divisor is 0/],
    [teacher, { constant: Number.NaN }, /constant is NaN/],
    [teacher, { layerNorm: 'batch' }, /layer norm is 'batch'/],
    [old, { attention: 'cgf' }, /the teacher's attention is '2quad' already/],
    [power, { attention: 'power' }, /the teacher's norms are affine already/],
  ] as const)
    t.throws(() => studentOf(from, settings as never), { code: 'BAD_TRAINING', message });
});
