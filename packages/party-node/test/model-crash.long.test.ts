import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ModelStore } from '../src/store/model-store.js';
import { described, model, options, steps } from './model-steps.js';
import { PowerCutFs } from './power-cut-fs.js';
import { folder, small } from './stored-model.js';
import { watchedFs } from './watched-fs.js';

const SEEDS = Number(process.env.CUTS ?? 2);
/** Of the calls at which a process is killed, one in so many; the power is cut at all of them. */
const EACH = Number(process.env.EACH ?? 5);

/** Bits from a seed (xorshift). */
function chances(seed: number): () => boolean {
  let x = seed * 0x9e3779b1 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x & 64) !== 0;
  };
}

class Cut extends Error {}

for (const [name, { before, step, was, is }] of Object.entries(steps))
  test(`a model is there as a whole or not at all wherever the power is cut: ${name}`, async (t) => {
    let all = 0;
    for (let at = 0; at === 0 || at <= all; at++)
      for (let seed = 1; seed <= SEEDS; seed++) {
        const disk = new PowerCutFs();
        await disk.makeFolder('/data');
        await disk.syncFolder('/');
        let left = Number.POSITIVE_INFINITY;
        let calls = 0;
        const fs = watchedFs(async ({ torn }) => {
          calls++;
          if (--left > 0) return;
          if (left === 0) await torn();
          throw new Cut();
        }, disk);
        const open = () => ModelStore.open('/data/models', { ...options, fs });
        let store = await open();
        await before(store);

        calls = 0;
        if (at > 0) left = at;
        const done = await step(store).then(
          () => true,
          () => false,
        );
        if (at === 0) all = calls;
        disk.cut(chances(seed + 100 * at));
        left = Number.POSITIVE_INFINITY;
        store = await open();
        const found = described(await store.scan());
        const what = `call ${at} of ${all}, seed ${seed}`;
        if (done) t.is(found, is, what);
        else t.true(found === was || found === is, `${what}: ${found}`);
        if (found.endsWith('staged')) await store.commit(model.generation);
        if (found !== '') t.deepEqual(await store.load('tiny', '1'), model, what);
        else if (seed === 1) await store.stage(model);
      }
    t.true(all >= 4);
  });

/** @returns whether the step was over before the process was killed */
async function killedAt(dir: string, step: string, at: number): Promise<boolean> {
  const half = at % 2 === 0 ? 'half' : 'none';
  const child = spawn(process.execPath, [join(import.meta.dirname, 'store-child.js'), dir, step, `${at}`, half], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${code ?? signal}`);
  return code === 0;
}

for (const [name, { before, was, is }] of Object.entries(steps))
  test(`a process that is killed at a call leaves a model as a whole or not at all: ${name}`, async (t) => {
    let done = false;
    let at = 0;
    while (!done) {
      at += EACH;
      const dir = await folder(t);
      let store = await ModelStore.open(dir, options);
      const other = small({ name: 'other', seed: 2 });
      if (at % 8 === 1) {
        await store.stage(other);
        await store.commit(other.generation);
      }
      await before(store);
      await store.close();
      done = await killedAt(dir, name, at);
      store = await ModelStore.open(dir, options);
      const found = (await store.scan()).filter((m) => m.name !== 'other');
      const there = described(found);
      if (done) t.is(there, is);
      else t.true(there === was || there === is, `call ${at}: ${there}`);
      t.deepEqual(await readdir(join(dir, '.partial')), []);
      if (there.endsWith('staged')) await store.commit(model.generation);
      if (there === '') await store.stage(model);
      else t.deepEqual(await store.load('tiny', '1'), model);
      if (at % 8 === 1) t.deepEqual(await store.load('other', '1'), other);
      await store.close();
    }
    t.true(at > 4);
  });
