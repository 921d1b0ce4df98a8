/** A step of a training: gradients of a batch's parts, one after another, then every weight that has one. */
import type { Hooks, TrainableBert } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import type { Draft } from '../model/draft.js';
import type { Fitted } from '../model/fit-attention.js';
import { drawsOf, shuffled } from '../random.js';
import { adamw, clipping, decays, type Moments, normOf, rateAt } from './adamw.js';
import { type Batch, batchOf, countOf, disposeBatch, type EncodedExamples, epochOf, lengthOf } from './batches.js';
import { type DropRates, dropout } from './dropout.js';
import { gradientsOf, type LossParts, stageHooks, type TakeGradient, taught } from './gradients.js';
import { Replacing } from './replacing.js';
import type { TrainingSettings } from './settings.js';
import type { Placed, Replaced, Stage } from './stages.js';

/** What steps are made with. */
export interface StepParts {
  draft: Draft;
  model: TrainableBert;
  teacher: TrainableBert | undefined;
  examples: EncodedExamples;
  settings: TrainingSettings;
  rates: DropRates;
  /** what the model is before the first stage */
  begins: Replaced;
  /** are the constants of attention the user's own? */
  ownConstants: boolean;
  /** of labels: int32 are classes, float32 what is to be predicted */
  labels: 'int32' | 'float32';
}

/** What a step came to. */
export interface Stepped {
  losses: LossParts;
  rate: number;
  /** the gradient's length, before it was made shorter */
  gradient: number;
}

export class Steps {
  readonly #parts: StepParts;
  /** the weights' values, in the variables' layout */
  readonly weights = new Map<string, Float32Array>();
  /** of the stage that is under way */
  moments = new Map<string, Moments>();

  /** Where gradients are added up: the same arrays in each step, for they are as large as the model. */
  readonly #sums = new Map<string, Float32Array>();
  #epoch: { which: string; batches: Uint32Array[] } | undefined;

  constructor(parts: StepParts) {
    this.#parts = parts;
    for (const [name, variable] of parts.model.weights)
      this.weights.set(name, (variable.dataSync() as Float32Array).slice());
  }

  /** Steps of an epoch. */
  get perEpoch(): number {
    return Math.ceil(countOf(this.#parts.examples) / this.#parts.settings.batch);
  }

  /**
   * One step, of a stage that has been entered.
   * @param at how many there have been, of the whole training
   * @throws DistillError TRAINING_DIVERGED where the loss or its gradient is no finite number
   */
  one(stage: Placed, at: number): Stepped {
    const { settings } = this.#parts;
    const inStage = at - stage.from;
    const rows = this.#rows(stage, at);
    const losses: LossParts = {};
    const learnt = new Set<string>();
    for (let part = 0, from = 0; from < rows.length; from += settings.microBatch, part++) {
      const batch = this.#batch(rows.subarray(from, from + settings.microBatch));
      const share = batch.size / rows.length;
      const parts = this.#gradients(batch, stage, at, part, (name, gradient) => {
        this.#add(name, gradient, share, learnt.has(name));
        learnt.add(name);
      });
      for (const [name, value] of Object.entries(parts)) losses[name] = (losses[name] ?? 0) + value * share;
      disposeBatch(batch);
    }
    if (!Number.isFinite(losses.total))
      throw new DistillError(
        'TRAINING_DIVERGED',
        `step ${at + 1}: the loss is no finite number; choose a lower rate, a cap for a student's scores, ` +
          'or one layer at a time',
      );
    const gradient = normOf(Array.from(learnt, (name) => this.#sums.get(name)!));
    if (!Number.isFinite(gradient))
      throw new DistillError(
        'TRAINING_DIVERGED',
        `step ${at + 1}: the gradient is no finite number; choose a lower rate, a cap for a student's ` +
          'scores, or one layer at a time',
      );
    const steps = stage.to - stage.from;
    const rate = rateAt(inStage, steps, Math.floor(settings.warmup * steps), settings.rate);
    const shorter = clipping(gradient, settings.clip);
    for (const name of learnt) this.#update(name, rate, inStage + 1, shorter);
    return { losses, rate, gradient };
  }

  /** Gives the model a weight's values. */
  show(name: string): void {
    const variable = this.#parts.model.weights.get(name)!;
    // A backend may keep the array: whoever changes it shows it again
    tf.tidy(() => variable.assign(tf.tensor(this.weights.get(name)!, variable.shape, 'float32')));
  }

  #rows({ from }: Placed, at: number): Uint32Array {
    const { settings, examples } = this.#parts;
    const epoch = Math.floor((at - from) / this.perEpoch);
    const which = `${from}/${epoch}`;
    if (this.#epoch?.which !== which)
      this.#epoch = { which, batches: epochOf(examples, settings.batch, settings.seed, from, epoch) };
    return this.#epoch.batches[(at - from) % this.perEpoch]!;
  }

  #batch(rows: ArrayLike<number>): Batch {
    const { model, examples, settings, labels } = this.#parts;
    return batchOf(examples, rows, model.config.padToken, settings.length, labels);
  }

  #gradients(batch: Batch, stage: Stage, at: number, part: number, take: TakeGradient): LossParts {
    const { model, teacher, settings, rates } = this.#parts;
    const { hidden, attention, logits } = stage.losses;
    const layers = hidden > 0 || attention > 0;
    const theirs = teacher && (layers || logits > 0) ? taught(teacher, batch, layers) : undefined;
    const drops = Object.values(rates).some((rate) => rate > 0);
    const hooks: Hooks = {
      ...stageHooks(model, stage),
      ...(drops && { drop: dropout(rates, settings.seed, at, part) }),
    };
    try {
      return gradientsOf(model, batch, stage, hooks, theirs, settings, take);
    } finally {
      if (theirs) tf.dispose([theirs.hidden, theirs.attention, theirs.scores].flat().filter((t) => t !== undefined));
    }
  }

