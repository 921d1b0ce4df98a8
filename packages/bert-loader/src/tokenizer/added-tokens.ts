import { type Json, string, whole } from './json.js';
import type { Normalizer } from './normalizers.js';
import { WORD } from './unicode.js';

/** A token that is found in a text before anything else is done with it, such as [MASK]. */
export interface AddedToken {
  id: number;
  content: string;
  /** found only where no letter touches it */
  single_word: boolean;
  /** takes the blanks on its left with it */
  lstrip: boolean;
  /** takes the blanks on its right with it */
  rstrip: boolean;
  /** looked for in the normalized text */
  normalized: boolean;
  special: boolean;
}

/** @throws Error, if a field is missing */
export function addedToken(json: Json): AddedToken {
  const special = json.special === true;
  return {
    id: whole(json.id, 'the id of an added token'),
    content: string(json.content, 'the content of an added token'),
    single_word: json.single_word === true,
    lstrip: json.lstrip === true,
    rstrip: json.rstrip === true,
    normalized: typeof json.normalized === 'boolean' ? json.normalized : !special,
    special,
  };
}

/** A part of a text: a token found in it, or the text between two of them. */
type Part = number | string;

const wordCharacter = new RegExp(WORD, 'u');
const blanksBefore = /(?<!\p{White_Space})\p{White_Space}+$/u;
const blanksAfter = /\p{White_Space}*/uy;
const syntax = /[.*+?^${}()|[\]\\]/g;

/** Finds tokens in a text, from the left, the longest one first. */
class Finder {
  readonly #tokens: Map<string, AddedToken>;
  readonly #expression: RegExp | undefined;

  /** @param tokens by what they look like in the text */
  constructor(tokens: Map<string, AddedToken>) {
    this.#tokens = tokens;
    const contents = [...tokens.keys()].filter((c) => c !== '').sort((a, b) => b.length - a.length);
    if (contents.length > 0)
      this.#expression = new RegExp(contents.map((c) => c.replace(syntax, '\\$&')).join('|'), 'gu');
  }

  split(text: string): Part[] {
    if (!this.#expression) return [text];
    const parts: Part[] = [];
    let from = 0;
    for (const { 0: content, index } of text.matchAll(this.#expression)) {
      const token = this.#tokens.get(content)!;
      let [start, end] = [index, index + content.length];
      if (token.single_word && (wordBefore(text, start) || wordAfter(text, end))) continue;
      if (token.lstrip) start = Math.max(from, start - (blanksBefore.exec(text.slice(from, start))?.[0].length ?? 0));
      if (token.rstrip) {
        blanksAfter.lastIndex = end;
        end += blanksAfter.exec(text)![0].length;
      }
      if (from < start) parts.push(text.slice(from, start));
      parts.push(token.id);
      from = end;
    }
    if (from < text.length) parts.push(text.slice(from));
    return parts;
  }
}

const wordBefore = (text: string, at: number) =>
  wordCharacter.test(Array.from(text.slice(Math.max(0, at - 2), at)).at(-1) ?? '');
const wordAfter = (text: string, at: number) =>
  at < text.length && wordCharacter.test(String.fromCodePoint(text.codePointAt(at)!));

/** The added tokens of a tokenizer, and the normalization of what stands between them. */
export class AddedTokens {
  readonly #given: Finder;
  readonly #normalized: Finder;
  readonly #normalize: Normalizer;

  constructor(tokens: AddedToken[], normalize: Normalizer) {
    const by = (list: AddedToken[], look: (t: AddedToken) => string) =>
      new Finder(new Map(list.map((t) => [look(t), t])));
    this.#normalize = normalize;
    this.#given = by(
      tokens.filter((t) => !t.normalized),
      (t) => t.content,
    );
    this.#normalized = by(
      tokens.filter((t) => t.normalized),
      (t) => normalize(t.content),
    );
  }

  /** A text as ids of added tokens and normalized texts, none of them empty. */
  split(text: string): Part[] {
    return this.#given.split(text).flatMap((part) => {
      return typeof part === 'number' ? [part] : this.#normalized.split(this.#normalize(part)).filter((p) => p !== '');
    });
  }
}
