/** What happens to a student's weights where a stage replaces attention or norms. */
import type { TrainableBert } from '@secformer/bert-loader/training';
import { weigh } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { fold, normNames, normStatistics, rowSums } from '../model/calibrate.js';
import type { Draft } from '../model/draft.js';
import { constantsName } from '../model/student.js';
import type { Batch } from './batches.js';
import { stageHooks } from './gradients.js';
import type { Stage } from './stages.js';

export class Replacing {
  readonly #draft: Draft;
  readonly #student: TrainableBert;
  readonly #teacher: TrainableBert;
  readonly #weights: ReadonlyMap<string, Float32Array>;
  readonly #show: (name: string) => void;

  /**
   * @param weights the student's, in its variables' layout; they are changed in place
   * @param show gives the student a weight that has changed
   */
  constructor(
    draft: Draft,
    student: TrainableBert,
    teacher: TrainableBert,
    weights: ReadonlyMap<string, Float32Array>,
    show: (name: string) => void,
  ) {
    this.#draft = draft;
    this.#student = student;
    this.#teacher = teacher;
    this.#weights = weights;
    this.#show = show;
  }

  /** Makes ready what `stage` replaces and the one before it did not: norms after the attention that is before them. */
  enter(stage: Stage, before: Stage | undefined, batches: readonly Batch[]): void {
    const { layers, attention, layerNorm } = this.#student.config;
    const theirs = this.#teacher.config;
    const inputs = batches.map((batch) => batch.inputs);
    const layersBefore = before?.attentionFrom ?? (theirs.attention.function === attention.function ? 0 : layers);
    if (attention.function === 'power' && stage.attentionFrom < layersBefore)
      this.#scale(stage.attentionFrom, layersBefore, inputs);
    const norms = 2 * layers + 1;
    const normsBefore = before?.affineFrom ?? (theirs.layerNorm === 'affine' ? 0 : norms);
    if (layerNorm === 'affine' && stage.affineFrom < normsBefore) this.#fold(stage, normsBefore, inputs);
  }

  /** `power` has no rows that sum up to 1: the values that they are multiplied by are made smaller instead. */
  #scale(from: number, to: number, inputs: Batch['inputs'][]): void {
    const { attention, heads, hidden } = this.#student.config;
    const constants = (layer: number) => this.#weights.get(constantsName(this.#draft, layer));
    const sums = rowSums(this.#teacher, inputs, (scores, mask, layer) => {
      const own = constants(layer);
      return weigh(scores, mask, attention, own && tf.tensor1d(own.slice())).weights;
    });
    for (let layer = from; layer < to; layer++) {
      const stem = `${this.#draft.layer(layer)}attention.self.value`;
      for (const name of [`${stem}.weight`, `${stem}.bias`]) {
        const values = this.#weights.get(name)!;
        // Both have the heads' features along their last axis
        for (let i = 0; i < values.length; i++) {
          const sum = sums[layer]![Math.floor(((i % hidden) * heads) / hidden)]!;
          values[i] = values[i]! / Math.max(sum, 1e-3);
        }
        this.#show(name);
      }
    }
  }

  /** The norms from this stage's on have constants for what they took of each token. */
  #fold(stage: Stage, before: number, inputs: Batch['inputs'][]): void {
    const wanted = (at: number) => at >= stage.affineFrom && at < before;
    const hooks = stageHooks(this.#student, stage);
    const found = normStatistics(this.#student, inputs, (at) => at >= before, wanted, hooks);
    for (const [at, statistics] of found) {
      const { gain, bias } = normNames(this.#draft, at);
      fold(this.#weights.get(gain)!, this.#weights.get(bias)!, statistics);
      this.#show(gain);
      this.#show(bias);
    }
  }
}
