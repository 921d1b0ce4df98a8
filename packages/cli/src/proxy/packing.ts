/** Which inputs of a request go to the nodes together: as few asks as the published programs allow. */
import type { TextBatch } from '@secformer/bert-loader';

/**
 * As few runs as there can be: of the texts that are left, the longest has to be in one, which may as well be the one
 * with the most rows and take the longest of the others. Each is then the smallest program that its texts fit into.
 * @param tokens of each text, at most those of the longest program
 * @param shapes [batch, tokens] of the programs
 */
export function packed(tokens: readonly number[], shapes: readonly [number, number][]): TextBatch[] {
  const left = [...tokens.keys()].sort((a, b) => tokens[b]! - tokens[a]!);
  const batches: TextBatch[] = [];
  while (left.length > 0) {
    const longest = tokens[left[0]!]!;
    const fitting = shapes.filter(([, length]) => length >= longest);
    const texts = left.splice(0, Math.max(...fitting.map(([rows]) => rows)));
    const [rows, length] = fitting
      .filter(([batch]) => batch >= texts.length)
      .reduce((a, b) => (b[0] * b[1] < a[0] * a[1] ? b : a));
    batches.push({ texts, rows, length });
  }
  return batches;
}

/** The same of rows that are all alike: first the programs with the most rows, and what is left to the smallest. */
export function rowBatches(count: number, sizes: readonly number[]): { from: number; count: number; rows: number }[] {
  const sorted = [...sizes].sort((a, b) => a - b);
  const most = sorted.at(-1)!;
  return Array.from({ length: Math.ceil(count / most) }, (_, i) => {
    const from = i * most;
    const part = Math.min(most, count - from);
    return { from, count: part, rows: sorted.find((size) => size >= part)! };
  });
}
