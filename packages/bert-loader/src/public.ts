/** Weights that anybody may know, on a backend that hides tensors. */
import * as tf from '@tensorflow/tfjs-core';

/** What such a backend has; others hide nothing. */
interface Hiding {
  makePublic?(t: tf.TensorInfo, weights: boolean): void;
}

/** Declares weights public, once on each backend that they come to. */
export class PublicWeights {
  readonly #weights: readonly tf.Tensor[];
  #declaredOn: unknown;

  constructor(weights: readonly tf.Tensor[]) {
    this.#weights = weights;
  }

  /** Says so to the backend that is active, before it computes with them. */
  declare(): void {
    const backend = tf.backend();
    if (this.#declaredOn === backend) return;
    for (const t of this.#weights) (backend as Hiding).makePublic?.(t, true);
    this.#declaredOn = backend;
  }
}
