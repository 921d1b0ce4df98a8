/**
 * What a model's scores predict.
 * @param scores [examples, outputs], row after row
 * @returns for each row the number of its greatest score, and NaN, which is no class, where not all of them are finite;
 * of a single output the score itself
 */
export function predicted(scores: ArrayLike<number>, outputs: number): number[] {
  const rows = Array.from({ length: scores.length / outputs }, (_, r) => r * outputs);
  if (outputs === 1) return rows.map((at) => scores[at]!);
  return rows.map((at) => {
    let best = 0;
    for (let i = 0; i < outputs; i++) {
      if (!Number.isFinite(scores[at + i])) return Number.NaN;
      if (scores[at + i]! > scores[at + best]!) best = i;
    }
    return best;
  });
}
