/** A training, step after step: when it is looked at, saved and ended. */
import { createHash, type Hash } from 'node:crypto';
import { type TrainableBert, trainableBert } from '@secformer/bert-loader/training';
import { DistillError } from '../errors.js';
import type { Example } from '../glue/read.js';
import type { Task } from '../glue/tasks.js';
import { MAX_DROPOUT, MAX_STEPS } from '../limits.js';
import type { Draft } from '../model/draft.js';
import type { Fitted } from '../model/fit-attention.js';
import { checkSameIds, type EncodedExamples, encoded } from './batches.js';
import type { DropRates } from './dropout.js';
import { type Evaluation, evaluate } from './evaluate.js';
import { takeFolder } from './folder.js';
import type { Ending, RunRecord } from './record.js';
import type { TrainingSettings } from './settings.js';
import { type Placed, placed, type Replaced, replacedBefore, type Stage } from './stages.js';
import { clearStates, loadState, savedStep, saveState } from './states.js';
import { Steps } from './step.js';
import { writeRecord } from './write-record.js';

/** What a training begins with. */
export interface TrainingStart {
  task: Task;
  /** the model before its first step */
  draft: Draft;
  /** whom it learns from; undefined: the labels alone */
  teacher?: Draft | undefined;
  stages: readonly Stage[];
  /** what of the model is a student's before the first; if absent, what its teacher has */
  begins?: Replaced;
  /** are the constants of its attention to be kept as they are until the first step? */
  ownConstants?: boolean;
  settings: TrainingSettings;
  train: readonly Example[];
  dev: readonly Example[];
  /** the folder that the model, its states and its record go to */
  out: string;
  /** name of the backend, for the record */
  backend: string;
  /** what else the record has, such as the command's flags; a resumed training has to have the same */
  about?: Record<string, unknown>;
}

/** How far a training is. */
export interface TrainingProgress {
  step: number;
  steps: number;
  stage: string;
  loss: number;
  /** the last evaluation, and the best one */
  last: Evaluation | undefined;
  best: number | undefined;
  secondsLeft: number;
  /** before the first step of a stage whose attention is fitted: how far that is; there is no loss yet */
  fitted?: Fitted;
}

/** How a training is run; all of it is optional. */
export interface TrainingOptions {
  /** goes on from the newest state in the folder, where there is one */
  resume?: boolean;
  /** ends it after the step that is under way, with a state to go on from */
  signal?: AbortSignal;
  /** is told after each step */
  onProgress?: (progress: TrainingProgress) => void;
}

/** Of lists of examples, in their order. */
function hashOf(...lists: (readonly Example[])[]): Hash {
  const hash = createHash('sha256');
  for (const examples of lists) {
    for (const { text, label } of examples) hash.update(JSON.stringify([text, label]));
    hash.update('\n');
  }
  return hash;
}

/** Keys whose values differ, of two records' settings. */
function differing(a: Record<string, unknown>, b: Record<string, unknown>): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

/**
 * A training of models of one's own, where `distill` is not enough; the active backend is `useBackend`'s. Its models
 * are on that backend until `dispose`.
 *
 * @example
 * ```js
 * const training = await Training.of({ task, draft, stages, settings: settingsOf({}), train, dev, out, backend });
 * const record = await training.run({ resume: true });
 * training.dispose();
 * ```
 */
export class Training {
  readonly #start: Omit<TrainingStart, 'train' | 'dev'>;
  /** a hash that the data have gone into, in their order */
  readonly #data: Hash;
  readonly #stages: readonly Placed[];
  readonly #steps: number;
  readonly #model: TrainableBert;
  readonly #teacher: TrainableBert | undefined;
  readonly #dev: EncodedExamples;
  /** tokens of an example at most */
  readonly #length: number;
  readonly #work: Steps;
  #step = 0;
  #sinceBest = 0;
  /** the step of the newest state */
  #saved: number | undefined;
  /** `#digest`, once it has been computed */
  #of: string | undefined;
  #record: RunRecord;

