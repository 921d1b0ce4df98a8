/** A model's scores of a batch, in plaintext and on shares, in one process. */
import type { BertModel } from '@secformer/bert-loader';
import { SecformerError } from '@secformer/ring';
import { type LastRun, lastRun } from '@secformer/tfjs-mpc-backend';
import { tf } from '../quiet-tfjs.js';
import type { Answered } from './answers.js';
import type { GlueBatch } from './batches.js';
import { processorMs } from './processor-time.js';

export type Text = string | [string, string];

/** A model in plaintext and the same on shares: a backend takes a model's weights to itself. */
export interface Pair {
  plaintext: BertModel;
  private: BertModel;
}

async function scores(model: BertModel, texts: Text[], length: number): Promise<number[][]> {
  const inputs = model.tokenize(texts, length);
  const y = model.logits(inputs);
  try {
    const values = await y.data();
    const outputs = values.length / texts.length;
    return texts.map((_, i) => Array.from(values.subarray(i * outputs, (i + 1) * outputs)));
  } finally {
    tf.dispose([inputs.inputIds, inputs.attentionMask, inputs.tokenTypeIds, y]);
  }
}

/** What is done once: sharing the weights, and opening what products take of them. */
export interface SetUp {
  ms: number;
  /** between the parties, the answer to one text included */
  bytes: number;
}

/**
 * Has the nodes take a model's weights, by the answer to one text, so that batches are measured without.
 * @param length tokens that the text is filled up to
 */
export async function setUp({ private: model }: Pair, text: Text, length: number): Promise<SetUp> {
  await tf.setBackend('secformer');
  const began = performance.now();
  try {
    await scores(model, [text], length);
  } catch (error) {
    if (!leftRange(error)) throw error;
  }
  const { p0p1 = 0, p1p0 = 0 } = lastRun()?.bytes ?? {};
  return { ms: performance.now() - began, bytes: p0p1 + p1p0 };
}

const leftRange = (error: unknown) => error instanceof SecformerError && error.code === 'RANGE_LEFT';

/**
 * The answers of a batch. Where values leave a protocol's range, its halves are answered apart, down to the examples
 * that it is for, which are refused.
 * @param texts of the batch's rows
 * @param nodes ids of the nodes' processes, where they are not threads of this one
 */
export async function* answersOf(
  models: Pair,
  batch: GlueBatch,
  texts: readonly Text[],
  nodes: readonly number[],
): AsyncGenerator<Answered> {
  await tf.setBackend('wasm');
  const began = performance.now();
  const plaintext = await scores(models.plaintext, [...texts], batch.length);
  const plaintextMs = performance.now() - began;
  await tf.setBackend('secformer');
  const { length } = batch;
  const answered = async function* (from: number, to: number): AsyncGenerator<Answered> {
    const [start, before] = [performance.now(), processorMs(nodes)];
    let hidden: number[][] | undefined;
    try {
      hidden = await scores(models.private, texts.slice(from, to), length);
    } catch (error) {
      if (!leftRange(error)) throw error;
    }
    const after = processorMs(nodes);
    if (!hidden && to - from > 1) {
      const middle = from + ((to - from) >> 1);
      yield* answered(from, middle);
      yield* answered(middle, to);
      return;
    }
    const run: LastRun | undefined = hidden && lastRun();
    yield {
      rows: batch.rows.slice(from, to),
      length,
      plaintext: plaintext.slice(from, to),
      ...(hidden && { private: hidden }),
      rounds: run?.rounds ?? 0,
      bytes: run ? run.bytes.p0p1 + run.bytes.p1p0 : 0,
      dealerBytes: run?.bytes.dealer ?? 0,
      ms: performance.now() - start,
      ...(before !== undefined && after !== undefined && { cpuMs: after - before }),
      plaintextMs: (plaintextMs * (to - from)) / texts.length,
    };
  };
  yield* answered(0, texts.length);
}
