/** What a training leaves on a disk, and what others do to it: two at once, damage, another model's files, no room. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostTensors, safetensorsOf } from '@secformer/bert-loader/training';
import test, { type ExecutionContext } from 'ava';
import { settingsOf, Training, type TrainingOptions, type TrainingStart, tasks, useBackend } from '../src/index.js';
import { makeFolder } from '../src/train/folder.js';
import { plotOf } from '../src/train/plot.js';
import { folder, sentences, stage, tinyDraft } from './tiny.js';

test.before(() => useBackend('cpu'));

function startOf(out: string, change: Partial<TrainingStart> = {}): TrainingStart {
  const settings = settingsOf({ batch: 5, length: 16, evaluateEvery: 2, rate: 1e-3 });
  const some = { train: sentences(20), dev: sentences(4, 1000), stages: [stage(2)] };
  return { task: tasks.sst2!, draft: tinyDraft(), settings, out, backend: 'cpu', ...some, ...change };
}

async function run(start: TrainingStart, options?: TrainingOptions) {
  const training = await Training.of(start);
  try {
    return await training.run(options);
  } finally {
    training.dispose();
  }
}

/** A training that was interrupted after so many steps. */
async function interrupted(start: TrainingStart, steps: number): Promise<void> {
  const controller = new AbortController();
  await run(start, { signal: controller.signal, onProgress: ({ step }) => step === steps && controller.abort() });
}

const parts = (at: string) => readdirSync(at, { recursive: true }).filter((name) => String(name).endsWith('.part'));

test.serial('a folder is of one training at a time, and what ended processes left is taken away', async (t) => {
  const out = folder(t);
  const start = startOf(out);
  let second: Promise<unknown> | undefined;
  await run(start, {
    onProgress: ({ step }) => {
      if (step === 1)
        second = t.throwsAsync(run(start), { code: 'BAD_TRAINING', message: /process \d+ trains into it/ });
    },
  });
  t.truthy(second);
  await second;
  t.deepEqual(readdirSync(out).sort(), [
    'config.json',
    'model.safetensors',
    'training.json',
    'training.svg',
    'vocab.txt',
  ]);
  // No process has this number, and another began at another time
  for (const lock of ['{"pid":4194305}', `{"pid":${process.pid},"started":"1"}`, '{"pi', '']) {
    writeFileSync(join(out, '.training.lock'), lock);
    writeFileSync(join(out, 'model.safetensors.77.part'), 'x');
    mkdirSync(join(out, 'states/step-00000002.77.part'), { recursive: true });
    t.is((await run(start)).ended, 'all steps');
    t.deepEqual([parts(out), existsSync(join(out, '.training.lock'))], [[], false]);
  }
});

test.serial(
  'a folder that cannot be written to, or has files of another model, is refused before anything',
  async (t) => {
    const at = folder(t);
    writeFileSync(join(at, 'file'), 'x');
    for (const out of [join(at, 'file'), join(at, 'file/below/it'), ''])
      await t.throwsAsync(run(startOf(out)), { code: 'BAD_TRAINING' }, out);
    if (process.platform === 'linux') await t.throwsAsync(makeFolder('/proc/none'), { code: 'BAD_TRAINING' });
    const deep = join(at, 'a/b/c');
    await makeFolder(deep);
    await makeFolder(deep);
    writeFileSync(join(deep, 'tokenizer.json'), '{}');
    await t.throwsAsync(run(startOf(deep)), {
      code: 'BAD_TRAINING',
      message: /holds tokenizer\.json of another model/,
    });
    t.deepEqual(readdirSync(deep), ['tokenizer.json']);
  },
);

test.serial('what cannot be written is told, and leaves no part; the state before it goes on', async (t) => {
  const [out, whole] = [folder(t), folder(t)];
  mkdirSync(join(out, 'model.safetensors/x'), { recursive: true });
  await t.throwsAsync(run(startOf(out)), { code: 'NOT_WRITTEN', message: /model\.safetensors: could not be written/ });
  t.deepEqual(parts(out), []);
  rmSync(join(out, 'model.safetensors'), { recursive: true });
  const draft = tinyDraft();
  await draft.write(out);
  mkdirSync(join(out, 'training.json'));
  await t.throwsAsync(run(startOf(out)), { code: 'NOT_WRITTEN' });
  rmSync(join(out, 'training.json'), { recursive: true });
  const want = await run(startOf(whole));
  t.deepEqual((await run(startOf(out), { resume: true })).curve, want.curve);
});

test.serial('the files of a model are one model’s, wherever a write of it ends', async (t) => {
  const out = folder(t);
  await tinyDraft(2, { layer_norm_eps: 1e-5 }).write(out);
  // The weights cannot be put there
  rmSync(join(out, 'model.safetensors'));
  mkdirSync(join(out, 'model.safetensors'));
  await t.throwsAsync(tinyDraft().write(out), { code: 'NOT_WRITTEN' });
  t.false(existsSync(join(out, 'config.json')), 'the other model’s config.json beside these files');
});

