/** Attention that is fitted before the first step: by search and least squares, layer after layer. */
import { existsSync } from 'node:fs';
import { type TrainableBert, trainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {
  type Draft,
  settingsOf,
  studentOf,
  Training,
  type TrainingOptions,
  type TrainingProgress,
  tasks,
  useBackend,
} from '../src/index.js';
import { fitAttention } from '../src/model/fit-attention.js';
import { leastSquares } from '../src/model/least-squares.js';
import { drawsOf, gaussiansOf } from '../src/random.js';
import { type Batch, batchOf, encoded } from '../src/train/batches.js';
import { layerError } from '../src/train/losses.js';
import { folder, sentences, stage, tinyDraft } from './tiny.js';

test.before(() => useBackend('cpu'));

test('least squares find the matrix that made the numbers, and with a ridge what its equations say', (t) => {
  const [rows, n, m] = [40, 7, 3];
  const draw = gaussiansOf(drawsOf(3, 'head'));
  const made = (count: number) => Float64Array.from({ length: count }, draw);
  const [x, w] = [made(rows * n), made(n * m)];
  const product = (a: Float64Array, b: Float64Array, cols: number) => {
    // AᵀB, of [rows, n] and [rows, cols]
    const out = new Float64Array(n * cols);
    for (let r = 0; r < rows; r++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < cols; j++) out[i * cols + j] = out[i * cols + j]! + a[r * n + i]! * b[r * cols + j]!;
    return out;
  };
  const y = new Float64Array(rows * m);
  for (let r = 0; r < rows; r++)
    for (let j = 0; j < m; j++) for (let i = 0; i < n; i++) y[r * m + j]! += x[r * n + i]! * w[i * m + j]!;
  const gram = product(x, x, n);
  const right = product(x, y, m);
  const exact = right.slice();
  leastSquares(gram.slice(), exact, n, m, 1e-14);
  t.true(
    exact.every((v, i) => Math.abs(v - w[i]!) < 1e-10),
    String(exact),
  );

  const ridge = 0.5;
  const found = right.slice();
  leastSquares(gram.slice(), found, n, m, ridge);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i]!;
  // (XᵀX + r)·W is XᵀY
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) {
      let sum = ((ridge * trace) / n) * found[i * m + j]!;
      for (let k = 0; k < n; k++) sum += gram[i * n + k]! * found[k * m + j]!;
      t.true(Math.abs(sum - right[i * m + j]!) < 1e-10, `${sum} ${right[i * m + j]}`);
    }
  t.throws(() => leastSquares(new Float64Array(4).fill(Number.NaN), new Float64Array(2), 2, 1, 0.1), {
    instanceOf: RangeError,
  });
});

/** How far a student's hidden states are from its teacher's, at each layer, over a batch. */
function apart(student: TrainableBert, teacher: TrainableBert, { inputs }: Batch): number[] {
  return tf.tidy(() => {
    const hidden = (model: TrainableBert) => {
      const seen: tf.Tensor[] = [];
      model.compute(inputs, { seen: (what, layer, x) => void (what === 'hidden' && layer >= 0 && seen.push(x)) });
      return seen;
    };
    const [own, theirs] = [hidden(student), hidden(teacher)];
    const mask = tf.cast(inputs.attentionMask, 'float32');
    return own.map((x, i) => layerError(x, theirs[i]!, mask).dataSync()[0]!);
  });
}

async function fitted(draft: Draft, teacherDraft: Draft, from = 0, constants = true) {
  const [student, teacher] = [await trainableBert(draft.read, 'own'), await trainableBert(teacherDraft.read, 'theirs')];
  const encodedOf = (count: number, at: number) => encoded(student.tokenizer, sentences(count, at), 16);
  const batch = (count: number, at = 0) =>
    batchOf(
      encodedOf(count, at),
      Array.from({ length: count }, (_, i) => i),
      0,
      16,
      'int32',
    );
  const [some, others] = [batch(150), batch(40, 1000)];
  const weights = new Map([...student.weights].map(([name, v]) => [name, (v.dataSync() as Float32Array).slice()]));
  const show = (name: string) => {
    const variable = student.weights.get(name)!;
    tf.tidy(() => variable.assign(tf.tensor(weights.get(name)!, variable.shape)));
  };
  const before = apart(student, teacher, others);
  const tensors = tf.memory().numTensors;
  const batches = [some.inputs];
  const turns = [
    ...fitAttention({ student, teacher, draft, weights, show, hooks: {}, batches, from, to: 2, constants }),
  ];
  const left = tf.memory().numTensors - tensors;
  const after = apart(student, teacher, others);
  student.dispose();
  teacher.dispose();
  return { before, after, weights, turns, left };
}

const CONSTANTS = (layer: number) => `bert.encoder.layer.${layer}.attention.self.constant`;

test.serial('a student whose attention was taken from it is given it back', async (t) => {
  // The teacher has 2Quad with 2, its student 5 and another output projection
  const teacher = tinyDraft(2, { attention_function: '2quad' }, 2);
  for (const layer of [0, 1]) teacher.tensors.get(CONSTANTS(layer))!.values.fill(2);
  const draft = teacher.with(
    teacher.config,
    new Map([...teacher.tensors].map(([name, { shape, values }]) => [name, { shape, values: values.slice() }])),
  );
  for (const layer of [0, 1]) {
    draft.tensors.get(CONSTANTS(layer))!.values.fill(5);
    const { values } = draft.tensors.get(`bert.encoder.layer.${layer}.attention.output.dense.weight`)!;
    for (let i = 0; i < values.length; i++) values[i] = values[i]! * (1 + 0.2 * Math.sin(i));
  }
  const { before, after, weights, turns, left } = await fitted(draft, teacher);
  t.deepEqual(turns, [
    { layer: 1, layers: 2 },
    { layer: 2, layers: 2 },
  ]);
  t.is(left, 0);
  for (const layer of [0, 1]) t.deepEqual([...weights.get(CONSTANTS(layer))!], [2, 2]);
  // What is left is the ridge's
  t.true(
    after.every((error, i) => error < 0.02 * before[i]!),
    `${before} ${after}`,
  );
});