  private constructor(start: TrainingStart, model: TrainableBert, teacher: TrainableBert | undefined) {
    const { train, dev, ...others } = start;
    const { settings, task } = start;
    this.#start = others;
    this.#data = hashOf(train, dev);
    this.#model = model;
    this.#teacher = teacher;
    const length = Math.min(settings.length, model.config.longest, teacher?.config.longest ?? Infinity);
    this.#length = length;
    this.#dev = encoded(model.tokenizer, dev, length);
    const examples = encoded(model.tokenizer, train, length);
    const shared = start.teacher && start.draft.sharesTokenizer(start.teacher);
    if (teacher && !(shared && teacher.config.types === model.config.types))
      checkSameIds(teacher.tokenizer, examples, train, length);
    const rates = dropRates(start, teacher !== undefined);
    this.#work = new Steps({
      draft: start.draft,
      model,
      teacher,
      examples,
      settings: { ...settings, length },
      rates,
      begins:
        start.begins ??
        replacedBefore({
          layers: model.config.layers,
          attention: teacher?.config.attention.function !== model.config.attention.function,
          affine: teacher?.config.layerNorm !== 'affine',
        }),
      ownConstants: start.ownConstants ?? false,
      labels: task.labels ? 'int32' : 'float32',
    });
    this.#stages = placed(start.stages, this.#work.perEpoch);
    this.#steps = this.#stages.at(-1)!.to;
    if (this.#steps > MAX_STEPS)
      throw new DistillError(
        'BAD_TRAINING',
        `${this.#steps} steps, at most ${MAX_STEPS}: name fewer epochs, or a larger batch`,
      );
    this.#record = {
      task: task.name,
      backend: start.backend,
      settings: {
        ...settings,
        dropout: rates,
        stages: start.stages,
        model: start.draft.config,
        examples: train.length,
        ...start.about,
      },
      steps: this.#steps,
      curve: [],
      evaluations: [],
      best: undefined,
      seconds: 0,
      fittingSeconds: 0,
      ended: undefined,
    };
  }

  /**
   * Loads what a training begins with onto the active backend.
   * @throws ModelFileError, DistillError BAD_TRAINING
   */
  static async of(start: TrainingStart): Promise<Training> {
    const model = await trainableBert(start.draft.read, start.draft.where);
    let teacher: TrainableBert | undefined;
    try {
      teacher = start.teacher && (await trainableBert(start.teacher.read, start.teacher.where));
      return new Training(start, model, teacher);
    } catch (error) {
      model.dispose();
      teacher?.dispose();
      throw error;
    }
  }

  /**
   * Trains to the end, and leaves the best model in the folder, training.json and training.svg beside it.
   * @throws DistillError TRAINING_DIVERGED where a loss is no finite number, CHECKPOINT_MISMATCH where the state to go
   * on from is another training's, BAD_TRAINING where the folder is not this training's alone or holds states that are
   * not gone on from, NOT_WRITTEN where there is no room
   */
  async run(options: TrainingOptions = {}): Promise<RunRecord> {
    const { out, draft } = this.#start;
    const giveBack = await takeFolder(out, draft.tokenizerFiles);
    try {
      if (options.resume) await this.#resume();
      else await this.#anew();
      return await this.#run(options);
    } finally {
      await giveBack();
    }
  }

  async #run({ signal, onProgress }: TrainingOptions): Promise<RunRecord> {
    const { evaluateEvery, saveEvery, patience } = this.#start.settings;
    const every = evaluateEvery || this.#work.perEpoch;
    let ended: Ending = 'all steps';
    let pace = 0;
    let entered = true;
    while (this.#step < this.#steps) {
      if (signal?.aborted) {
        ended = 'interrupted';
        break;
      }
      const at = this.#stages.findIndex(({ to }) => this.#step < to);
      const stage = this.#stages[at]!;
      if (this.#step === stage.from && !(await this.#enter(stage, this.#stages[at - 1], { signal, onProgress }))) {
        ended = 'interrupted';
        entered = false;
        break;
      }
      const began = performance.now();
      const { losses, rate, gradient } = this.#work.one(stage, this.#step);
      this.#step++;
      this.#record.curve.push({ step: this.#step, stage: stage.name, rate, gradient, losses });
      const took = (performance.now() - began) / 1000;
      this.#record.seconds += took;
      pace = pace === 0 ? took : 0.9 * pace + 0.1 * took;
      const isLast = this.#step === this.#steps;
      const looks = stage === this.#stages.at(-1) && ((this.#step - stage.from) % every === 0 || isLast);
      if (looks) await this.#evaluate();
      const secondsLeft = pace * (this.#steps - this.#step);
      onProgress?.({ ...this.#progress(stage.name), loss: losses.total!, secondsLeft });
      if (!isLast && patience > 0 && this.#sinceBest >= patience) {
        ended = 'no longer better';
        break;
      }
      if (!isLast && (this.#step === stage.to || (saveEvery === 0 ? looks : this.#step % saveEvery === 0)))
        await this.#save();
      // Signals and timers come in between steps
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What is half fitted is nothing to go on from: the newest state is
    if (ended === 'interrupted' && entered) await this.#save();
    this.#record.ended = ended;
    await writeRecord(this.#start.out, this.#record);
    if (ended !== 'interrupted') await clearStates(this.#start.out);
    return this.#record;
  }

  /** @returns false where it was interrupted */
  async #enter(stage: Placed, before: Placed | undefined, { signal, onProgress }: TrainingOptions): Promise<boolean> {
    const began = performance.now();
    for (const fitted of this.#work.enter(stage, before)) {
      const secondsLeft = (((performance.now() - began) / 1000) * (fitted.layers - fitted.layer)) / fitted.layer;
      onProgress?.({ ...this.#progress(stage.name), fitted, loss: Number.NaN, secondsLeft });
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) return false;
    }
    this.#record.fittingSeconds += (performance.now() - began) / 1000;
    return true;
  }

  #progress(stage: string) {
    const { evaluations, best } = this.#record;
    return { step: this.#step, steps: this.#steps, stage, last: evaluations.at(-1), best: best?.value };
  }

  /** Disposes of the models. */
  dispose(): void {
    this.#model.dispose();
    this.#teacher?.dispose();
  }

  async #evaluate(): Promise<void> {
    const { task, settings, draft, out } = this.#start;
    const found = evaluate(this.#model, this.#dev, task, {
      batch: settings.microBatch,
      length: this.#length,
    });
    this.#record.evaluations.push({ step: this.#step, ...found });
    const [metric] = task.metrics;
    const value = found.metrics[metric]!;
    this.#sinceBest++;
    if (this.#record.best === undefined || value > this.#record.best.value) {
      this.#sinceBest = 0;
      this.#record.best = { step: this.#step, metric, value };
      const tensors = new Map(draft.tensors);
      for (const [name, values] of this.#work.weights) tensors.set(name, this.#model.exported(name, values));
      await draft.with(draft.config, tensors).write(out, settings.half ? 'F16' : 'F32');
    }
    await writeRecord(out, this.#record);
  }

  /** Begins with no state, and takes none away that there is work in. */
  async #anew(): Promise<void> {
    const { out } = this.#start;
    const step = await savedStep(out);
    if (step)
      throw new DistillError(
        'BAD_TRAINING',
        `${out}: has the state of a training that was interrupted after step ${step}; go on from it (--resume), or ` +
          'remove the folder states in it to begin anew',
      );
    await clearStates(out);
  }

  /** What a training is of: its data, in their order, and the models that it begins with. */
  get #digest(): string {
    if (this.#of !== undefined) return this.#of;
    const { draft, teacher } = this.#start;
    const hash = this.#data.copy();
    draft.hashInto(hash);
    teacher?.hashInto(hash);
    this.#of = hash.digest('hex').slice(0, 16);
    return this.#of;
  }

  async #save(): Promise<void> {
    // Writing it again would take away what is there first
    if (this.#saved === this.#step) return;
    const weights = new Map(
      Array.from(this.#work.weights, ([name, values]) => [
        name,
        { shape: this.#model.weights.get(name)!.shape, values },
      ]),
    );
    await saveState(this.#start.out, {
      step: this.#step,
      weights,
      moments: this.#work.moments,
      sinceBest: this.#sinceBest,
      record: this.#record,
      of: this.#digest,
    });
    this.#saved = this.#step;
  }

  async #resume(): Promise<void> {
    const { out } = this.#start;
    const state = await loadState(out);
    if (!state) return;
    // As they are read from a file: without what is undefined
    const own = JSON.parse(JSON.stringify(this.#record.settings)) as Record<string, unknown>;
    const keys = differing({ task: this.#record.task, ...own }, { task: state.record.task, ...state.record.settings });
    if (keys.length > 0)
      throw new DistillError(
        'CHECKPOINT_MISMATCH',
        `${out}: the state there is of other settings (${keys.join(', ')}); name the same, or begin anew`,
      );
    if (state.of !== undefined && state.of !== this.#digest)
      throw new DistillError(
        'CHECKPOINT_MISMATCH',
        `${out}: the state there is of other examples, or of other weights of the model or the teacher; ` +
          'name the same, or begin anew',
      );
    if (state.step > this.#steps)
      throw new DistillError('CHECKPOINT_MISMATCH', `${out}: the state there is of more than ${this.#steps} steps`);
    this.#step = state.step;
    this.#saved = state.step;
    this.#sinceBest = state.sinceBest;
    this.#work.moments = state.moments;
    this.#record = { ...state.record, backend: this.#record.backend, ended: undefined };
    for (const [name, weight] of this.#work.weights) {
      const saved = state.weights.get(name);
      if (saved?.values.length !== weight.length)
        throw new DistillError('CHECKPOINT_MISMATCH', `${out}: the state there has no weight '${name}' of that size`);
      weight.set(saved.values);
      this.#work.show(name);
    }
  }
}

/** Rates as they were named, else config.json's; where there is a teacher, none. */
function dropRates({ settings, draft }: TrainingStart, distils: boolean): DropRates {
  const of = (key: string) => (typeof draft.config[key] === 'number' && !distils ? (draft.config[key] as number) : 0);
  const hidden = settings.dropout.hidden ?? of('hidden_dropout_prob');
  const rates = {
    hidden,
    attention: settings.dropout.attention ?? of('attention_probs_dropout_prob'),
    head: settings.dropout.head ?? (of('classifier_dropout') || hidden),
  };
  for (const [place, rate] of Object.entries(rates))
    if (!(rate >= 0 && rate <= MAX_DROPOUT))
      throw new DistillError(
        'BAD_TRAINING',
        `config.json's dropout of ${place} is ${rate}; expected 0 to ${MAX_DROPOUT}, name another by --dropout`,
      );
  return rates;
}
