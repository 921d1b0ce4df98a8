/** Checkpoints that a training begins with: an encoder alone, older names, another head; and what is no BERT. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadBert } from '@secformer/bert-loader';
import { safetensorsOf } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { BACKENDS, Draft, tasks, useBackend } from '../src/index.js';
import { folder, tinyDraft } from './tiny.js';

test.before(() => useBackend('cpu'));

test.serial('an encoder of a sentence-transformers folder, by older names, gets a head for its task', async (t) => {
  const at = folder(t);
  const tiny = tinyDraft();
  const older = [...tiny.tensors]
    .filter(([name]) => name.startsWith('bert.') && !name.includes('pooler'))
    .map(([name, tensor]) => {
      const bare = name.slice('bert.'.length);
      return [bare.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'), tensor];
    });
  mkdirSync(join(at, '0_Transformer'));
  await tiny.write(join(at, '0_Transformer'));
  writeFileSync(join(at, '0_Transformer/model.safetensors'), safetensorsOf(new Map(older as never)));
  const type = 'sentence_transformers.models.';
  const modules = [
    { idx: 0, name: '0', path: '0_Transformer', type: `${type}Transformer` },
    { idx: 1, name: '1', path: '1_Pooling', type: `${type}Pooling` },
  ];
  writeFileSync(join(at, 'modules.json'), JSON.stringify(modules));
  const draft = await Draft.read(at);
  t.is(draft.classes, undefined);
  const made = draft.forTask(tasks.stsb!, 7);
  t.deepEqual([...made.tensors.get('classifier.weight')!.shape], [1, 8]);
  t.like(made.config, { problem_type: 'regression', id2label: { 0: 'score' } });
  t.deepEqual(made.forTask(tasks.stsb!, 8).tensors, made.tensors);
  t.notDeepEqual(draft.forTask(tasks.stsb!, 8).tensors, made.tensors);
  await made.write(join(at, 'out'));
  const model = await loadBert(join(at, 'out'));
  t.deepEqual(model.logits(model.tokenize(['w5', 'w6 w7'])).shape, [2, 1]);
  model.dispose();
  // The encoder is what it was
  t.deepEqual(
    made.tensors.get('bert.encoder.layer.1.output.LayerNorm.weight'),
    tiny.tensors.get('bert.encoder.layer.1.output.LayerNorm.weight'),
  );
});

test.serial("a head with the task's classes in another order is refused", (t) => {
  const of = (id2label: Record<string, string>) => tinyDraft(2, { id2label }).forTask(tasks.rte!, 1);
  t.deepEqual(of({ 0: 'ENTAILMENT', 1: 'NOT_ENTAILMENT' }).config.id2label, { 0: 'entailment', 1: 'not_entailment' });
  t.notThrows(() => of({ 0: 'LABEL_0', 1: 'LABEL_1' }));
  const message = /classes are not_entailment, entailment; the task's are entailment, not_entailment, in this order/;
  t.throws(() => of({ 0: 'not_entailment', 1: 'entailment' }), { code: 'BAD_TRAINING', message });
});

test.serial(
  'a model is stored in 16-bit floats where that is asked for, and refused where they do not hold it',
  async (t) => {
    const at = folder(t);
    const tiny = tinyDraft();
    await tiny.write(at, 'F16');
    const again = await Draft.read(at);
    const [want, got] = [tiny, again].map(({ tensors }) => tensors.get('classifier.weight')!.values) as Float32Array[];
    t.notDeepEqual(got, want);
    t.true(got!.every((value, i) => Math.abs(value - want![i]!) < 1e-3));
    tiny.tensors.get('classifier.weight')!.values[0] = 1e6;
    await t.throwsAsync(tiny.write(at, 'F16'), {
      code: 'BAD_TRAINING',
      message: /'classifier.weight' has a value of 1000000/,
    });
  },
);

test.serial('another family is refused by name', async (t) => {
  const at = folder(t);
  const tiny = tinyDraft();
  await tiny.with({ ...tiny.config, model_type: 'electra' }).write(at);
  await t.throwsAsync(Draft.read(at), {
    code: 'BAD_TRAINING',
    message: /model_type is 'electra'; 'bert' is trained here/,
  });
});

test.serial('a backend is had, or refused with what to do', async (t) => {
  await t.throwsAsync(useBackend('webgl' as never), {
    code: 'BAD_TRAINING',
    message: /tensorflow, wasm, cpu are known/,
  });
  const had = await useBackend('tensorflow').catch((error) => {
    t.regex(
      error.message,
      /backend 'tensorflow' cannot be used .*; npm install @tensorflow\/tfjs-node, or choose wasm/s,
    );
    return 'none';
  });
  const best = await useBackend();
  t.is(best, had === 'tensorflow' ? 'tensorflow' : 'wasm');
  t.true(BACKENDS.includes(best));
  t.is(tf.getBackend(), best);
});
