/** What answers come to: the task's measures of private and of plaintext ones, and what a sentence takes. */
import { type Example, type MetricName, metrics, predicted, type Task } from '@secformer/distill/glue';
import { columns, megabytes } from '../report.js';
import type { Answered } from './answers.js';

/** The figures of a run; all but the counts are of the answered examples. */
export interface GlueFigures {
  sentences: number;
  /** examples whose private read was refused, for their values left a protocol's range; they count as wrong */
  refused: number;
  metrics: { name: MetricName; plaintext: number; private: number }[];
  /** examples whose label is another one in private; of a regression undefined */
  labels: { differ: number; rows: number[] } | undefined;
  /** the largest difference of a score from plaintext */
  largestError: number;
  /** for a sentence; `rounds` are its part of its batch's */
  perSentence: { rounds: number; bytes: number; dealerBytes: number; ms: number; cpuMs?: number; plaintextMs: number };
  /** of a batch, the most that there were */
  roundsOfBatch: number;
  sentencesOfBatch: number;
}

/**
 * @param examples of the task's file, in its order
 * @param answered of any of them
 */
export function figuresOf(task: Task, examples: readonly Example[], answered: readonly Answered[]): GlueFigures {
  const outputs = task.labels?.length ?? 1;
  const [want, plain, hidden]: [number[], number[], number[]] = [[], [], []];
  const rows: number[] = [];
  let [refused, largestError] = [0, 0];
  for (const a of answered) {
    const ofRows = (scores: number[][] | undefined) => scores && predicted(scores.flat(), outputs);
    const [shown, secret] = [ofRows(a.plaintext)!, ofRows(a.private)];
    a.rows.forEach((row, i) => {
      const { label } = examples[row]!;
      // What was refused is no answer, and wrong: another class, or the far end of the range
      const [low, high] = task.range ?? [0, 0];
      const wrong = task.labels ? (label + 1) % outputs : label - low > high - label ? low : high;
      if (!secret) refused++;
      want.push(label);
      // Nor are scores that are no numbers
      const isAnswer = (scores: number[] | undefined) => scores?.every((v) => Number.isFinite(v)) ?? false;
      plain.push(isAnswer(a.plaintext[i]) ? shown[i]! : wrong);
      hidden.push(isAnswer(a.private?.[i]) ? secret![i]! : wrong);
      if (secret && secret[i] !== shown[i]) rows.push(row);
      for (const [k, score] of (a.private?.[i] ?? []).entries()) {
        const error = Math.abs(score - a.plaintext[i]![k]!);
        // Written so that NaN is not overlooked
        if (!(error <= largestError)) largestError = error;
      }
    });
  }
  const n = Math.max(1, want.length);
  const sum = (of: (a: Answered) => number) => answered.reduce((total, a) => total + of(a), 0);
  const measured = answered.every(({ cpuMs }) => cpuMs !== undefined);
  return {
    sentences: want.length,
    refused,
    metrics: task.metrics.map((name) => ({
      name,
      plaintext: metrics[name](plain, want),
      private: metrics[name](hidden, want),
    })),
    labels: task.labels ? { differ: rows.length, rows: rows.sort((a, b) => a - b) } : undefined,
    largestError,
    perSentence: {
      rounds: sum((a) => a.rounds) / n,
      bytes: sum((a) => a.bytes) / n,
      dealerBytes: sum((a) => a.dealerBytes) / n,
      ms: sum((a) => a.ms) / n,
      ...(measured && { cpuMs: sum((a) => a.cpuMs!) / n }),
      plaintextMs: sum((a) => a.plaintextMs) / n,
    },
    roundsOfBatch: Math.max(0, ...answered.map(({ rounds }) => rounds)),
    sentencesOfBatch: Math.max(0, ...answered.map((a) => a.rows.length)),
  };
}

/** @param head what was measured, in words */
export function glueTable(head: string, examples: number, f: GlueFigures): string {
  const { perSentence: each, labels } = f;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(3)} s`;
  const same = labels ? f.sentences - f.refused - labels.differ : 0;
  return [
    `${head}: ${f.sentences} of ${examples} examples`,
    '',
    columns([
      ['', 'plaintext', 'private', 'difference'],
      ...f.metrics.map((m) => [
        m.name,
        (100 * m.plaintext).toFixed(2),
        (100 * m.private).toFixed(2),
        (100 * (m.private - m.plaintext)).toFixed(2),
      ]),
    ]),
    '',
    ...(labels ? [`labels that are the same: ${same} of ${f.sentences}`] : []),
    ...(f.refused > 0 ? [`refused, for values left a protocol's range, and counted as wrong: ${f.refused}`] : []),
    `largest difference of a score: ${f.largestError.toExponential(1)}`,
    `a sentence: ${megabytes(each.bytes)} between the parties, ${megabytes(each.dealerBytes)} from the dealer, ` +
      `${seconds(each.ms)}${each.cpuMs === undefined ? '' : ` (${seconds(each.cpuMs)} of processors)`}; ` +
      `plaintext ${seconds(each.plaintextMs)}`,
    `a batch of at most ${f.sentencesOfBatch} sentences: at most ${f.roundsOfBatch} rounds, ` +
      `${each.rounds.toFixed(1)} a sentence`,
  ].join('\n');
}
