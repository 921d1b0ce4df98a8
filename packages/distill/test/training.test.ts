/** Trainings from end to end, of a tiny model: what they lower and leave, and that they can be taken up again. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadBert } from '@secformer/bert-loader';
import { trainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import test, { type ExecutionContext } from 'ava';
import {
  type RunRecord,
  type Stage,
  settingsOf,
  studentOf,
  Training,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingSettings,
  type TrainingStart,
  tasks,
  useBackend,
} from '../src/index.js';
import { encoded } from '../src/train/batches.js';
import { evaluate } from '../src/train/evaluate.js';
import { stagesOf } from '../src/train/stages.js';
import { folder, sentences, stage, tinyDraft } from './tiny.js';

test.before(() => useBackend('cpu'));

const SETTINGS: Partial<TrainingSettings> = { batch: 10, length: 16, rate: 5e-3, dropout: { hidden: 0.1, head: 0.1 } };

function startOf(out: string, change: Partial<TrainingStart> = {}, settings: Partial<TrainingSettings> = {}) {
  return {
    task: tasks.sst2!,
    draft: tinyDraft(),
    stages: [stage(6)],
    settings: settingsOf({ ...SETTINGS, ...settings }),
    train: sentences(100),
    dev: sentences(40, 1000),
    out,
    backend: 'cpu',
    ...change,
  };
}

async function run(start: TrainingStart, options?: TrainingOptions): Promise<RunRecord> {
  const training = await Training.of(start);
  try {
    return await training.run(options);
  } finally {
    training.dispose();
  }
}

const losses = ({ curve }: RunRecord) => curve.map((point) => point.losses.total!);
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

test.serial(
  'a fine-tuning of a hundred sentences lowers the loss, and leaves a model that does the task',
  async (t) => {
    const out = folder(t);
    const before = tf.memory().numTensors;
    const seen: TrainingProgress[] = [];
    const record = await run(startOf(out), { onProgress: (progress) => seen.push(progress) });
    t.is(tf.memory().numTensors, before);
    const all = losses(record);
    t.is(all.length, 60);
    t.true(mean(all.slice(-10)) < 0.5 * mean(all.slice(0, 10)), String(all));
    t.true(record.best!.value > 0.9, String(record.best!.value));
    t.is(record.evaluations.length, 6);
    t.deepEqual(
      seen.map(({ step }) => step),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    t.is(seen.at(-1)!.secondsLeft, 0);
    t.like(JSON.parse(readFileSync(join(out, 'training.json'), 'utf8')), {
      task: 'sst2',
      steps: 60,
      ended: 'all steps',
    });
    t.regex(
      readFileSync(join(out, 'training.svg'), 'utf8'),
      /^<svg [^>]+>[\s\S]*<polyline points="[\d., ]+"[\s\S]*<\/svg>\n$/,
    );
    t.false(existsSync(join(out, 'states')));

    const model = await loadBert(out);
    t.is(model.head, 'sequence-classification');
    const dev = sentences(40, 1000);
    const got = tf.tidy(() => tf.argMax(model.logits(model.tokenize(dev.map((e) => e.text as string))), 1).arraySync());
    const right = (got as number[]).filter((label, i) => label === dev[i]!.label).length / dev.length;
    t.is(right, record.best!.value);
    model.dispose();
  },
);

test.serial('a training that was interrupted goes on to the same bits', async (t) => {
  const [whole, broken] = [folder(t), folder(t)];
  const some = { train: sentences(50), dev: sentences(10, 1000), stages: [stage(3)] };
  const settings = { microBatch: 4, evaluateEvery: 4 };
  const want = await run(startOf(whole, some, settings));
  for (const stop of [3, 9]) {
    const controller = new AbortController();
    const onProgress = ({ step }: TrainingProgress) => step === stop && controller.abort();
    const options = { signal: controller.signal, onProgress: onProgress as never, resume: stop > 3 };
    const record = await run(startOf(broken, some, settings), options);
    t.is(record.ended, 'interrupted');
    t.is(record.curve.length, stop);
    t.true(existsSync(join(broken, 'states')));
  }
  t.true(readdirSync(join(broken, 'states')).length <= 2);
  const got = await run(startOf(broken, some, settings), { resume: true });
  t.deepEqual(got.curve, want.curve);
  t.deepEqual(got.evaluations, want.evaluations);
  t.deepEqual(readFileSync(join(broken, 'model.safetensors')), readFileSync(join(whole, 'model.safetensors')));
  t.is(got.curve.length, 15);
});

test.serial('a state of other settings, and one that is damaged, are refused by name', async (t) => {
  const out = folder(t);
  const signal = AbortSignal.abort();
  const start = startOf(out, { stages: [stage(1)] });
  await run(start, { signal });
  await t.throwsAsync(run(startOf(out, { stages: [stage(1)] }, { rate: 1e-3 }), { resume: true }), {
    code: 'CHECKPOINT_MISMATCH',
    message: /other settings \(rate\)/,
  });
  const { writeFileSync } = await import('node:fs');
  const [state] = readdirSync(join(out, 'states'));
  writeFileSync(join(out, 'states', state!, 'weights/model.safetensors'), 'x');
  await t.throwsAsync(run(start, { resume: true }), {
    code: 'CHECKPOINT_MISMATCH',
    message: /is no state of a training/,
  });
  // Without --resume it begins anew
  t.is((await run(start)).ended, 'all steps');
});

test.serial('it ends early where nothing gets better, and is refused where the loss is none', async (t) => {
  const stubborn = startOf(folder(t), {}, { rate: 0, patience: 2, evaluateEvery: 3 });
  const record = await run(stubborn);
  t.is(record.ended, 'no longer better');
  t.is(record.curve.length, 9);
  const lost = tinyDraft();
  lost.tensors.get('classifier.bias')!.values[0] = 3e38;
  lost.tensors.get('classifier.bias')!.values[1] = -3e38;
  await t.throwsAsync(run(startOf(folder(t), { draft: lost })), {
    code: 'TRAINING_DIVERGED',
    message: /^step 1: the loss is no finite number; .*one layer at a time$/,
  });
});

test.serial('no model is kept whose scores are none, and no step is made of a gradient that is none', async (t) => {
  // Attention of 2Quad is 0/0 where each s + c is 0
  const draft = studentOf(tinyDraft(), { attention: '2quad', constant: 0 });
  for (const [name, { values }] of draft.tensors) if (/self\.(query|key)\./.test(name)) values.fill(0);
  const out = folder(t);
  const start = startOf(out, { draft, stages: [stage(1, { task: 1 })] });
  await t.throwsAsync(run(start), { code: 'TRAINING_DIVERGED' });
  t.false(existsSync(join(out, 'model.safetensors')));
  const model = await trainableBert(draft.read, 'x');
  const dev = encoded(model.tokenizer, sentences(3), 16);
  t.throws(() => evaluate(model, dev, tasks.sst2!, { batch: 2, length: 16 }), {
    code: 'TRAINING_DIVERGED',
    message: /scores of the development set are no finite numbers/,
  });
  model.dispose();
  // A loss of 1e37 has a gradient beyond what a float holds
  const steep = tinyDraft(1);
  const scaled = (name: string, by: number) => {
    const { values } = steep.tensors.get(name)!;
    values.forEach((v, i) => {
      values[i] = v * by;
    });
  };
  scaled('bert.encoder.layer.1.output.LayerNorm.weight', 1000);
  scaled('bert.pooler.dense.weight', 1e-3);
  scaled('classifier.weight', 1e19);
  await t.throwsAsync(run(startOf(folder(t), { task: tasks.stsb!, draft: steep })), {
    code: 'TRAINING_DIVERGED',
    message: /^step 1: the gradient is no finite number/,
  });
});

/** Distils a student of a trained teacher. */
async function student(t: ExecutionContext, settings: Parameters<typeof studentOf>[1], oneLayerAtATime: boolean) {
  const out = folder(t);
  const draft = studentOf(tinyDraft(2, {}), settings);
  const stages: Stage[] = stagesOf({
    layers: 2,
    attention: true,
    affine: settings.layerNorm === 'affine',
    hiddenEpochs: 4,
    epochs: 2,
    oneLayerAtATime,
    logits: 1,
    task: 0,
    hidden: 0,
  });
  const start = startOf(
    out,
    { draft, teacher: tinyDraft(), stages, train: sentences(60), dev: sentences(10, 1000) },
    // What is fitted leaves steps of so small a model little to do
    { dropout: {}, cap: 6, rate: 2e-3, fit: 0 },
  );
  return { out, record: await run(start) };
}

