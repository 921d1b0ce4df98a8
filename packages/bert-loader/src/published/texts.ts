/// <reference lib="esnext.disposable" preserve="true" />
/** A published model that takes texts, with the tokenizer and the labels that its publisher has put beside it. */
import * as tf from '@tensorflow/tfjs-core';
import { type Abortable, throwIfAborted } from '../abortable.js';
import { asyncDispose, dispose } from '../disposing.js';
import { tokenizeTexts } from '../tokenizer/batch.js';
import type { BertTokenizer } from '../tokenizer/tokenizer.js';
import { areClasses, type Reading } from './answers.js';
import { type TextAssets, textAssets } from './assets.js';
import { batchesOf, type TextBatch, textShapes } from './batches.js';
import type { AskedModel } from './model.js';

/** One text's part of the model's first output. */
export interface TextAnswer {
  /** of the output */
  name: string;
  shape: number[];
  values: Float32Array;
  /** whether the text's end was cut off */
  truncated: boolean;
}

/** The inputs of a run, as they are before anything is shared: rows of so many tokens. */
export interface TextInputs {
  rows: number;
  length: number;
  ids: Int32Array;
  mask: Int32Array;
  segments: Int32Array;
}

/** How texts are asked about. */
export interface AskOptions extends Abortable {
  /** told of each run's inputs before they are shared */
  onInputs?: ((inputs: TextInputs) => void) | undefined;
}

/**
 * Asks a published model about texts, in Node and in a browser. At the end of a block with `using` it lets the model
 * go.
 *
 * @example
 * ```js
 * const texts = await TextModel.of(await loadPublished('sst2@1', { network, key, grant }));
 * const [{ name, shape, values }] = await texts.ask(['A delight.']);
 * console.log(answerOf(name, shape, values, texts.reading).label);
 * ```
 */
export class TextModel implements Disposable, AsyncDisposable {
  /** how scores are read */
  readonly reading: Reading;
  /** lengths in tokens that texts are filled up to, ascending */
  readonly lengths: readonly number[];
  /** what its answers are: scores of classes, a vector, or something else */
  readonly gives: 'classes' | 'vector' | 'numbers';
  readonly #model: AskedModel;
  readonly #shapes: [number, number][];
  readonly #tokenizer: BertTokenizer;
  readonly #longest: number;

  private constructor(model: AskedModel, { tokenizer, longest, reading }: TextAssets) {
    this.#model = model;
    this.#shapes = textShapes(model.manifest);
    this.#tokenizer = tokenizer;
    this.#longest = longest;
    this.reading = reading;
    this.lengths = [...new Set(this.#shapes.map(([, length]) => length))].sort((a, b) => a - b);
    const { name, shape } = model.manifest.programs[0]!.outputs[0]!;
    const own = shape.slice(1);
    this.gives = areClasses(name, own) ? 'classes' : own.length === 1 && own[0]! >= 2 ? 'vector' : 'numbers';
  }

  /**
   * Fetches the model's tokenizer. The model is then its own, to be disposed of with it; where this fails it is not.
   * @throws ModelFileError where it takes no texts, or was published without a tokenizer that can be used; the signal's
   *   reason
   */
  static async of(model: AskedModel, options: Abortable = {}): Promise<TextModel> {
    // Before anything is fetched
    textShapes(model.manifest);
    return new TextModel(model, await textAssets(model, options));
  }

  /** Disposes of the model: what is asked then fails as the model's own asks do. */
  dispose(): void {
    this.#model.dispose?.();
  }

  /** Called by `using`. */
  [dispose](): void {
    this.dispose();
  }

  /** Called by `await using`. */
  async [asyncDispose](): Promise<void> {
    this.dispose();
  }

  /**
   * Asks about texts; those of one length share runs, and one that is too long is cut.
   * @param options `signal` gives up the run that is under way, and those to come
   * @returns an answer for each text
   * @throws what the backend's `execute` and a read throw; the signal's reason
   */
  async ask(texts: readonly string[], { signal, onInputs }: AskOptions = {}): Promise<TextAnswer[]> {
    throwIfAborted(signal);
    const tokens = texts.map((text) => this.#tokenizer.encode(text, Number.POSITIVE_INFINITY).ids.length);
    const answers: TextAnswer[] = [];
    for (const batch of batchesOf(tokens, this.#shapes)) {
      const length = Math.min(batch.length, this.#longest);
      const inputs = tokenizeTexts(this.#tokenizer, length, padded(batch, texts), length);
      const { truncated, inputIds, attentionMask, tokenTypeIds } = inputs;
      const given = { ids: inputIds, mask: attentionMask, segments: tokenTypeIds };
      try {
        const [ids, mask, segments] = (await Promise.all(Object.values(given).map((t) => t.data()))) as Int32Array[];
        onInputs?.({ rows: batch.rows, length, ids: ids!, mask: mask!, segments: segments! });
        const rows = await this.#rows(given, signal);
        batch.texts.forEach((text, i) => {
          answers[text] = { ...rows[i]!, truncated: truncated[i]! };
        });
      } finally {
        tf.dispose(given);
      }
    }
    return answers;
  }

  /** The model's first output, divided by texts. */
  async #rows(given: tf.NamedTensorMap, signal: AbortSignal | undefined): Promise<Omit<TextAnswer, 'truncated'>[]> {
    throwIfAborted(signal);
    const { name } = this.#model.manifest.programs[0]!.outputs[0]!;
    const output = [this.#model.execute(given, name, { signal })].flat();
    try {
      const [first] = output;
      // Rejects where the signal comes
      const values = (await first!.data()) as Float32Array;
      const [batch, ...shape] = first!.shape as [number, ...number[]];
      const size = values.length / batch;
      return Array.from({ length: batch }, (_, i) => ({ name, shape, values: values.slice(i * size, (i + 1) * size) }));
    } finally {
      tf.dispose(output);
    }
  }
}

/** Texts of a run's rows; what is left over are empty ones. */
function padded({ texts, rows }: TextBatch, all: readonly string[]): string[] {
  return Array.from({ length: rows }, (_, i) => (i < texts.length ? all[texts[i]!]! : ''));
}
