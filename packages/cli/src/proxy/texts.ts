/** Texts to a published model: tokenized here, and asked about in as few runs as its programs allow. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Encoded, TextBatch } from '@secformer/bert-loader';
import { type Plain, rowsOf } from './ask.js';
import { limits } from './limits.js';
import { packed } from './packing.js';
import { Refusal, tooLarge } from './refusals.js';
import type { Relay, Waiting } from './relay.js';
import type { TextModel } from './served.js';

/** A text, or a pair of texts. */
export type Text = string | [string, string];

export interface TextsAsked {
  model: TextModel;
  /** which of the model's outputs */
  output: string;
  texts: readonly Text[];
  /** cuts what is too long; else it is refused */
  truncate: boolean;
}

export interface TextsAnswered {
  /** each text's part of the output */
  rows: Float32Array[];
  /** that the texts have, as they were sent to the model */
  tokens: number;
}

/** A text that is longer than the model takes. */
export class TooLong extends Refusal {
  readonly most: number;
  readonly given: number;

  constructor(most: number, given: number) {
    super(
      413,
      'too_long',
      `\`inputs\` must have at most ${most} tokens. Given: ${given}; shorten it, or ask for \`truncate\``,
    );
    this.most = most;
    this.given = given;
  }
}

/** @throws Refusal where a text is too long, or the time is over; what the nodes refuse */
export async function askTexts(
  relay: Relay,
  { model, output, texts, truncate }: TextsAsked,
  { signal }: Waiting,
): Promise<TextsAnswered> {
  const encoded = await encodedAll(model, texts, truncate, signal);
  const lengths = encoded.map(({ ids }) => ids.length);
  const tokens = lengths.reduce((a, b) => a + b, 0);
  relay.metrics.took(model.title, texts.length, tokens);
  const rows: Float32Array[] = [];
  await relay.asks.all(signal, packed(lengths, model.texts.shapes), async (batch, own) => {
    const inputs = inputsOf(batch, encoded, model.texts.tokenizer.pad);
    const [answer] = await relay.ask(model, inputs, [output], own);
    batch.texts.forEach((text, i) => {
      rows[text] = rowsOf(answer!, i, i + 1).values as Float32Array;
    });
  });
  return { rows, tokens };
}

async function encodedAll(
  { texts: { tokenizer, most } }: TextModel,
  texts: readonly Text[],
  truncate: boolean,
  signal: AbortSignal,
) {
  const encoded: Encoded[] = [];
  let characters = 0;
  for (const text of texts) {
    const length = typeof text === 'string' ? text.length : text[0].length + text[1].length;
    if (length > limits.textCharacters)
      throw tooLarge(`a text has ${length} characters, at most ${limits.textCharacters}`);
    characters += length;
    if (characters > limits.turnCharacters) {
      characters = 0;
      await turn();
      signal.throwIfAborted();
    }
    try {
      const whole = tokenizer.encode(text, Number.POSITIVE_INFINITY);
      if (whole.ids.length > most && !truncate) throw new TooLong(most, whole.ids.length);
      encoded.push(whole.ids.length > most ? tokenizer.encode(text, most) : whole);
    } catch (error) {
      // Such as a pair of which only one text may be cut, and the other one fills the model alone
      if (error instanceof RangeError) throw new Refusal(422, 'tokenizer', error.message);
      throw error;
    }
  }
  return encoded;
}

/** A model's inputs; rows that are left over repeat the last text. */
function inputsOf({ texts, rows, length }: TextBatch, encoded: readonly Encoded[], pad: number): Plain[] {
  const input = (name: string, filler: number, of: (e: Encoded) => ArrayLike<number>): Plain => {
    const values = new Int32Array(rows * length).fill(filler);
    for (let row = 0; row < rows; row++)
      values.set(of(encoded[texts[Math.min(row, texts.length - 1)]!]!), row * length);
    return { name, shape: [rows, length], dtype: 'int32', values };
  };
  return [
    input('ids', pad, ({ ids }) => ids),
    input('mask', 0, ({ ids }) => new Int32Array(ids.length).fill(1)),
    input('segments', 0, ({ types }) => types),
  ];
}
