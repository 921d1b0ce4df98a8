/** How well predictions fit: the measures that GLUE uses, of plain arrays. */

/** What is measured; `correlation` is the mean of `pearson` and `spearman`. */
export type MetricName = 'accuracy' | 'f1' | 'matthews' | 'pearson' | 'spearman' | 'correlation';

/** How many of each kind there are, of two classes; 1 is the positive one. What is no class is wrong, as either. */
function confusion(predicted: ArrayLike<number>, truth: ArrayLike<number>) {
  let [tp, tn, fp, fn] = [0, 0, 0, 0];
  for (let i = 0; i < truth.length; i++) {
    const right = predicted[i] === truth[i];
    if (truth[i] === 1) right ? tp++ : fn++;
    else right ? tn++ : fp++;
  }
  return { tp, tn, fp, fn };
}

/** The part of the predictions that is right. */
export function accuracy(predicted: ArrayLike<number>, truth: ArrayLike<number>): number {
  let right = 0;
  for (let i = 0; i < truth.length; i++) if (predicted[i] === truth[i]) right++;
  return truth.length === 0 ? 0 : right / truth.length;
}

/** F1 of class 1: the harmonic mean of precision and recall; 0 where nothing is of class 1. */
export function f1(predicted: ArrayLike<number>, truth: ArrayLike<number>): number {
  const { tp, fp, fn } = confusion(predicted, truth);
  return tp === 0 ? 0 : (2 * tp) / (2 * tp + fp + fn);
}

/** Matthews's correlation of two classes, −1 to 1; 0 where one class alone is predicted or there. */
export function matthews(predicted: ArrayLike<number>, truth: ArrayLike<number>): number {
  const { tp, tn, fp, fn } = confusion(predicted, truth);
  const under = Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
  return under === 0 ? 0 : (tp * tn - fp * fn) / under;
}

/** Pearson's correlation, −1 to 1; 0 where either is constant. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  const mean = (x: ArrayLike<number>) => Array.from(x).reduce((s, v) => s + v, 0) / n;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i]! - ma, b[i]! - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/** Ranks from 1; equal values have the mean of theirs. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    // One further, so that what equals nothing, NaN, has a rank of its own
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let k = from; k < to; k++) out[order[k]!] = (from + to + 1) / 2;
    from = to;
  }
  return out;
}

/** Spearman's correlation: Pearson's of the ranks. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return pearson(ranks(a), ranks(b));
}

/** Every measure by its name. Classes are numbers; of two, 1 is the positive one. */
export const metrics: Readonly<Record<MetricName, (got: ArrayLike<number>, want: ArrayLike<number>) => number>> = {
  accuracy,
  f1,
  matthews,
  pearson,
  spearman,
  correlation: (got, want) => (pearson(got, want) + spearman(got, want)) / 2,
};
