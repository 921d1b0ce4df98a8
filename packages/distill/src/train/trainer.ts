/** A training, step after step: what each is made of, when it is looked at, saved and ended. */
import { type Hooks, type TrainableBert, trainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import type { Example } from '../glue/read.js';
import type { Task } from '../glue/tasks.js';
import { MAX_STEPS } from '../limits.js';
import type { Draft } from '../model/draft.js';
import { drawsOf, shuffled } from '../random.js';
import { adamw, clip, decays, type Moments, rateAt } from './adamw.js';
import { type Batch, batchOf, disposeBatch, type EncodedExample, encoded } from './batches.js';
import { type DropRates, dropout } from './dropout.js';
import { type Evaluation, evaluate } from './evaluate.js';
import { gradientsOf, type LossParts, stageHooks, taught } from './gradients.js';
import { type Ending, type RunRecord, writeRecord } from './record.js';
import { Replacing } from './replacing.js';
import type { TrainingSettings } from './settings.js';
import type { Stage } from './stages.js';
import { clearStates, loadState, saveState } from './states.js';

/** What a training begins with. */
export interface TrainingStart {
  task: Task;
  /** the model before its first step */
  draft: Draft;
  /** whom it learns from; undefined: the labels alone */
  teacher?: Draft | undefined;
  stages: readonly Stage[];
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
}

export interface TrainingOptions {
  /** goes on from the newest state in the folder, where there is one */
  resume?: boolean;
  /** ends it after the step that is under way, with a state to go on from */
  signal?: AbortSignal;
  onProgress?: (progress: TrainingProgress) => void;
}

/** A stage and where it lies among the steps. */
interface Placed extends Stage {
  from: number;
  to: number;
}

function placed(stages: readonly Stage[], perEpoch: number): Placed[] {
  let at = 0;
  return stages.map((stage) => {
    const from = at;
    at += Math.max(1, Math.round(stage.epochs * perEpoch));
    return { ...stage, from, to: at };
  });
}

/** Keys whose values differ, of two records' settings. */
function differing(a: Record<string, unknown>, b: Record<string, unknown>): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

export class Training {
  readonly #start: TrainingStart;
  readonly #stages: readonly Placed[];
  readonly #steps: number;
  readonly #perEpoch: number;
  readonly #model: TrainableBert;
  readonly #teacher: TrainableBert | undefined;
  readonly #train: EncodedExample[];
  readonly #dev: EncodedExample[];
  readonly #rates: DropRates;
  /** the weights' values, in the variables' layout */
  readonly #weights = new Map<string, Float32Array>();
  #moments = new Map<string, Moments>();
  #step = 0;
  #sinceBest = 0;
  #record: RunRecord;

  private constructor(start: TrainingStart, model: TrainableBert, teacher: TrainableBert | undefined) {
    const { settings, task } = start;
    this.#start = start;
    this.#model = model;
    this.#teacher = teacher;
    const length = Math.min(settings.length, model.config.longest);
    this.#train = encoded(model.tokenizer, start.train, length);
    this.#dev = encoded(model.tokenizer, start.dev, length);
    this.#perEpoch = Math.ceil(start.train.length / settings.batch);
    this.#stages = placed(start.stages, this.#perEpoch);
    this.#steps = this.#stages.at(-1)!.to;
    if (this.#steps > MAX_STEPS)
      throw new DistillError(
        'BAD_TRAINING',
        `${this.#steps} steps; ${MAX_STEPS} at most: fewer epochs, or larger batches`,
      );
    for (const [name, variable] of model.weights)
      this.#weights.set(name, (variable.dataSync() as Float32Array).slice());
    this.#rates = dropRates(start, teacher !== undefined);
    this.#record = {
      task: task.name,
      backend: start.backend,
      settings: {
        ...settings,
        dropout: this.#rates,
        stages: start.stages,
        model: start.draft.config,
        examples: start.train.length,
        ...start.about,
      },
      steps: this.#steps,
      curve: [],
      evaluations: [],
      best: undefined,
      seconds: 0,
      ended: undefined,
    };
  }

  /**
   * Loads what a training begins with onto the active backend.
   * @throws ModelFileError, DistillError BAD_TRAINING
   */
  static async of(start: TrainingStart): Promise<Training> {
    const model = await trainableBert(start.draft.read, start.out);
    let teacher: TrainableBert | undefined;
    try {
      teacher = start.teacher && (await trainableBert(start.teacher.read, 'the teacher'));
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
   * on from is another training's
   */
  async run({ resume = false, signal, onProgress }: TrainingOptions = {}): Promise<RunRecord> {
    if (resume) await this.#resume();
    else await clearStates(this.#start.out);
    const { evaluateEvery, saveEvery, patience } = this.#start.settings;
    const every = evaluateEvery || this.#perEpoch;
    let ended: Ending = 'all steps';
    let pace = 0;
    while (this.#step < this.#steps) {
      if (signal?.aborted) {
        ended = 'interrupted';
        break;
      }
      const began = performance.now();
      const stage = this.#stages.find(({ to }) => this.#step < to)!;
      const losses = this.#one(stage);
      const took = (performance.now() - began) / 1000;
      this.#record.seconds += took;
      pace = pace === 0 ? took : 0.9 * pace + 0.1 * took;
      const isLast = this.#step === this.#steps;
      const looks = stage === this.#stages.at(-1) && ((this.#step - stage.from) % every === 0 || isLast);
      if (looks) await this.#evaluate();
      onProgress?.({
        step: this.#step,
        steps: this.#steps,
        stage: stage.name,
        loss: losses.total!,
        last: this.#record.evaluations.at(-1),
        best: this.#record.best?.value,
        secondsLeft: pace * (this.#steps - this.#step),
      });
      if (!isLast && patience > 0 && this.#sinceBest >= patience) {
        ended = 'no longer better';
        break;
      }
      if (!isLast && (saveEvery === 0 ? looks || this.#step === stage.to : this.#step % saveEvery === 0))
        await this.#save();
      // Signals and timers come in between steps
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (ended === 'interrupted') await this.#save();
    this.#record.ended = ended;
    await writeRecord(this.#start.out, this.#record);
    if (ended !== 'interrupted') await clearStates(this.#start.out);
    return this.#record;
  }

  /** Disposes of the models. */
  dispose(): void {
    this.#model.dispose();
    this.#teacher?.dispose();
  }

  /** A step: gradients of its parts, one after another, then every weight that has one. */
  #one(stage: Placed): LossParts {
    const { settings } = this.#start;
    const inStage = this.#step - stage.from;
    if (inStage === 0) this.#enter(stage);
    const rows = this.#rows(stage);
    const total: LossParts = {};
    const sums = new Map<string, Float32Array>();
    for (let part = 0, at = 0; at < rows.length; at += settings.microBatch, part++) {
      const batch = this.#batch(rows.subarray(at, at + settings.microBatch));
      const { parts, gradients } = this.#gradients(batch, stage, part);
      const share = batch.size / rows.length;
      for (const [name, value] of Object.entries(parts)) total[name] = (total[name] ?? 0) + value * share;
      for (const [name, gradient] of gradients) added(sums, name, gradient, share);
      disposeBatch(batch);
    }
    if (!Number.isFinite(total.total))
      throw new DistillError(
        'TRAINING_DIVERGED',
        `step ${this.#step + 1}: the loss is no finite number; choose a lower rate, or a cap for a student's scores`,
      );
    const gradient = clip([...sums.values()], settings.clip);
    const steps = stage.to - stage.from;
    const rate = rateAt(inStage, steps, Math.floor(settings.warmup * steps), settings.rate);
    for (const [name, sum] of sums) this.#update(name, sum, rate, inStage + 1);
    this.#step++;
    this.#record.curve.push({ step: this.#step, stage: stage.name, rate, gradient, losses: total });
    return total;
  }

  #rows({ from }: Placed): Uint32Array {
    const { batch, seed } = this.#start.settings;
    const epoch = Math.floor((this.#step - from) / this.#perEpoch);
    const at = ((this.#step - from) % this.#perEpoch) * batch;
    return shuffled(this.#train.length, drawsOf(seed, 'order', from, epoch)).subarray(at, at + batch);
  }

  #batch(rows: ArrayLike<number>): Batch {
    const { task, settings } = this.#start;
    const { padToken, longest } = this.#model.config;
    return batchOf(this.#train, rows, padToken, Math.min(settings.length, longest), task.labels ? 'int32' : 'float32');
  }

  #gradients(batch: Batch, stage: Stage, part: number) {
    const { settings } = this.#start;
    const { hidden, attention, logits } = stage.losses;
    const layers = hidden > 0 || attention > 0;
    const theirs = this.#teacher && (layers || logits > 0) ? taught(this.#teacher, batch, layers) : undefined;
    const drops = Object.values(this.#rates).some((rate) => rate > 0);
    const hooks: Hooks = {
      ...stageHooks(this.#model, stage),
      ...(drops && { drop: dropout(this.#rates, settings.seed, this.#step, part) }),
    };
    try {
      return gradientsOf(this.#model, batch, stage, hooks, theirs, settings);
    } finally {
      if (theirs) tf.dispose([theirs.hidden, theirs.attention, theirs.scores].flat().filter((t) => t !== undefined));
    }
  }

  #update(name: string, gradient: Float32Array, rate: number, step: number): void {
    const weight = this.#weights.get(name)!;
    let moments = this.#moments.get(name);
    if (!moments) {
      moments = { first: new Float32Array(weight.length), second: new Float32Array(weight.length) };
      this.#moments.set(name, moments);
    }
    const { decay, constantRate } = this.#start.settings;
    const own = name.endsWith('.constant') ? rate * constantRate : rate;
    const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: decays(name) ? decay : 0 };
    adamw(weight, gradient, moments, step, own, settings);
    this.#show(name);
  }

  /** Gives the model a weight's values. */
  #show(name: string): void {
    const variable = this.#model.weights.get(name)!;
    // A copy, for a backend may keep the array it is given
    tf.tidy(() => variable.assign(tf.tensor(this.#weights.get(name)!.slice(), variable.shape, 'float32')));
  }

  /** What begins with a stage: new moments, and constants of what is replaced from here on. */
  #enter(stage: Placed): void {
    this.#moments = new Map();
    const before = this.#stages[this.#stages.indexOf(stage) - 1];
    const { draft, settings } = this.#start;
    if (!this.#teacher) return;
    const replacing = new Replacing(draft, this.#model, this.#teacher, this.#weights);
    const draw = drawsOf(settings.seed, 'calibration', stage.from);
    const order = shuffled(this.#train.length, draw);
    const batches = Array.from({ length: settings.calibration }, (_, i) =>
      this.#batch(
        order.subarray((i * settings.batch) % order.length, ((i * settings.batch) % order.length) + settings.batch),
      ),
    );
    for (const name of replacing.enter(stage, before, batches)) this.#show(name);
    for (const batch of batches) disposeBatch(batch);
  }

  async #evaluate(): Promise<void> {
    const { task, settings, draft, out } = this.#start;
    const found = evaluate(this.#model, this.#dev, task, {
      batch: settings.microBatch,
      length: Math.min(settings.length, this.#model.config.longest),
    });
    this.#record.evaluations.push({ step: this.#step, ...found });
    const [metric] = task.metrics;
    const value = found.metrics[metric]!;
    this.#sinceBest++;
    if (this.#record.best === undefined || value > this.#record.best.value) {
      this.#sinceBest = 0;
      this.#record.best = { step: this.#step, metric, value };
      const tensors = new Map(draft.tensors);
      for (const [name, values] of this.#weights) tensors.set(name, this.#model.exported(name, values));
      await draft.with(draft.config, tensors).write(out);
    }
    await writeRecord(out, this.#record);
  }

  async #save(): Promise<void> {
    const weights = new Map(
      Array.from(this.#weights, ([name, values]) => [name, { shape: this.#model.weights.get(name)!.shape, values }]),
    );
    await saveState(this.#start.out, {
      step: this.#step,
      weights,
      moments: this.#moments,
      sinceBest: this.#sinceBest,
      record: this.#record,
    });
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
        `${out}: the state there is of a training with other settings (${keys.join(', ')}); name the same, or begin anew`,
      );
    this.#step = state.step;
    this.#sinceBest = state.sinceBest;
    this.#moments = state.moments;
    this.#record = { ...state.record, backend: this.#record.backend, ended: undefined };
    for (const [name, weight] of this.#weights) {
      const saved = state.weights.get(name);
      if (saved?.values.length !== weight.length)
        throw new DistillError('CHECKPOINT_MISMATCH', `${out}: the state there has no weight '${name}' of that size`);
      weight.set(saved.values);
      this.#show(name);
    }
  }
}

function added(sums: Map<string, Float32Array>, name: string, gradient: Float32Array, share: number): void {
  const sum = sums.get(name);
  // Its own copy: a backend's array may be what a tensor's values are
  if (!sum) sums.set(name, share === 1 ? gradient.slice() : gradient.map((g) => g * share));
  else for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gradient[i]! * share;
}

/** Rates as they were named, else config.json's; where there is a teacher, none. */
function dropRates({ settings, draft }: TrainingStart, distils: boolean): DropRates {
  const of = (key: string) => (typeof draft.config[key] === 'number' && !distils ? (draft.config[key] as number) : 0);
  const hidden = settings.dropout.hidden ?? of('hidden_dropout_prob');
  return {
    hidden,
    attention: settings.dropout.attention ?? of('attention_probs_dropout_prob'),
    head: settings.dropout.head ?? (of('classifier_dropout') || hidden),
  };
}
