/** What an answer says: a label and how probable it is, or numbers. */

/** How a checkpoint's scores are read. */
export interface Reading {
  /** names of the classes; empty where the checkpoint names none */
  labels: readonly string[];
  /** may several labels hold at once? */
  several: boolean;
}

/** A label of its publisher's choice, with all of them, or numbers in row-major order. */
export type Answer =
  | { label: string; probability: number; scores: { label: string; probability: number }[] }
  | { shape: number[]; values: number[] };

/** Are scores of this form those of classes? One score alone is a number and not a class. */
export function areClasses(name: string, shape: readonly number[]): boolean {
  return name === 'logits' && shape.length === 1 && shape[0]! >= 2;
}

/**
 * One text's answer.
 * @param name of the output
 * @param shape of one text's part of it
 * @returns the most probable label, by softmax or, where several may hold, by each score's sigmoid; or the numbers
 */
export function answerOf(name: string, shape: number[], values: Float32Array, { labels, several }: Reading): Answer {
  if (!areClasses(name, shape)) return { shape, values: [...values] };
  const probabilities = several ? [...values].map((v) => 1 / (1 + Math.exp(-v))) : softmax(values);
  const scores = probabilities.map((probability, i) => ({ label: labels[i] ?? `LABEL_${i}`, probability }));
  const first = scores.reduce((best, s) => (s.probability > best.probability ? s : best));
  return { ...first, scores };
}

function softmax(values: Float32Array): number[] {
  const most = Math.max(...values);
  const powers = [...values].map((v) => Math.exp(v - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}
