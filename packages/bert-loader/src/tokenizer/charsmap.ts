/**
 * SentencePiece's table of replacements, as a tokenizer.json's `precompiled_charsmap` has it: a double array of bytes
 * to look a piece of text up in, and the replacements one after the other, each closed by a zero.
 *
 * Format: base64 of [uint32 size of the array in bytes, little endian][array of uint32][replacements in UTF-8]. A unit
 * of the array has its label in bits 0 to 7 and 31, a flag for 'has a leaf' in bit 8, the offset of its children in
 * bits 10 to 30 (times 256 if bit 9 is set); a leaf's value is where its replacement begins (darts-clone,
 * double-array.h; sentencepiece, normalizer.cc).
 */
class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #decoder = new TextDecoder();
  readonly #encoder = new TextEncoder();

  constructor(base64: string) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : Number.POSITIVE_INFINITY;
    if (!(size % 4 === 0 && 4 + size <= bytes.length)) throw new Error('its precompiled_charsmap is cut short');
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  /** What the shortest beginning of `piece` that the table has is replaced by: the reference asks for no longer one. */
  replacement(piece: string): string | undefined {
    const units = this.#units;
    const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
    let at = offset(units[0] ?? 0);
    for (const byte of this.#encoder.encode(piece)) {
      at ^= byte;
      const unit = units[at];
      if (byte === 0 || unit === undefined || (unit & 0x800000ff) !== byte) return undefined;
      at ^= offset(unit);
      if (unit & 0x100) return this.#text((units[at] ?? 0) & 0x7fffffff);
    }
    return undefined;
  }

  #text(from: number): string {
    const end = this.#replacements.indexOf(0, from);
    return this.#decoder.decode(this.#replacements.subarray(from, end < 0 ? undefined : end));
  }
}

/** Longest grapheme in bytes that is looked up as a whole; of a longer one each character is. */
const LONGEST_GRAPHEME = 5;

/** What belongs to the character before it, and what to the one after (Unicode Standard Annex 29). */
const extending =
  '[\\u200C\\u200D\\uFF9E\\uFF9F\\u0E33\\u0EB3\\u{1F3FB}-\\u{1F3FF}\\u{E0020}-\\u{E007F}]|' +
  '(?![\\u102B\\u102C\\u1038\\u1062-\\u1064\\u1067-\\u106D\\u1083\\u1087-\\u108C\\u108F\\u109A-\\u109C' +
  '\\u1A61\\u1A63\\u1A64\\uAA7B\\uAA7D\\u{11720}\\u{11721}])\\p{M}';
const prepended =
  '[\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u0D4E\\u{110BD}\\u{110CD}\\u{111C2}\\u{111C3}\\u{1193F}' +
  '\\u{11941}\\u{11A3A}\\u{11A84}-\\u{11A89}\\u{11D46}\\u{11F02}]';
const separate = `(?!${prepended}|${extending})[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]`;
/**
 * Graphemes, as far as they have LONGEST_GRAPHEME bytes or fewer: no syllables of Hangul, no flags, no joined emoji.
 * (Intl.Segmenter, which knows those too, takes minutes for a text of 200,000 characters.)
 */
const graphemes = new RegExp(
  `\\r\\n|${separate}|(?:${prepended})*(?!${separate})[^](?:${extending})*|(?:${prepended})+`,
  'gu',
);

/** The normalizer of a `precompiled_charsmap`. @throws Error, if it is no such table */
export function precompiled(base64: string): (text: string) => string {
  if (base64 === '') return (text) => text;
  const map = new Charsmap(base64);
  const encoder = new TextEncoder();
  const normal = (grapheme: string): string => {
    const short = grapheme.length <= LONGEST_GRAPHEME && encoder.encode(grapheme).length <= LONGEST_GRAPHEME;
    const whole = short ? map.replacement(grapheme) : undefined;
    if (whole !== undefined) return whole;
    let out = '';
    for (const c of grapheme) out += map.replacement(c) ?? c;
    return out;
  };
  return (text) => text.replace(graphemes, normal);
}
