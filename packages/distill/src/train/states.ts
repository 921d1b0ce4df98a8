/** States of a training on disk, from which it goes on as if it had never stopped. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, hostTensors, safetensorsOf } from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';
import { KEPT_STATES } from '../limits.js';
import type { Moments } from './adamw.js';
import type { RunRecord } from './record.js';

/** All that the next step follows from, beside the settings and the data. */
export interface TrainingState {
  /** steps that are done */
  step: number;
  /** by the names of the weights, in the variables' layout */
  weights: Map<string, HostTensor>;
  moments: Map<string, Moments>;
  /** evaluations since the best one */
  sinceBest: number;
  record: RunRecord;
}

const NAME = /^step-(\d{8})$/;
const FIRST = 'first.';
const SECOND = 'second.';

const folderOf = (out: string) => join(out, 'states');

async function saved(out: string): Promise<string[]> {
  try {
    return (await readdir(folderOf(out))).filter((name) => NAME.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Saves a state: it is there wholly or not at all; older ones but the last go. */
export async function saveState(out: string, state: TrainingState): Promise<void> {
  const name = `step-${String(state.step).padStart(8, '0')}`;
  const part = join(folderOf(out), `${name}.${process.pid}.part`);
  await rm(part, { recursive: true, force: true });
  await mkdir(join(part, 'weights'), { recursive: true });
  await mkdir(join(part, 'moments'), { recursive: true });
  const moments = new Map<string, HostTensor>();
  for (const [weight, { first, second }] of state.moments) {
    moments.set(FIRST + weight, { shape: [first.length], values: first });
    moments.set(SECOND + weight, { shape: [second.length], values: second });
  }
  await writeFile(join(part, 'weights/model.safetensors'), safetensorsOf(state.weights));
  await writeFile(join(part, 'moments/model.safetensors'), safetensorsOf(moments));
  const { step, sinceBest, record } = state;
  await writeFile(join(part, 'state.json'), JSON.stringify({ step, sinceBest, record }));
  const target = join(folderOf(out), name);
  await rm(target, { recursive: true, force: true });
  await rename(part, target);
  for (const old of (await saved(out)).slice(0, -KEPT_STATES))
    await rm(join(folderOf(out), old), { recursive: true, force: true });
}

/**
 * The newest state; undefined where there is none.
 * @throws DistillError CHECKPOINT_MISMATCH where it cannot be read
 */
export async function loadState(out: string): Promise<TrainingState | undefined> {
  const name = (await saved(out)).at(-1);
  if (name === undefined) return undefined;
  const folder = join(folderOf(out), name);
  const read = (below: string) => (file: string) =>
    readFile(join(folder, below, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  try {
    const { step, sinceBest, record } = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8'));
    const weights = await hostTensors(read('weights'), join(folder, 'weights'));
    const flat = await hostTensors(read('moments'), join(folder, 'moments'));
    const moments = new Map<string, Moments>();
    for (const [key, { values }] of flat)
      if (key.startsWith(FIRST)) {
        const weight = key.slice(FIRST.length);
        moments.set(weight, { first: values, second: flat.get(SECOND + weight)!.values });
      }
    return { step, sinceBest, record, weights, moments };
  } catch (cause) {
    throw new DistillError(
      'CHECKPOINT_MISMATCH',
      `${folder}: is no state of a training (${(cause as Error).message}); remove it to go on from the one before it`,
      { cause },
    );
  }
}

/** Removes all states: their training is done. */
export async function clearStates(out: string): Promise<void> {
  await rm(folderOf(out), { recursive: true, force: true });
}
