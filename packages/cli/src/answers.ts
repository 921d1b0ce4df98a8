/** What an answer says: a label and how probable it is, or numbers. */
import { printable } from './terminal.js';

/** How a checkpoint's scores are read. */
export interface Reading {
  /** names of the classes; empty where the checkpoint names none */
  labels: readonly string[];
  /** may several labels hold at once? */
  several: boolean;
}

export type Answer =
  | { label: string; probability: number; scores: { label: string; probability: number }[] }
  | { shape: number[]; values: number[] };

/** Numbers that are shown of a vector. */
const SHOWN = 8;

/**
 * @param name of the output
 * @param shape of one text's part of it
 */
export function answerOf(name: string, shape: number[], values: Float32Array, { labels, several }: Reading): Answer {
  // One score alone is a number and not a class
  if (name !== 'logits' || shape.length !== 1 || values.length < 2) return { shape, values: [...values] };
  const probabilities = several ? [...values].map((v) => 1 / (1 + Math.exp(-v))) : softmax(values);
  const scores = probabilities.map((probability, i) => ({ label: printable(labels[i] ?? `LABEL_${i}`), probability }));
  const first = scores.reduce((best, s) => (s.probability > best.probability ? s : best));
  return { ...first, scores };
}

function softmax(values: Float32Array): number[] {
  const most = Math.max(...values);
  const powers = [...values].map((v) => Math.exp(v - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** An answer's cells in a table. */
export function cellsOf(answer: Answer): (string | { number: string })[] {
  if ('label' in answer) return [answer.label, { number: answer.probability.toFixed(4) }];
  const { shape, values } = answer;
  const shown = values.slice(0, SHOWN).map((v) => v.toFixed(4));
  return [`[${shape}]`, `${shown.join(' ')}${values.length > SHOWN ? ' …' : ''}`];
}
