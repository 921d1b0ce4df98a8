/** States of a training on disk, from which it goes on as if it had never stopped. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, hostTensors, safetensorsOf } from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';
import { KEPT_STATES } from '../limits.js';
import { written } from '../model/draft.js';
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
  /** a hash of the data and the models that it was trained from; undefined in states of older versions */
  of: string | undefined;
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
  const target = join(folderOf(out), name);
  await written(target, part, () => writeState(part, target, state));
  for (const old of (await saved(out)).slice(0, -KEPT_STATES))
    await rm(join(folderOf(out), old), { recursive: true, force: true });
}

async function writeState(part: string, target: string, state: TrainingState): Promise<void> {
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
  const { step, sinceBest, record, of } = state;
  await writeFile(join(part, 'state.json'), JSON.stringify({ step, sinceBest, record, of }));
  await rm(target, { recursive: true, force: true });
  await rename(part, target);
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Checks what a training reads of a state. @throws Error in words, of what is not as it was written */
function checkState({ step, sinceBest, record: r }: Partial<TrainingState>, name: string): void {
  const wrong = (what: string): never => {
    throw new Error(`${what} of state.json is not as it was written`);
  };
  if (!isWhole(step) || step !== Number(NAME.exec(name)![1])) wrong('step');
  if (!isWhole(sinceBest)) wrong('sinceBest');
  if (typeof r?.settings !== 'object' || r.settings === null || ![r.seconds, r.fittingSeconds].every(Number.isFinite))
    wrong('record');
  const { curve, evaluations, best } = r!;
  const points = Array.isArray(curve) && curve.length === step;
  if (!points || curve.some((p, i) => p?.step !== i + 1 || !Number.isFinite(p.losses?.total))) wrong('curve');
  if (!Array.isArray(evaluations) || evaluations.some((e) => !isWhole(e?.step) || e.step > step!)) wrong('evaluations');
  if ((best === undefined) !== (evaluations.length === 0)) wrong('best');
  if (best !== undefined && !evaluations.some((e) => e.step === best.step && e.metrics?.[best.metric] === best.value))
    wrong('best');
}

/** The newest step that there is a state of; undefined where there is none. */
export async function savedStep(out: string): Promise<number | undefined> {
  const name = (await saved(out)).at(-1);
  return name === undefined ? undefined : Number(NAME.exec(name)![1]);
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
    const there = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as TrainingState;
    checkState(there, name);
    const { step, sinceBest, record, of } = there;
    const weights = await hostTensors(read('weights'), join(folder, 'weights'));
    const flat = await hostTensors(read('moments'), join(folder, 'moments'));
    const moments = new Map<string, Moments>();
    for (const [key, { values }] of flat)
      if (key.startsWith(FIRST)) {
        const weight = key.slice(FIRST.length);
        const second = flat.get(SECOND + weight)?.values;
        if (second?.length !== values.length || weights.get(weight)?.values.length !== values.length)
          throw new Error(`moments of '${weight}' are not of its size`);
        moments.set(weight, { first: values, second });
      }
    return { step, sinceBest, record, of, weights, moments };
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