for (const [settings, oneLayer] of [
  [{ attention: '2quad' }, true],
  [{ attention: 'cgf', layerNorm: 'affine' }, false],
  [{ attention: 'power', layerNorm: 'affine' }, true],
] as const) {
  test.serial(`a student comes nearer to its teacher: ${Object.values(settings).join(', ')}`, async (t) => {
    const { out, record } = await student(t, settings, oneLayer);
    for (const name of new Set(record.curve.map((point) => point.stage))) {
      const own = record.curve.filter((point) => point.stage === name).map((point) => point.losses.total!);
      t.true(mean(own.slice(-3)) < mean(own.slice(0, 3)), `${name}: ${own}`);
    }
    for (const [least, most] of record.evaluations.at(-1)!.arguments) t.true(least < most);
    const model = await loadBert(out);
    t.is(model.config.attention.function, settings.attention);
    t.is(model.config.layerNorm, 'layerNorm' in settings ? 'affine' : 'standard');
    const teacher = tinyDraft();
    const { bertFromFiles } = await import('@secformer/bert-loader');
    const theirs = await bertFromFiles(teacher.read, 'teacher');
    const texts = sentences(20, 500).map((e) => e.text as string);
    const apart = tf.tidy(() => {
      const of = (m: typeof model) => tf.softmax(m.logits(m.tokenize(texts)) as tf.Tensor2D);
      return tf.mean(tf.abs(tf.sub(of(model), of(theirs)))).dataSync()[0]!;
    });
    t.true(apart < 0.08, String(apart));
    model.dispose();
    theirs.dispose();
  });
}

test.serial('norms are measured behind the attention that the same stage replaces', async (t) => {
  const both = stage(1, { hidden: 1 });
  const begins = async (stages: Stage[]) => {
    const draft = studentOf(tinyDraft(2, {}), { attention: 'power', layerNorm: 'affine' });
    const record = await run(
      startOf(
        folder(t),
        { draft, teacher: tinyDraft(), stages, train: sentences(20), dev: sentences(4, 1000) },
        // Nothing is learnt, and each batch has all sentences
        { dropout: {}, batch: 20, rate: 1e-12 },
      ),
    );
    return losses(record).at(-1)!;
  };
  const [at, after] = [await begins([both]), await begins([{ ...both, affineFrom: 5 }, both])];
  t.true(Math.abs(at - after) < 1e-4 * after, `${at} ${after}`);
});
