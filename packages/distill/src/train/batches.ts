/** Examples as batches of token ids. */
import type { BertInputs, BertTokenizer } from '@secformer/bert-loader';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import type { Example } from '../glue/read.js';
import { LENGTH_STEP, SORTED_BATCHES } from '../limits.js';
import { drawsOf, shuffled } from '../random.js';

/** An example as token ids. */
export interface EncodedExample {
  ids: number[];
  types: number[];
  label: number;
}

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
export function encoded(tokenizer: BertTokenizer, examples: readonly Example[], length: number): EncodedExample[] {
  try {
    return examples.map(({ text, label }) => {
      const { ids, types } = tokenizer.encode(text, length);
      return { ids, types, label };
    });
  } catch (cause) {
    throw cause instanceof RangeError ? new DistillError('BAD_TRAINING', cause.message, { cause }) : cause;
  }
}

/**
 * A teacher is given its student's ids.
 * @throws DistillError BAD_TRAINING where its own of these examples are others
 */
export function checkSameIds(
  teacher: BertTokenizer,
  own: readonly EncodedExample[],
  of: readonly Example[],
  length: number,
) {
  const theirs = encoded(teacher, of, length);
  const at = own.findIndex(
    ({ ids, types }, i) => String(ids) !== String(theirs[i]!.ids) || String(types) !== String(theirs[i]!.types),
  );
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
export function epochOf(
  examples: readonly EncodedExample[],
  size: number,
  seed: number,
  ...numbers: number[]
): Uint32Array[] {
  const draw = drawsOf(seed, 'order', ...numbers);
  const order = shuffled(examples.length, draw);
  const batches: Uint32Array[] = [];
  for (let from = 0; from < order.length; from += size * SORTED_BATCHES) {
    const some = order.subarray(from, from + size * SORTED_BATCHES);
    some.sort((a, b) => examples[a]!.ids.length - examples[b]!.ids.length);
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
  examples: readonly EncodedExample[],
  rows: ArrayLike<number>,
  pad: number,
  most: number,
  dtype: 'int32' | 'float32',
): Batch {
  const chosen = Array.from(rows, (i) => examples[i]!);
  const longest = Math.max(...chosen.map(({ ids }) => ids.length));
  const width = Math.min(most, Math.ceil(longest / LENGTH_STEP) * LENGTH_STEP);
  const size = chosen.length;
  const [ids, mask, types] = [pad, 0, 0].map((filler) => new Int32Array(size * width).fill(filler));
  chosen.forEach((example, r) => {
    ids!.set(example.ids, r * width);
    types!.set(example.types, r * width);
    mask!.fill(1, r * width, r * width + example.ids.length);
  });
  const [inputIds, attentionMask, tokenTypeIds] = [ids, mask, types].map((values) =>
    tf.tensor2d(values!, [size, width], 'int32'),
  );
  const labels = tf.tensor1d(
    chosen.map(({ label }) => label),
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
