/** What happens to a student's weights where a stage replaces attention or norms. */
import type { BertInputs } from '@secformer/bert-loader';
import { weigh } from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { fold, type InTraining, normNames, normStatistics, rowSums, scaleValues } from '../model/calibrate.js';
import { type Fitted, fitAttention } from '../model/fit-attention.js';
import { constantsName } from '../model/student.js';
import { stageHooks } from './gradients.js';
import type { Replaced, Stage } from './stages.js';

/** A student whose parts are replaced. */
export interface ReplacingParts extends InTraining {
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
   * @param fitting gives the texts that attention is fitted by; none: it is not
   * @param measured gives those that other constants are measured on
   * @returns turns, of a layer each
   */
  *enter(
    stage: Stage,
    before: Replaced,
    fitting: () => readonly BertInputs[],
    measured: () => readonly BertInputs[],
  ): Generator<Fitted, void> {
    const { student, ownConstants } = this.#parts;
    const { attention, layerNorm } = student.config;
    const [from, to] = [stage.attentionFrom, before.attentionFrom];
    if (from < to && attention.function !== 'softmax') {
      const hooks = stageHooks(student, { ...stage, affineFrom: before.affineFrom });
      const batches = fitting();
      if (batches.length > 0)
        yield* fitAttention({ ...this.#parts, hooks, batches, from, to, constants: !ownConstants });
      else if (attention.function === 'power') this.#scale(from, to, measured());
    }
    if (layerNorm === 'affine' && stage.affineFrom < before.affineFrom)
      this.#fold(stage, before.affineFrom, measured());
  }

  /** `power` has no rows that sum up to 1: the values that they are multiplied by are made smaller instead. */
  #scale(from: number, to: number, inputs: readonly BertInputs[]): void {
    const { draft, student, teacher, weights } = this.#parts;
    const { attention } = student.config;
    const constants = (layer: number) => weights.get(constantsName(draft, layer));
    const sums = rowSums(teacher, inputs, (scores, mask, layer) => {
      const own = constants(layer);
      return weigh(scores, mask, attention, own && tf.tensor1d(own.slice())).weights;
    });
    for (let layer = from; layer < to; layer++)
      scaleValues(
        this.#parts,
        layer,
        sums[layer]!.map((sum) => 1 / Math.max(sum, 1e-3)),
      );
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
