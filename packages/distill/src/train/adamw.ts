/** AdamW (Loshchilov and Hutter 2019), in this process's memory: the same to the bit on every backend. */

export interface AdamWSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** what a weight loses a step, as a part of it and of the rate */
  decay: number;
}

/** What is remembered of a weight's gradients: their mean and the mean of their squares. */
export interface Moments {
  first: Float32Array;
  second: Float32Array;
}

/** Weights of one dimension, biases and norms, are not decayed: as the reference trains BERT. */
export function decays(name: string): boolean {
  return !/(bias|beta|gamma|LayerNorm\.weight|\.constant)$/.test(name);
}

/**
 * One step on one weight, in place.
 * @param step how many there have been with it, from 1
 * @param rate of learning
 * @param shorter what the gradient is multiplied by: `clipping` of all of them
 */
export function adamw(
  weight: Float32Array,
  gradient: Float32Array,
  { first, second }: Moments,
  step: number,
  rate: number,
  { beta1, beta2, epsilon, decay }: AdamWSettings,
  shorter = 1,
): void {
  const kept = 1 - rate * decay;
  const size = rate / (1 - beta1 ** step);
  const root = 1 / Math.sqrt(1 - beta2 ** step);
  const [new1, new2] = [1 - beta1, 1 - beta2];
  for (let i = 0; i < weight.length; i++) {
    const g = gradient[i]! * shorter;
    const m = beta1 * first[i]! + new1 * g;
    const v = beta2 * second[i]! + new2 * g * g;
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i]! * kept - (size * m) / (Math.sqrt(v) * root + epsilon);
  }
}

/** The length of all gradients taken as one vector. */
export function normOf(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const g of gradients) for (let i = 0; i < g.length; i++) sum += g[i]! * g[i]!;
  return Math.sqrt(sum);
}

/** What gradients of that length are multiplied by, so that they are no longer than `most`. */
export function clipping(norm: number, most: number): number {
  return Math.min(1, most / (norm + 1e-6));
}

/**
 * The rate of a step from 0: up to `most` in the first `warmup` steps, then down to 0 at the last one's end, in lines.
 */
export function rateAt(step: number, steps: number, warmup: number, most: number): number {
  if (step < warmup) return (most * step) / Math.max(1, warmup);
  return (most * Math.max(0, steps - step)) / Math.max(1, steps - warmup);
}
