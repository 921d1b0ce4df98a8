/** Many clients of a published model at once: how many answers, how fast, and whether all of them are right. */
import { readFileSync } from 'node:fs';
import type { BertModel } from '@secformer/bert-loader';
import type { NodeError } from '@secformer/party-node';
import type { LocalService } from '@secformer/party-node/node';
import { chooseKernels } from '../kernels.js';
import { loadModel, sentencesOf } from '../named-models.js';
import { tf } from '../quiet-tfjs.js';
import { columns, end, median, report, UsageError } from '../report.js';
import { asked, outputOf, type Sentence, sentenceOf, served } from './published-bert.js';

export interface LoadFlags {
  model: string;
  seq: number;
  suite: string;
  clients: number;
  seconds: number;
  texts?: string;
  pool?: string;
  kernels: string;
  json?: string;
}

const TEXTS = [
  'A warm, funny and beautifully acted film.',
  'Tedious, overlong and utterly predictable.',
  'Nothing in the report explains why the bridge was closed.',
  'The committee met for the third time this week.',
];

/** Largest difference of an answer from plaintext that counts as right. */
const BAR = 0.05;

/** What one client has met. */
interface Met {
  ms: number[];
  /** refusals that say when to come again, by code */
  refused: Map<string, number>;
  wrong: number;
  /** errors that do not */
  lost: string[];
}

/** A sentence, and its answer in plaintext. */
interface Question {
  sentence: Sentence;
  answer: Float32Array;
}

/** Asks without a pause, until the time is over. */
async function keepAsking(
  client: Awaited<ReturnType<Awaited<ReturnType<typeof served>>['client']>>,
  questions: readonly Question[],
  from: number,
  until: number,
): Promise<Met> {
  const met: Met = { ms: [], refused: new Map(), wrong: 0, lost: [] };
  for (let i = from; performance.now() < until; i++) {
    const { sentence, answer } = questions[i % questions.length]!;
    const start = performance.now();
    try {
      const got = await asked(client, sentence);
      met.ms.push(performance.now() - start);
      if (!got.every((v, k) => Math.abs(v - answer[k]!) <= BAR)) met.wrong++;
    } catch (error) {
      const { code, retryAfterMs, message } = error as NodeError;
      if (retryAfterMs === undefined) met.lost.push(`${code}: ${message}`);
      else {
        met.refused.set(code, (met.refused.get(code) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
      }
    }
  }
  return met;
}

/** Resident bytes of each node's process. */
function resident(service: LocalService): number[] {
  return Object.values(service.processes).map(({ pid }) => {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1] ?? 0) * 1024;
  });
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

async function questionsOf(model: BertModel, f: LoadFlags): Promise<Question[]> {
  const texts = f.texts === undefined ? TEXTS : sentencesOf(f.texts, 64);
  const output = outputOf(model);
  const questions: Question[] = [];
  for (const text of texts) {
    const inputs = model.tokenize(text, f.seq);
    const out = model[output](inputs);
    questions.push({ sentence: await sentenceOf(model, text, f.seq), answer: (await out.data()) as Float32Array });
    tf.dispose([out, ...Object.values(inputs)]);
  }
  return questions;
}

/** Load on a published model, at three processes on this machine. */
export async function load(f: LoadFlags): Promise<void> {
  if (process.platform !== 'linux') throw new UsageError('load reads the memory of processes from /proc: Linux only');
  const kernels = await chooseKernels(f.kernels);
  await tf.setBackend('cpu');
  const plain = await loadModel(f.model);
  const questions = await questionsOf(plain, f);
  plain.dispose();
  await tf.setBackend('secformer');
  const model = await loadModel(f.model);
  const { service, client, publishMs } = await served(model, {
    seq: f.seq,
    suite: f.suite,
    flags: f.pool === undefined ? [] : ['--pool-bytes', f.pool],
  });
  try {
    const clients = await Promise.all(Array.from({ length: f.clients }, (_, i) => client(`client-${i}`)));
    const memory: number[][] = [];
    const sampling = setInterval(() => memory.push(resident(service)), 1_000);
    const began = performance.now();
    const until = began + 1_000 * f.seconds;
    const met = await Promise.all(clients.map((c, i) => keepAsking(c, questions, i, until)));
    const seconds = (performance.now() - began) / 1_000;
    clearInterval(sampling);
    for (const c of clients) c.dispose();
    const ms = met.flatMap((m) => m.ms);
    const served = met.map((m) => m.ms.length);
    const refusals: Record<string, number> = {};
    for (const { refused } of met) for (const [code, count] of refused) refusals[code] = (refusals[code] ?? 0) + count;
    const quarter = (k: number, node: number) =>
      mean(
        memory
          .slice(Math.floor((k * memory.length) / 4), Math.floor(((k + 1) * memory.length) / 4))
          .map((m) => m[node]!),
      );
    const growth = Object.keys(service.processes).map((role, i) => [role, quarter(3, i) / quarter(1, i) - 1] as const);
    const lost = met.flatMap((m) => m.lost);
    const record = {
      command: 'load',
      model: f.model,
      seq: f.seq,
      suite: f.suite,
      kernels,
      clients: f.clients,
      seconds,
      publishMs,
      answers: ms.length,
      perSecond: ms.length / seconds,
      medianMs: median(ms),
      p99Ms: percentile(ms, 0.99),
      refusals,
      wrong: met.reduce((n, m) => n + m.wrong, 0),
      lost,
      served: { least: Math.min(...served), mean: mean(served), most: Math.max(...served) },
      memory: Object.fromEntries(
        Object.keys(service.processes).map((role, i) => [role, Math.max(...memory.map((m) => m[i]!))]),
      ),
      growth: Object.fromEntries(growth),
    };
    report(record, f.json, () =>
      [
        columns([
          ['clients', 'answers', 'a second', 'median ms', '99 %', 'wrong', 'lost'],
          [
            f.clients,
            ms.length,
            record.perSecond.toFixed(1),
            record.medianMs.toFixed(0),
            record.p99Ms.toFixed(0),
            record.wrong,
            lost.length,
          ],
        ]),
        `Refused for now: ${JSON.stringify(refusals)}. ` +
          `Least served ${record.served.least}, mean ${record.served.mean.toFixed(1)}.`,
        `Memory in the last quarter against the second: ${growth
          .map(([role, by]) => `${role} ${by > 0 ? '+' : ''}${(100 * by).toFixed(1)} %`)
          .join(', ')}.`,
        ...lost.slice(0, 5),
      ].join('\n'),
    );
    if (record.wrong > 0 || lost.length > 0) process.exitCode = 1;
  } finally {
    service.stop();
  }
  end();
}