// CGF's usual constant is near the best already
for (const settings of [
  { attention: '2quad' },
  { attention: 'cgf', constant: 3 },
  { attention: 'power', power: 2 },
] as const) {
  test.serial(`${settings.attention}: layers come nearer to their teacher's, on other texts too`, async (t) => {
    const teacher = tinyDraft();
    const { before, after } = await fitted(studentOf(teacher, settings), teacher);
    t.true(
      after.every((error, i) => error < 0.5 * before[i]!),
      `${before} ${after}`,
    );
  });
}

test.serial('layers below the first stay as they are, and constants that are to be kept', async (t) => {
  const teacher = tinyDraft();
  const draft = studentOf(teacher, { attention: '2quad', constant: 3.3 });
  const { weights } = await fitted(draft, teacher, 1, false);
  const output = (layer: number) => `bert.encoder.layer.${layer}.attention.output.dense.bias`;
  for (const layer of [0, 1]) t.deepEqual([...weights.get(CONSTANTS(layer))!], [...Float32Array.of(3.3, 3.3)]);
  t.deepEqual(weights.get(output(0)), draft.tensors.get(output(0))!.values);
  t.notDeepEqual(weights.get(output(1)), draft.tensors.get(output(1))!.values);
});

test.serial('a checkpoint whose constant is not a weight keeps it, and has its projections fitted', async (t) => {
  const draft = tinyDraft(2, { attention_function: '2quad', attention_constant: 4 });
  const { before, after, weights } = await fitted(draft, tinyDraft());
  t.false(weights.has(CONSTANTS(0)));
  t.true(
    after.every((error, i) => error < 0.5 * before[i]!),
    `${before} ${after}`,
  );
});

test.serial('a training fits before its first step, says so, and can be interrupted there', async (t) => {
  const teacher = tinyDraft();
  const run = async (out: string, fit: number, signal?: AbortSignal) => {
    const seen: TrainingProgress[] = [];
    const training = await Training.of({
      task: tasks.sst2!,
      draft: studentOf(teacher, { attention: '2quad' }),
      teacher,
      stages: [stage(1, { hidden: 1, attention: 1 })],
      settings: settingsOf({ batch: 10, length: 16, rate: 1e-12, fit }),
      train: sentences(100),
      dev: sentences(10, 1000),
      out,
      backend: 'cpu',
    });
    const record = await training.run({ onProgress: (p) => void seen.push(p), ...(signal && { signal }) });
    training.dispose();
    return { record, seen };
  };
  const first = async (fit: number) => (await run(folder(t), fit)).record.curve.at(-1)!.losses.total!;
  t.true((await first(100)) < 0.5 * (await first(0)));

  const out = folder(t);
  const { seen } = await run(out, 30);
  t.deepEqual(
    seen.slice(0, 3).map(({ fitted, step }) => fitted ?? step),
    [{ layer: 1, layers: 2 }, { layer: 2, layers: 2 }, 1],
  );
  const stopped = folder(t);
  const controller = new AbortController();
  setImmediate(() => controller.abort());
  const { record } = await run(stopped, 30, controller.signal);
  t.is(record.ended, 'interrupted');
  t.is(record.curve.length, 0);
  // Nothing to go on from, and nothing that is half fitted
  t.false(existsSync(`${stopped}/model.safetensors`));
});

test.serial('a training that is interrupted while it fits goes on to the same bits, whatever it saves', async (t) => {
  const teacher = tinyDraft();
  const hidden = stage(0.5, { hidden: 1, attention: 1 });
  const run = async (out: string, options: TrainingOptions = {}) => {
    const training = await Training.of({
      task: tasks.sst2!,
      draft: studentOf(teacher, { attention: '2quad' }),
      teacher,
      // Layer by layer: the second stage fits after steps of the first
      stages: [{ ...hidden, attentionFrom: 1 }, hidden],
      settings: settingsOf({ batch: 10, length: 16, rate: 1e-3, fit: 30, saveEvery: 1000 }),
      train: sentences(60),
      dev: sentences(10, 1000),
      out,
      backend: 'cpu',
    });
    const record = await training.run(options);
    training.dispose();
    return record;
  };
  const want = await run(folder(t));
  const out = folder(t);
  const controller = new AbortController();
  const onProgress = ({ step, fitted }: TrainingProgress) => void (step > 0 && fitted && controller.abort());
  const stopped = await run(out, { signal: controller.signal, onProgress });
  t.is(stopped.ended, 'interrupted');
  t.is(stopped.curve.length, 3);
  const got = await run(out, { resume: true });
  t.deepEqual(got.curve, want.curve);
  t.deepEqual(got.evaluations, want.evaluations);
});

test.serial('what is no finite number is refused by its layer', async (t) => {
  const teacher = tinyDraft();
  teacher.tensors.get('bert.encoder.layer.1.attention.self.value.bias')!.values.fill(3e38);
  await t.throwsAsync(fitted(studentOf(tinyDraft(), { attention: '2quad' }), teacher), {
    code: 'TRAINING_DIVERGED',
    message: /^layer 2: .* no finite number/,
  });
});