test.serial('states are gone on from, or kept: a training that forgets them does not begin', async (t) => {
  const out = folder(t);
  const start = startOf(out);
  await interrupted(start, 3);
  await t.throwsAsync(run(start), { code: 'BAD_TRAINING', message: /interrupted after step 3; go on from it/ });
  const states = readdirSync(join(out, 'states'));
  t.deepEqual(states, ['step-00000002', 'step-00000003']);
  // Interrupted again before a step: what is there is not written anew
  const file = join(out, 'states/step-00000003/state.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text} `);
  await run(start, { resume: true, signal: AbortSignal.abort() });
  t.is(readFileSync(file, 'utf8'), `${text} `);
  t.is((await run(start, { resume: true })).curve.length, 8);
});

test.serial('a state of other examples or weights is refused, though the settings are the same', async (t) => {
  const out = folder(t);
  const teacher = tinyDraft();
  const learns = { teacher, stages: [stage(2, { logits: 1 })] };
  await interrupted(startOf(out, learns), 3);
  const swapped = sentences(20);
  swapped[1] = { ...swapped[1]!, label: 1 - swapped[1]!.label };
  const other = tinyDraft();
  other.tensors.get('classifier.bias')!.values[0]! += 1;
  for (const change of [{ train: swapped }, { dev: sentences(4, 2000) }, { draft: other }, { teacher: other }])
    await t.throwsAsync(
      run(startOf(out, { ...learns, ...change }), { resume: true }),
      { code: 'CHECKPOINT_MISMATCH', message: /of other examples, or of other weights/ },
      Object.keys(change)[0],
    );
  const state = join(out, 'states/step-00000003/state.json');
  const { of: _, ...older } = JSON.parse(readFileSync(state, 'utf8'));
  writeFileSync(state, JSON.stringify(older));
  t.is((await run(startOf(out, learns), { resume: true })).ended, 'all steps', 'states of before say nothing of it');
});

/** What a test changes of a state.json. */
interface Edited {
  step: number;
  sinceBest: number;
  record: { curve: unknown[]; best: { value: number } };
}

async function damaged(t: ExecutionContext, start: TrainingStart, what: string, damage: (at: string) => unknown) {
  rmSync(start.out, { recursive: true, force: true });
  await interrupted(start, 3);
  await damage(join(start.out, 'states/step-00000003'));
  await t.throwsAsync(run(start, { resume: true }), { code: 'CHECKPOINT_MISMATCH' }, what);
  rmSync(join(start.out, 'states/step-00000003'), { recursive: true });
  t.is((await run(start, { resume: true })).curve.length, 8, `${what}: the state before it`);
}

test.serial('a state that was cut or changed is refused, and the one before it goes on', async (t) => {
  const start = startOf(folder(t), { stages: [stage(2)] });
  const edited = (change: (state: Edited) => void) => (at: string) => {
    const state = JSON.parse(readFileSync(join(at, 'state.json'), 'utf8'));
    change(state);
    writeFileSync(join(at, 'state.json'), JSON.stringify(state));
  };
  const resized = async (at: string) => {
    const file = join(at, 'moments/model.safetensors');
    const all = await hostTensors(async (name) => (name === 'model.safetensors' ? readFileSync(file) : undefined), at);
    all.set('first.classifier.bias', { shape: [1], values: new Float32Array(1) });
    all.set('second.classifier.bias', { shape: [1], values: new Float32Array(1) });
    writeFileSync(file, safetensorsOf(all));
  };
  for (const [what, damage] of Object.entries<(at: string) => unknown>({
    'a text cut': (at) => truncateSync(join(at, 'state.json'), 100),
    'nothing left': (at) => truncateSync(join(at, 'state.json'), 0),
    'weights cut': (at) => truncateSync(join(at, 'weights/model.safetensors'), 5000),
    'no moments': (at) => rmSync(join(at, 'moments/model.safetensors')),
    'moments of another size': resized,
    'another step': edited((s) => {
      s.step = 5;
    }),
    'a negative count': edited((s) => {
      s.sinceBest = -1;
    }),
    'no record': edited((s) => {
      delete (s as Partial<Edited>).record;
    }),
    'a point less': edited((s) => s.record.curve.pop()),
    'a point without losses': edited((s) => {
      s.record.curve[1] = { step: 2 };
    }),
    'an evaluation that was not': edited((s) => {
      s.record.best.value = 2;
    }),
  }))
    await damaged(t, start, what, damage);
});

test('a plot of more steps than a call takes arguments', (t) => {
  const curve = Array.from({ length: 300_000 }, (_, i) => ({
    step: i + 1,
    stage: 'task',
    rate: 1e-4,
    gradient: 1,
    losses: { total: 1 + 1 / (i + 1) },
  }));
  const record = { task: 'sst2', backend: 'cpu', settings: {}, steps: curve.length, curve, evaluations: [] };
  const plot = plotOf({ ...record, best: undefined, seconds: 1, fittingSeconds: 0, ended: undefined });
  t.regex(plot, /<polyline points="[\d.]+,/);
  t.true(plot.length < 50_000);
});
