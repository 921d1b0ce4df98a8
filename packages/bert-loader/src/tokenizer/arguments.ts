import { kindOf } from '../describe.js';
import { TRUNCATION_STRATEGIES, type TruncationStrategy } from './truncation.js';

/** Tokens that a single text has at least: [CLS] and [SEP]. */
const SHORTEST = 2;

/** @throws TypeError, for what is no number; RangeError, for one that is no whole number between 2 and `most` */
export function checkLength(length: unknown, most = Number.POSITIVE_INFINITY): void {
  const range = Number.isFinite(most) ? `${SHORTEST} to ${most}` : `at least ${SHORTEST}`;
  const expected = `a whole number of tokens, ${range}`;
  if (typeof length !== 'number') {
    const came = typeof length === 'string' ? `the string '${length.slice(0, 20)}'` : kindOf(length);
    throw new TypeError(`length is ${came}; expected ${expected}`);
  }
  if (!(Number.isInteger(length) && length >= SHORTEST && length <= most))
    throw new RangeError(`length is ${length}; expected ${expected}`);
}

/** @param what the argument's name, for the message. @throws TypeError if it is neither a text nor a pair of texts */
export function checkText(text: unknown, what: string): void {
  if (typeof text === 'string') return;
  if (Array.isArray(text) && text.length === 2 && text.every((t) => typeof t === 'string')) return;
  throw new TypeError(`${what} is ${kindOf(text)}; expected a string, or a pair of strings as an array of two`);
}

/** @throws TypeError, for what is no string; RangeError, for one that is no strategy */
export function checkStrategy(strategy: unknown): void {
  const expected = `expected one of ${TRUNCATION_STRATEGIES.map((s) => `'${s}'`).join(', ')}`;
  if (typeof strategy !== 'string') throw new TypeError(`truncation is ${kindOf(strategy)}; ${expected}`);
  if (!TRUNCATION_STRATEGIES.includes(strategy as TruncationStrategy))
    throw new RangeError(`truncation is '${strategy.slice(0, 20)}'; ${expected}`);
}
