/**
 * What a model's scores predict.
 * @param scores [examples, outputs], row after row
 * @returns for each row the number of its greatest score; of a single output the score itself
 */
export function predicted(scores: ArrayLike<number>, outputs: number): number[] {
  const rows = Array.from({ length: scores.length / outputs }, (_, r) => r * outputs);
  if (outputs === 1) return rows.map((at) => scores[at]!);
  return rows.map((at) => {
    let best = 0;
    for (let i = 1; i < outputs; i++) if (scores[at + i]! > scores[at + best]!) best = i;
    return best;
  });
}
