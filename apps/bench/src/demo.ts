import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadBert } from '@secformer/bert-loader';
import { type LastRun, lastRun } from '@secformer/tfjs-mpc-backend';
import type { GlueFigures } from './glue/figures.js';
import { tf } from './quiet-tfjs.js';
import { columns, end, median, megabytes, milliseconds, report, Steps } from './report.js';

const MODELS = join(dirname(fileURLToPath(import.meta.url)), '../../models');
export const MODEL = join(MODELS, 'sst2-tiny');
/** Distilled of it: other functions than softmax and LayerNorm. */
export const STUDENT = join(MODELS, 'sst2-tiny-power');

export const SENTENCES = [
  'A warm, funny and beautifully acted film.',
  'The plot makes no sense and the jokes fall flat.',
  'An unforgettable, heartbreaking masterpiece.',
  'Tedious, overlong and utterly predictable.',
  'I would happily watch it again tomorrow.',
  'The worst two hours of my year.',
  'Its young cast is a delight from the first scene to the last.',
  'A dull script wastes a good idea.',
  'Gorgeous to look at and a joy to listen to.',
  'It is hard to care about anyone in this mess.',
];

/** A model's logits of the sentences on the active backend, and what each answer took. */
interface Classified {
  rows: number[][];
  runs: LastRun[];
  labels: readonly string[];
}

async function classified(folder: string, next: (text: string) => void): Promise<Classified> {
  const model = await loadBert(folder);
  const rows: number[][] = [];
  const runs: LastRun[] = [];
  for (const text of SENTENCES) {
    next(text);
    const inputs = model.tokenize(text);
    const logits = model.logits(inputs);
    rows.push(Array.from(await logits.data()));
    const run = lastRun();
    if (run) runs.push(run);
    tf.dispose([inputs.inputIds, inputs.attentionMask, inputs.tokenTypeIds, logits]);
  }
  const { labels } = model.config;
  model.dispose();
  return { rows, runs, labels };
}

/** The part of SST-2's development set that a model is right on, on shares: `bench glue` wrote it down. */
function accuracyOf(folder: string): number {
  const { metrics } = JSON.parse(readFileSync(join(folder, 'sst2.json'), 'utf8')) as Pick<GlueFigures, 'metrics'>;
  return metrics.find(({ name }) => name === 'accuracy')!.private;
}

/** A model in plaintext beside the same on shares. */
function compared(folder: string, plain: Classified, hidden: Classified) {
  const label = (row: number[]) => plain.labels[row.indexOf(Math.max(...row))]!;
  const sentences = SENTENCES.map((text, i) => ({
    text,
    plaintext: plain.rows[i]!,
    private: hidden.rows[i]!,
    label: { plaintext: label(plain.rows[i]!), private: label(hidden.rows[i]!) },
  }));
  const last = hidden.runs.at(-1)!;
  const worst = Math.max(...sentences.flatMap((s) => s.plaintext.map((v, i) => Math.abs(v - s.private[i]!))));
  return {
    model: basename(folder),
    sentences,
    online: {
      ms: hidden.runs.map((r) => r.onlineMs),
      bytes: { p0p1: last.bytes.p0p1, p1p0: last.bytes.p1p0 },
      rounds: last.rounds,
    },
    accuracy: accuracyOf(folder),
    largestLogitError: worst,
    agree: sentences.every((s) => s.label.plaintext === s.label.private) && worst <= 0.02,
  };
}

/**
 * Real sentences through a real BERT: in plaintext, then the same code on secret shares between two parties and a
 * dealer; and what a student of it takes.
 */
export async function demo(json: string | undefined): Promise<void> {
  const folders = [MODEL, STUDENT] as const;
  const steps = new Steps(2 * folders.length * SENTENCES.length, json === '-');
  const both = async (label: string) => [
    await classified(folders[0], (text) => steps.next(`${label}: ${text}`)),
    await classified(folders[1], (text) => steps.next(`${label}, student: ${text}`)),
  ];
  await tf.setBackend('cpu');
  const plain = await both('plaintext');
  // The one line that changes
  await tf.setBackend('secformer');
  const hidden = await both('private');
  steps.done();

  const [teacher, student] = folders.map((folder, i) => compared(folder, plain[i]!, hidden[i]!)) as [
    ReturnType<typeof compared>,
    ReturnType<typeof compared>,
  ];
  const { sentences, online, largestLogitError } = teacher;
  const agree = teacher.agree && student.agree;
  report({ ...teacher, student, agree }, json, () => {
    const between = ({ online: { bytes } }: typeof teacher) => bytes.p0p1 + bytes.p1p0;
    const line = (name: string, m: typeof teacher) => [
      name,
      m.online.rounds,
      megabytes(between(m)),
      milliseconds(m.online.ms),
      `${(100 * m.accuracy).toFixed(1)} %`,
    ];
    return [
      columns([
        ['sentence', 'plaintext', 'private', 'logits in plaintext', 'private'],
        ...sentences.map((s) => [
          s.text,
          s.label.plaintext,
          s.label.private,
          logitText(s.plaintext),
          logitText(s.private),
        ]),
      ]),
      '',
      'Each private answer was computed on secret shares by two parties and a dealer (three threads here): ' +
        `${online.rounds} rounds, ${megabytes(between(teacher))} between the parties, about ` +
        `${median(online.ms).toFixed(0)} ms.`,
      `Largest difference of a logit: ${largestLogitError.toExponential(1)}. ` +
        `${agree ? 'Every label agrees.' : 'The answers differ.'}`,
      '',
      'What distillation brings (npm run distill): powers of scores in the place of softmax, no norms of tokens.',
      columns([
        ['', 'rounds', 'bytes', 'time', 'right of 872 sentences of SST-2, privately'],
        line(teacher.model, teacher),
        line(`${student.model}, its student`, student),
      ]),
    ].join('\n');
  });
  end(agree ? 0 : 1);
}

function logitText(row: number[]): string {
  return row.map((v) => v.toFixed(4)).join(' ');
}
