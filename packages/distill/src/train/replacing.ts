/** What happens to a student's weights where a stage replaces attention or norms. */
import type { BertInputs } from '@secformer/bert-loader';
import { type TrainableBert, weigh } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { fold, normNames, normStatistics, rowSums } from '../model/calibrate.js';
import type { Draft } from '../model/draft.js';
import { type Fitted, fitAttention } from '../model/fit-attention.js';
import { constantsName } from '../model/student.js';
import { stageHooks } from './gradients.js';
import type { Replaced, Stage } from './stages.js';

/** What is replaced, where, and how it is shown. */
export interface ReplacingParts {
  draft: Draft;
  student: TrainableBert;
  teacher: TrainableBert;
  /** the student's, in its variables' layout; they are changed in place */
  weights: ReadonlyMap<string, Float32Array>;
  /** gives the student a weight that has changed */
  show: (name: string) => void;
  /** are the constants of attention the user's own, which nothing is fitted to? */
  ownConstants: boolean;
}

export class Replacing {
  readonly #parts: ReplacingParts;

  constructor(parts: ReplacingParts) {
    this.#parts = parts;
  }

  /**
   * Makes ready what `stage` replaces and was not before: norms after the attention that is before them.
   * @param fitting texts that attention is fitted by; none: it is not
   * @param measured texts that other constants are measured on
   * @returns turns, of a layer each
   */
  *enter(
    stage: Stage,
    before: Replaced,
    fitting: readonly BertInputs[],
    measured: readonly BertInputs[],
  ): Generator<Fitted, void> {
    const { student, ownConstants } = this.#parts;
    const { attention, layerNorm } = student.config;
    const [from, to] = [stage.attentionFrom, before.attentionFrom];
    if (from < to && attention.function !== 'softmax') {
      const hooks = stageHooks(student, { ...stage, affineFrom: before.affineFrom });
      if (fitting.length > 0)
        yield* fitAttention({ ...this.#parts, hooks, batches: fitting, from, to, constants: !ownConstants });
      else if (attention.function === 'power') this.#scale(from, to, measured);
    }
    if (layerNorm === 'affine' && stage.affineFrom < before.affineFrom) this.#fold(stage, before.affineFrom, measured);
  }

  /** `power` has no rows that sum up to 1: the values that they are multiplied by are made smaller instead. */
  #scale(from: number, to: number, inputs: readonly BertInputs[]): void {
    const { draft, student, teacher, weights, show } = this.#parts;
    const { attention, heads, hidden } = student.config;
    const constants = (layer: number) => weights.get(constantsName(draft, layer));
    const sums = rowSums(teacher, inputs, (scores, mask, layer) => {
      const own = constants(layer);
      return weigh(scores, mask, attention, own && tf.tensor1d(own.slice())).weights;
    });
    for (let layer = from; layer < to; layer++) {
      const stem = `${draft.layer(layer)}attention.self.value`;
      for (const name of [`${stem}.weight`, `${stem}.bias`]) {
        const values = weights.get(name)!;
        // Both have the heads' features along their last axis
        for (let i = 0; i < values.length; i++) {
          const sum = sums[layer]![Math.floor(((i % hidden) * heads) / hidden)]!;
          values[i] = values[i]! / Math.max(sum, 1e-3);
        }
        show(name);
      }
    }
  }

  /** The norms from this stage's on have constants for what they took of each token. */
  #fold(stage: Stage, before: number, inputs: readonly BertInputs[]): void {
    const { draft, student, weights, show } = this.#parts;
    const wanted = (at: number) => at >= stage.affineFrom && at < before;
    const hooks = stageHooks(student, stage);
    const found = normStatistics(student, inputs, (at) => at >= before, wanted, hooks);
    for (const [at, statistics] of found) {
      const { gain, bias } = normNames(draft, at);
      fold(weights.get(gain)!, weights.get(bias)!, statistics);
      show(gain);
      show(bias);
    }
  }
}
