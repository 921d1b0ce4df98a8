/** 20 steps beside PyTorch's: see make-reference.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostTensors } from '@secformer/bert-loader/training';
import test from 'ava';
import { settingsOf, Training, tasks, useBackend } from '../src/index.js';
import { folder, stage, tinyDraft } from './tiny.js';

interface Case {
  name: string;
  task: 'sst2' | 'stsb';
  function: string;
  power?: number;
  norm: string;
  constant?: number;
  losses: number[];
  weights: Record<string, number[]>;
}

const reference = JSON.parse(
  // Seen from dist/test
  readFileSync(join(import.meta.dirname, '../../test/fixtures/reference.json'), 'utf8'),
) as { texts: number[][]; classes: number[]; scores: number[]; cases: Case[] };

/** Whose gradient is 0 but for rounding, which AdamW takes as far as any other: a row's scores may all be shifted. */
const shiftable = (c: Case, name: string) => /softmax|cgf/.test(c.function) && name.endsWith('self.key.bias');

for (const c of reference.cases) {
  test(`${c.name}: losses and weights after 20 steps are PyTorch's`, async (t) => {
    const backend = await useBackend('cpu');
    const out = folder(t);
    const outputs = c.task === 'stsb' ? 1 : 2;
    const change = { attention_function: c.function, attention_power: c.power ?? 2, layer_norm: c.norm };
    const draft = tinyDraft(outputs, change, c.constant);
    const labels = c.task === 'stsb' ? reference.scores : reference.classes;
    const examples = reference.texts.map((ids, i) => {
      const words = ids.slice(1, -1).map((id) => `w${id}`);
      return { text: words.join(' '), label: labels[i]! };
    });
    const training = await Training.of({
      task: tasks[c.task]!,
      draft,
      stages: [stage(20)],
      settings: settingsOf({ batch: 4, rate: 2e-3, constantRate: 10, evaluateEvery: 1000 }),
      train: examples,
      dev: examples,
      out,
      backend,
    });
    const { curve } = await training.run();
    training.dispose();
    t.is(curve.length, 20);
    for (const [i, want] of c.losses.entries()) {
      const got = curve[i]!.losses.total!;
      t.true(Math.abs(got - want) < 1e-4, `step ${i + 1}: ${got} for ${want}`);
    }
    const read = async (name: string) => (name === 'model.safetensors' ? readFileSync(join(out, name)) : undefined);
    const written = await hostTensors(read, out);
    t.deepEqual([...written.keys()].sort(), Object.keys(c.weights).sort());
    let moved = 0;
    for (const [name, want] of Object.entries(c.weights)) {
      if (shiftable(c, name)) continue;
      const { values } = written.get(name)!;
      const first = draft.tensors.get(name)!.values;
      const worst = Math.max(...want.map((v, i) => Math.abs(v - values[i]!)));
      t.true(worst < 1e-4, `${name}: ${worst}`);
      moved = Math.max(moved, ...want.map((v, i) => Math.abs(v - first[i]!)));
    }
    t.true(moved > 1e-2, 'and the steps were long enough to tell');
  });
}
