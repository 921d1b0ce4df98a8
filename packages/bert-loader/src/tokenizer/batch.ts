import * as tf from '@tensorflow/tfjs-core';
import { kindOf } from '../describe.js';
import type { BertInputs } from '../inputs.js';
import { checkLength, checkText } from './arguments.js';
import type { BertTokenizer } from './tokenizer.js';
import type { TruncationStrategy } from './truncation.js';

/** What `tokenize` makes of texts: a model's inputs, and which of the texts did not fit. */
export interface Tokenized extends BertInputs {
  /** for each text, whether its end was cut off; a single text has one entry */
  truncated: boolean[];
}

/**
 * Texts (or pairs) as a model's inputs.
 *
 * @param positions tokens that the model takes at most
 * @param length pad or cut to this many tokens; if absent, the longest text's, at most the tokenizer's own limit
 * @param truncation how pairs that are too long are cut; as the model's folder says, else 'longest_first'
 * @throws TypeError where a text is none; TypeError or RangeError where the length or the truncation is none
 */
export function tokenizeTexts(
  tokenizer: BertTokenizer,
  positions: number,
  texts: string | (string | [string, string])[],
  length?: number,
  truncation?: TruncationStrategy,
): Tokenized {
  const expected = 'expected a string, or an array of at least one string or pair of strings';
  if (typeof texts !== 'string' && !(Array.isArray(texts) && texts.length > 0))
    throw new TypeError(`texts is ${kindOf(texts)}; ${expected}`);
  const list = Array.isArray(texts) ? texts : [texts];
  // Not forEach, which would skip the holes of a sparse array
  for (let i = 0; i < list.length; i++) checkText(list[i], `texts[${i}]`);
  if (length !== undefined) checkLength(length, positions);
  const encoded = list.map((t) => tokenizer.encode(t, length ?? Math.min(tokenizer.limit, positions), truncation));
  const width = length ?? Math.max(...encoded.map((e) => e.ids.length));
  const rows = (from: number[][], filler: number) => {
    const values = new Int32Array(list.length * width).fill(filler);
    from.forEach((row, i) => {
      values.set(row, i * width);
    });
    return tf.tensor2d(values, [list.length, width], 'int32');
  };
  const ids = encoded.map((e) => e.ids);
  return {
    inputIds: rows(ids, tokenizer.pad),
    attentionMask: rows(
      ids.map((row) => new Array<number>(row.length).fill(1)),
      0,
    ),
    tokenTypeIds: rows(
      encoded.map((e) => e.types),
      0,
    ),
    truncated: encoded.map((e) => e.truncated),
  };
}
