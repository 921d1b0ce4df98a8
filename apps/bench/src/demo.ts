import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadBert } from '@secformer/bert-loader';
import { type LastRun, lastRun } from '@secformer/tfjs-mpc-backend';
import { tf } from './quiet-tfjs.js';
import { columns, end, megabytes, report, Steps } from './report.js';

export const MODEL = join(dirname(fileURLToPath(import.meta.url)), '../../models/sst2-tiny');

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

/**
 * Real sentences through a real BERT: in plaintext, then the same code on secret shares between two parties and a
 * dealer.
 */
export async function demo(json: string | undefined): Promise<void> {
  const steps = new Steps(2 * SENTENCES.length, json === '-');
  const classify = async (label: string) => {
    const model = await loadBert(MODEL);
    const rows: number[][] = [];
    const runs: LastRun[] = [];
    for (const text of SENTENCES) {
      steps.next(`${label}: ${text}`);
      const inputs = model.tokenize(text);
      const logits = model.logits(inputs);
      rows.push(Array.from(await logits.data()));
      const run = lastRun();
      if (run) runs.push(run);
      tf.dispose([inputs.inputIds, inputs.attentionMask, inputs.tokenTypeIds, logits]);
    }
    const labels = model.config.labels;
    model.dispose();
    return { rows, runs, labels };
  };
  await tf.setBackend('cpu');
  const plain = await classify('plaintext');
  // The one line that changes
  await tf.setBackend('secformer');
  const hidden = await classify('private');
  steps.done();

  const label = (row: number[]) => plain.labels[row.indexOf(Math.max(...row))]!;
  const sentences = SENTENCES.map((text, i) => ({
    text,
    plaintext: plain.rows[i]!,
    private: hidden.rows[i]!,
    label: { plaintext: label(plain.rows[i]!), private: label(hidden.rows[i]!) },
  }));
  const last = hidden.runs.at(-1)!;
  const worst = Math.max(...sentences.flatMap((s) => s.plaintext.map((v, i) => Math.abs(v - s.private[i]!))));
  const agree = sentences.every((s) => s.label.plaintext === s.label.private) && worst <= 0.02;
  const online = {
    ms: hidden.runs.map((r) => r.onlineMs),
    bytes: { p0p1: last.bytes.p0p1, p1p0: last.bytes.p1p0 },
    rounds: last.rounds,
  };
  const record = { model: 'sst2-tiny', sentences, online, largestLogitError: worst, agree };
  report(record, json, () => {
    const rows = [
      ['sentence', 'plaintext', 'private', 'logits in plaintext', 'private'],
      ...sentences.map((s) => [
        s.text,
        s.label.plaintext,
        s.label.private,
        logitText(s.plaintext),
        logitText(s.private),
      ]),
    ];
    return [
      columns(rows),
      '',
      `Each private answer was computed on secret shares by two parties and a dealer (three threads here): ` +
        `${last.rounds} rounds, ${megabytes(last.bytes.p0p1 + last.bytes.p1p0)} between the parties, about ` +
        `${(online.ms.reduce((a, b) => a + b, 0) / online.ms.length).toFixed(0)} ms.`,
      `Largest difference of a logit: ${worst.toExponential(1)}. ` +
        `${agree ? 'Every label agrees.' : 'The answers differ.'}`,
    ].join('\n');
  });
  end(agree ? 0 : 1);
}

function logitText(row: number[]): string {
  return row.map((v) => v.toFixed(4)).join(' ');
}
