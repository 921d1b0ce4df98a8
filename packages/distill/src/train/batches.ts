/** Examples as batches of token ids. */
import type { BertInputs, BertTokenizer } from '@secformer/bert-loader';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import type { Example } from '../glue/read.js';
import { LENGTH_STEP, SORTED_BATCHES } from '../limits.js';
import { drawsOf, shuffled } from '../random.js';

/**
 * Examples as token ids, those of all in one array: of objects for each the garbage collector would walk through tens
 * of thousands several times a step, for it counts the tensors' memory too.
 */
export interface EncodedExamples {
  ids: Int32Array;
  types: Int32Array;
  /** where each example begins in those, and where the last one ends */
  starts: Uint32Array;
  labels: Float64Array;
}

export const countOf = ({ labels }: EncodedExamples): number => labels.length;

/** How many tokens an example has. */
export const lengthOf = ({ starts }: EncodedExamples, i: number): number => starts[i + 1]! - starts[i]!;

export interface Batch {
  inputs: BertInputs;
  /** [batch]: class numbers (int32) or what is to be predicted (float32) */
  labels: tf.Tensor1D;
  /** how many examples it has */
  size: number;
}

/**
 * @param length tokens of an example at most; more are cut as the tokenizer's folder says
 * @throws DistillError BAD_TRAINING where special tokens alone are more
 */
export function encoded(tokenizer: BertTokenizer, examples: readonly Example[], length: number): EncodedExamples {
  const each = idsOf(tokenizer, examples, length);
  const starts = new Uint32Array(each.length + 1);
  each.forEach(({ ids }, i) => {
    starts[i + 1] = starts[i]! + ids.length;
  });
  const [ids, types] = [0, 1].map(() => new Int32Array(starts[each.length]!));
  each.forEach((example, i) => {
    ids!.set(example.ids, starts[i]);
    types!.set(example.types, starts[i]);
  });
  return { ids: ids!, types: types!, starts, labels: Float64Array.from(examples, ({ label }) => label) };
}

function idsOf(tokenizer: BertTokenizer, examples: readonly Example[], length: number) {
  try {
    return examples.map(({ text }) => tokenizer.encode(text, length));
  } catch (cause) {
    throw cause instanceof RangeError ? new DistillError('BAD_TRAINING', cause.message, { cause }) : cause;
  }
}

const partOf = ({ ids, types, starts }: EncodedExamples, i: number): string =>
  [ids, types].map((values) => values.subarray(starts[i], starts[i + 1])).join(';');

/**
 * A teacher is given its student's ids.
 * @throws DistillError BAD_TRAINING where its own of these examples are others
 */
export function checkSameIds(teacher: BertTokenizer, own: EncodedExamples, of: readonly Example[], length: number) {
  const theirs = encoded(teacher, of, length);
  const at = of.findIndex((_, i) => partOf(own, i) !== partOf(theirs, i));
  if (at >= 0)
    throw new DistillError(
      'BAD_TRAINING',
      `example ${at + 1} has other token ids with the teacher's tokenizer than with the model's; they need the same`,
    );
}

/**
 * The batches of an epoch, every example in one: drawn from all, some batches at a time sorted by length, so that
 * little is filled up, and those batches in an order of their own.
 * @param size examples of a batch; the last of those drawn may have fewer
 * @param numbers of the epoch, beside the seed
 */
export function epochOf(examples: EncodedExamples, size: number, seed: number, ...numbers: number[]): Uint32Array[] {
  const draw = drawsOf(seed, 'order', ...numbers);
  const order = shuffled(countOf(examples), draw);
  const batches: Uint32Array[] = [];
  for (let from = 0; from < order.length; from += size * SORTED_BATCHES) {
    const some = order.subarray(from, from + size * SORTED_BATCHES);
    some.sort((a, b) => lengthOf(examples, a) - lengthOf(examples, b));
    for (let at = 0; at < some.length; at += size) batches.push(some.subarray(at, at + size));
  }
  return Array.from(shuffled(batches.length, draw), (i) => batches[i]!);
}

/**
 * Some examples, filled up to the longest of them and to a multiple of `LENGTH_STEP`.
 * @param most the length that nothing is filled up beyond
 * @param dtype of the labels
 */
export function batchOf(
  examples: EncodedExamples,
  rows: ArrayLike<number>,
  pad: number,
  most: number,
  dtype: 'int32' | 'float32',
): Batch {
  const longest = Math.max(...Array.from(rows, (i) => lengthOf(examples, i)));
  const width = Math.min(most, Math.ceil(longest / LENGTH_STEP) * LENGTH_STEP);
  const size = rows.length;
  const [ids, mask, types] = [pad, 0, 0].map((filler) => new Int32Array(size * width).fill(filler));
  for (let r = 0; r < size; r++) {
    const [from, to] = [examples.starts[rows[r]!], examples.starts[rows[r]! + 1]];
    ids!.set(examples.ids.subarray(from, to), r * width);
    types!.set(examples.types.subarray(from, to), r * width);
    mask!.fill(1, r * width, r * width + lengthOf(examples, rows[r]!));
  }
  const [inputIds, attentionMask, tokenTypeIds] = [ids, mask, types].map((values) =>
    tf.tensor2d(values!, [size, width], 'int32'),
  );
  const labels = tf.tensor1d(
    Array.from(rows, (i) => examples.labels[i]!),
    dtype,
  );
  return {
    inputs: { inputIds: inputIds!, attentionMask: attentionMask!, tokenTypeIds: tokenTypeIds! },
    labels,
    size,
  };
}

export function disposeBatch({ inputs, labels }: Batch): void {
  tf.dispose([inputs.inputIds, inputs.attentionMask, inputs.tokenTypeIds, labels]);
}
