/** What a training is done with: every number, with what it is where none is named. */
import { DistillError } from '../errors.js';
import { MAX_BATCH, MAX_DROPOUT, MAX_FITTED } from '../limits.js';
import type { DropRates } from './dropout.js';

/** What a training is done with, beside its data, models and stages. */
export interface TrainingSettings {
  /** examples of a step */
  batch: number;
  /** examples whose activations are in memory at a time; a step has as many parts as it takes */
  microBatch: number;
  /** tokens of an example at most */
  length: number;
  /** of learning, at its highest */
  rate: number;
  /** how many times that rate the constants of attention functions have */
  constantRate: number;
  /** part of the steps in which the rate rises */
  warmup: number;
  /** see AdamW */
  decay: number;
  /** the gradient's length at most */
  clip: number;
  /** undefined: what config.json says, and nothing where a student is distilled */
  dropout: Partial<DropRates>;
  /** of the order of examples, dropout, a new head */
  seed: number;
  /** steps between evaluations; 0: at each epoch's end */
  evaluateEvery: number;
  /** steps between saved states; 0: at each evaluation */
  saveEvery: number;
  /** evaluations without a better one after which it ends; 0: never */
  patience: number;
  /** of distillation by logits */
  temperature: number;
  /** what an attention function's argument is kept below by a loss; 0: nothing */
  cap: number;
  /** how much that loss counts */
  capWeight: number;
  /** batches that norms' constants are measured on, and what rows of `power` sum up to where nothing is fitted */
  calibration: number;
  /** texts that attention which is replaced is fitted to its teacher's by, before any step; 0: it is not */
  fit: number;
  /** are the words' embeddings left as they are? They are half of a small model, and of a step on short texts */
  freezeWords: boolean;
  /** is the model that is made stored in 16-bit floats? It is trained, and evaluated, in 32 */
  half: boolean;
}

/** As BERT is fine-tuned (Devlin et al. 2019, appendix A.3), and Hinton et al. 2015's lower temperatures. */
export const USUAL: TrainingSettings = {
  batch: 32,
  microBatch: 32,
  length: 128,
  rate: 3e-5,
  constantRate: 100,
  warmup: 0.1,
  decay: 0.01,
  clip: 1,
  dropout: {},
  seed: 1,
  evaluateEvery: 0,
  saveEvery: 0,
  patience: 0,
  temperature: 1,
  cap: 0,
  capWeight: 0.1,
  calibration: 4,
  fit: 2048,
  freezeWords: false,
  half: false,
};

const WHOLE: Partial<Record<keyof TrainingSettings, [least: number, most: number]>> = {
  batch: [1, MAX_BATCH],
  microBatch: [1, MAX_BATCH],
  length: [2, 4096],
  seed: [0, 2 ** 32 - 1],
  evaluateEvery: [0, 1e9],
  saveEvery: [0, 1e9],
  patience: [0, 1e6],
  calibration: [1, 1000],
  fit: [0, MAX_FITTED],
};
const REAL: Partial<Record<keyof TrainingSettings, [least: number, most: number]>> = {
  rate: [0, 1],
  constantRate: [0, 1e6],
  warmup: [0, 1],
  decay: [0, 1],
  clip: [1e-6, 1e6],
  temperature: [0.01, 1000],
  cap: [0, 1e6],
  capWeight: [0, 1e6],
};

/**
 * Settings with what is usual where there is none.
 * @throws DistillError BAD_TRAINING naming the setting, what came and what was expected
 */
export function settingsOf(given: Partial<TrainingSettings>): TrainingSettings {
  const settings = { ...USUAL, ...given };
  const check = (name: string, value: unknown, [least, most]: readonly [number, number], whole: boolean) => {
    const is = typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value));
    if (!is)
      throw new DistillError(
        'BAD_TRAINING',
        `${name} is ${String(value)}; expected a ${whole ? 'whole ' : ''}number from ${least} to ${most}`,
      );
  };
  for (const [name, range] of Object.entries(WHOLE)) check(name, settings[name as keyof TrainingSettings], range, true);
  for (const [name, range] of Object.entries(REAL)) check(name, settings[name as keyof TrainingSettings], range, false);
  for (const [place, rate] of Object.entries(settings.dropout))
    if (rate !== undefined) check(`dropout of ${place}`, rate, [0, MAX_DROPOUT], false);
  for (const name of ['freezeWords', 'half'] as const)
    if (typeof settings[name] !== 'boolean')
      throw new DistillError('BAD_TRAINING', `${name} is ${String(settings[name])}; expected true or false`);
  if (given.microBatch === undefined) settings.microBatch = settings.batch;
  return settings;
}