  /** @param more is there a part of it already, of this step? */
  #add(name: string, gradient: Float32Array, share: number, more: boolean): void {
    let sum = this.#sums.get(name);
    if (!sum) {
      sum = new Float32Array(gradient.length);
      this.#sums.set(name, sum);
    }
    if (more) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gradient[i]! * share;
    else for (let i = 0; i < sum.length; i++) sum[i] = gradient[i]! * share;
  }

  #update(name: string, rate: number, step: number, shorter: number): void {
    const weight = this.weights.get(name)!;
    let moments = this.moments.get(name);
    if (!moments) {
      moments = { first: new Float32Array(weight.length), second: new Float32Array(weight.length) };
      this.moments.set(name, moments);
    }
    const { decay, constantRate } = this.#parts.settings;
    const own = name.endsWith('.constant') ? rate * constantRate : rate;
    const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: decays(name) ? decay : 0 };
    adamw(weight, this.#sums.get(name)!, moments, step, own, settings, shorter);
    this.show(name);
  }

  /**
   * What begins with a stage, before its first step: new moments, and what is replaced from here on made ready.
   * @param before the stage before this one
   * @returns turns of a second to a minute each
   */
  *enter(stage: Placed, before: Placed | undefined): Generator<Fitted, void> {
    this.moments = new Map();
    const { draft, model, teacher, settings, examples, begins, ownConstants } = this.#parts;
    if (!teacher) return;
    const { batch, microBatch, calibration, fit, seed } = settings;
    const order = shuffled(countOf(examples), drawsOf(seed, 'calibration', stage.from));
    // Of a stage that replaces nothing none are made
    const made: Batch[] = [];
    const inputs = (rows: Uint32Array) => {
      const one = this.#batch(rows);
      made.push(one);
      return one.inputs;
    };
    const measured = () =>
      Array.from({ length: calibration }, (_, i) => {
        const from = (i * batch) % order.length;
        return inputs(order.subarray(from, from + microBatch));
      });
    const fitting = () => {
      const texts = order.slice(0, fit).sort((a, b) => lengthOf(examples, a) - lengthOf(examples, b));
      return Array.from({ length: Math.ceil(texts.length / microBatch) }, (_, i) =>
        inputs(texts.subarray(i * microBatch, (i + 1) * microBatch)),
      );
    };
    const show = (name: string) => this.show(name);
    const replacing = new Replacing({ draft, student: model, teacher, weights: this.weights, show, ownConstants });
    try {
      yield* replacing.enter(stage, before ?? begins, fitting, measured);
    } finally {
      for (const one of made) disposeBatch(one);
    }
  }
}
