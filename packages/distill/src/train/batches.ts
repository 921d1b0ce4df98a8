/** Examples as batches of token ids. */
import type { BertInputs, BertTokenizer } from '@secformer/bert-loader';
import * as tf from '@tensorflow/tfjs';
import type { Example } from '../glue/read.js';
import { LENGTH_STEP } from '../limits.js';

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

/** @param length tokens of an example at most; more are cut as the tokenizer's folder says */
export function encoded(tokenizer: BertTokenizer, examples: readonly Example[], length: number): EncodedExample[] {
  return examples.map(({ text, label }) => {
    const { ids, types } = tokenizer.encode(text, length);
    return { ids, types, label };
  });
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
