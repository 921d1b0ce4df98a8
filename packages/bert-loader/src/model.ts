import * as tf from '@tensorflow/tfjs-core';
import type { BertConfig } from './config.js';
import { type Encoder, encode } from './encoder.js';
import { NoHeadError } from './errors.js';
import { familyOf } from './families/index.js';
import type { Head, HeadKind, Pooler } from './heads.js';
import type { BertInputs } from './inputs.js';
import { checkPooling, type Pooling, pool } from './pooling.js';
import { PublicWeights } from './public.js';
import type { Sentence } from './sentence.js';
import { type Tokenized, tokenizeTexts } from './tokenizer/batch.js';
import type { BertTokenizer } from './tokenizer/tokenizer.js';
import type { TruncationStrategy } from './tokenizer/truncation.js';

/** What a model is made of, on the active backend. */
export interface ModelParts {
  encoder: Encoder;
  pooler: Pooler;
  head: Head | undefined;
  /** what its folder says becomes of hidden states; undefined: nothing */
  sentence: Sentence | undefined;
  /** the tensors of all of these */
  all: tf.Tensor[];
}

/**
 * An encoder and what stands on it, in plain tf operations: the same object runs on every backend. Methods return
 * tensors that the caller disposes. `loadBert`, `bertFromFiles` and `randomBert` make one.
 *
 * @example
 * ```js
 * const inputs = model.tokenize(['A delight.', 'A bore.']);
 * const classes = await tf.argMax(model.logits(inputs), 1).array(); // one for each text
 * ```
 */
export class BertModel {
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly #parts: ModelParts;
  readonly #public: PublicWeights | undefined;

  /** @internal Models are made by `loadBert`, `bertFromFiles` and `randomBert`. */
  constructor(
    config: BertConfig,
    tokenizer: BertTokenizer,
    parts: ModelParts,
    weights: 'secret' | 'public' = 'secret',
  ) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.#parts = parts;
    this.#public = weights === 'public' ? new PublicWeights(parts.all) : undefined;
  }

  /** All tensors that it is made of, on the backend that they are on. */
  get weights(): readonly tf.Tensor[] {
    return this.#parts.all;
  }

  /** What stands on the encoder. */
  get head(): HeadKind {
    return this.#parts.head?.kind ?? 'none';
  }

  /** Has the checkpoint a head that classifies sequences? */
  get classifies(): boolean {
    return this.head === 'sequence-classification';
  }

  /**
   * Texts (or pairs) as inputs.
   * @param length pad or cut to this many tokens; if absent, the longest text's, at most what the model's folder says
   * @param truncation how pairs that are too long are cut; as the folder says, else 'longest_first'
   * @returns `truncated` beside the inputs: which texts are longer than that
   * @throws TypeError where a text is none; TypeError or RangeError where the length or the truncation is none
   */
  tokenize(texts: string | (string | [string, string])[], length?: number, truncation?: TruncationStrategy): Tokenized {
    return tokenizeTexts(this.tokenizer, this.config.longest, texts, length, truncation);
  }

  /**
   * Last hidden states, [batch, tokens, hidden].
   * @throws RangeError where there are more tokens than the model takes
   */
  hiddenStates(inputs: BertInputs): tf.Tensor3D {
    const [, length] = inputs.inputIds.shape;
    const most = this.config.longest;
    if (length > most) throw new RangeError(`inputs are of ${length} tokens; the model takes ${most} at most`);
    this.#public?.declare();
    return tf.tidy(() => encode(this.#parts.encoder, inputs, this.config));
  }

  /**
   * A sentence's embedding, [batch, features]. Without `pooling` it is what the folder says (in its modules.json:
   * poolings, dense layers, unit length), and the mean where it says nothing; with it, that pooling of the hidden
   * states alone.
   * @throws TypeError or RangeError where `pooling` is none
   */
  embed(inputs: BertInputs, pooling?: Pooling): tf.Tensor2D {
    if (pooling !== undefined) checkPooling(pooling);
    const alone = { poolings: [pooling ?? 'mean'], steps: [] };
    const { poolings, steps } = pooling === undefined ? (this.#parts.sentence ?? alone) : alone;
    return tf.tidy(() => {
      const hidden = this.hiddenStates(inputs);
      const pooled = poolings.map((p) => this.pool(hidden, inputs.attentionMask, p));
      const together = pooled.length === 1 ? pooled[0]! : (tf.concat(pooled, 1) as tf.Tensor2D);
      return steps.reduce((x, step) => step(x), together);
    });
  }

  /**
   * Pools hidden states [batch, tokens, hidden] to [batch, hidden]; the mask is [batch, tokens], 1 and 0 for padding.
   * @throws TypeError or RangeError where `pooling` is none
   */
  pool(hidden: tf.Tensor3D, attentionMask: tf.Tensor2D, pooling: Pooling): tf.Tensor2D {
    return pool(hidden, attentionMask, pooling);
  }

  /**
   * The pooled output, [batch, hidden]: what the checkpoint's pooler makes of the first token's state.
   * @throws NoHeadError where it has none
   */
  pooled(inputs: BertInputs): tf.Tensor2D {
    const { pooler } = this.#parts;
    if (!pooler) {
      const none = familyOf(this.config.family).classes[this.config.family];
      throw new NoHeadError(`this ${none}Model has no pooler; embed(inputs, 'cls') is the first token's state`);
    }
    return tf.tidy(() => pooler(this.hiddenStates(inputs)));
  }

  /**
   * The head's scores: of a sequence's labels, [batch, labels]; of each token's, [batch, tokens, labels]; of an
   * answer's start and end, [batch, tokens, 2]; of each token in the vocabulary, [batch, tokens, vocabulary].
   * @throws NoHeadError where the checkpoint has no head
   */
  logits(inputs: BertInputs): tf.Tensor {
    const { head } = this.#parts;
    if (!head) throw new NoHeadError('this checkpoint has no head; use embed(), pooled() or hiddenStates()');
    return tf.tidy(() => head.scores(this.hiddenStates(inputs)));
  }

  /**
   * Scores of where the answer to a question starts and ends, [batch, tokens] each.
   * @throws NoHeadError where the checkpoint answers no questions
   */
  answers(inputs: BertInputs): { start: tf.Tensor2D; end: tf.Tensor2D } {
    const { head } = this;
    if (head !== 'question-answering')
      throw new NoHeadError(`this checkpoint's head is '${head}', not 'question-answering'`);
    return tf.tidy(() => {
      const [start, end] = tf.unstack(this.logits(inputs), 2) as [tf.Tensor2D, tf.Tensor2D];
      return { start, end };
    });
  }

  /** Disposes of the weights on the backend that they are on; the model can compute nothing afterwards. */
  dispose(): void {
    for (const t of this.#parts.all) t.dispose();
  }
}
