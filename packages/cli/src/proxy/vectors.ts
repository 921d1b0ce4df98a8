/** Texts as requests have them, and vectors as they are answered. */
import { limits } from './limits.js';
import { badRequest, Refusal, tooLarge } from './refusals.js';
import type { TextModel } from './served.js';
import type { Text } from './texts.js';

/** @throws Refusal 400 where there is none, or an empty one; 413 where there are too many */
export function checkTexts<T extends Text>(texts: T[], what: string): T[] {
  if (texts.length === 0) throw new Refusal(400, 'empty', `\`${what}\` cannot be empty`);
  if (texts.length > limits.texts)
    throw tooLarge(`batch size ${texts.length} > maximum allowed batch size ${limits.texts}`);
  const empty = texts.findIndex((text) => (typeof text === 'string' ? text === '' : text.join('') === ''));
  if (empty >= 0) throw new Refusal(400, 'empty', `\`${what}\` cannot be empty: text ${empty} is`);
  return texts;
}

const norm = (v: Float32Array) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));

/** The same direction at length 1; zeros stay zeros. */
export function unit(v: Float32Array): Float32Array {
  const length = norm(v);
  return length === 0 ? v : v.map((x) => x / length);
}

/** How many numbers of a vector are wanted. @throws Refusal 400 where it has fewer */
export function checkDimensions({ dimensions: all }: TextModel, wanted: number | null | undefined): number {
  if ((wanted ?? 0) > all!) throw badRequest(`\`dimensions\` is ${wanted}; the model's vectors have ${all}`);
  return wanted ?? all!;
}

export function cosine(a: Float32Array, b: Float32Array): number {
  const product = norm(a) * norm(b);
  return product === 0 ? 0 : a.reduce((sum, x, i) => sum + x * b[i]!, 0) / product;
}
