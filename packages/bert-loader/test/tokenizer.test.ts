import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { TOKENIZER_FILES, tokenizerFromFiles } from '../src/tokenizer/load.js';
import type { BertTokenizer } from '../src/tokenizer/tokenizer.js';
import type { TruncationStrategy } from '../src/tokenizer/truncation.js';
import {
  CONTROL,
  LETTER,
  lowerCase,
  MARK,
  NONSPACING,
  NUMBER,
  normalForm,
  PUNCTUATION,
  WORD,
} from '../src/tokenizer/unicode.js';

/** Written by tools/make-tokenizer-cases.py; another folder's may be tried too */
const fixtures =
  process.env.TOKENIZER_CASES ?? fileURLToPath(new URL('../../test/fixtures/tokenizers', import.meta.url));
const read = <T>(...path: string[]): T => JSON.parse(readFileSync(join(fixtures, ...path), 'utf8'));

/**
 * What the reference makes of a text or a pair: its number in texts.json, the length asked for, how it is cut, the ids
 * (null where it can cut nothing), the first of them of type 1, whether it was cut.
 */
type Case = [number, number | null, TruncationStrategy, number[] | null, number | null, boolean];

const texts = read<(string | [string, string])[]>('texts.json');

function filesOf(folder: string): Map<string, string> {
  const there = new Set(readdirSync(join(fixtures, folder)));
  return new Map(
    TOKENIZER_FILES.filter((f) => there.has(f)).map((f) => [f, readFileSync(join(fixtures, folder, f), 'utf8')]),
  );
}

const MODEL = { positions: 100_000, types: 2, vocabularySize: 10_000, padToken: 0 };
const load = (folder: string): BertTokenizer => tokenizerFromFiles(filesOf(folder), folder, MODEL);

for (const folder of read<string[]>('folders.json')) {
  test(`${folder}: the ids are the reference's`, (t) => {
    const tokenizer = load(folder);
    for (const [number, length, truncation, ids, first, truncated] of read<Case[]>(folder, 'cases.json')) {
      const text = texts[number]!;
      const run = () => tokenizer.encode(text, length ?? 100_000, truncation);
      const about = JSON.stringify({ text, length, truncation }).slice(0, 300);
      if (ids) {
        const types = ids.map((_, i) => (first === null || i < first ? 0 : 1));
        t.deepEqual(run(), { ids, types, truncated }, about);
      } else t.throws(run, { instanceOf: RangeError }, about);
    }
  });
}

test('characters are taken for what the reference takes them for, all of Unicode', (t) => {
  const classes = read<Record<string, number[]>>('classes.json');
  const one = (source: string) => {
    const expression = new RegExp(`^(?:${source})$`, 'u');
    return (c: string) => expression.test(c);
  };
  const tests: Record<string, (c: string) => boolean> = {
    control: one(CONTROL),
    nonspacing: one(NONSPACING),
    mark: one(MARK),
    punctuation: one(PUNCTUATION),
    blank: one('\\p{White_Space}'),
    letter: one(LETTER),
    number: one(NUMBER),
    word: one(WORD),
    lower: (c) => lowerCase(c) !== c,
    nfd: (c) => normalForm(c, 'NFD') !== c,
    nfkc: (c) => normalForm(c, 'NFKC') !== c,
  };
  for (const [name, is] of Object.entries(tests)) {
    const ranges = classes[name]!;
    const wrong: string[] = [];
    let at = 0;
    for (let c = 0; c < 0x110000; c++) {
      if (c === 0xd800) c = 0xe000;
      while (at < ranges.length && c >= ranges[at]! + ranges[at + 1]!) at += 2;
      const expected = at < ranges.length && c >= ranges[at]!;
      if (is(String.fromCodePoint(c)) !== expected) wrong.push(c.toString(16));
    }
    t.deepEqual(wrong, [], name);
  }
});
