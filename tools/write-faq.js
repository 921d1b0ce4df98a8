// Writes the part of docs/faq.md that lists error codes, from error-codes.js: node tools/write-faq.js, or --check to
// fail where it is out of date. What stands above the marker is written by hand.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from './error-codes.js';
import { writeOrCheck } from './write-or-check.js';

const file = join(import.meta.dirname, '../docs/faq.md');
const MARKER = '<!-- What follows is written by `node tools/write-faq.js` -->';
const WIDTH = 120;

/** Lines of at most WIDTH columns. */
function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (longer.length <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join('\n');
}

const paragraphs = errorCodes.flatMap(({ title, about, codes }) => [
  `### ${title}`,
  wrapped(about),
  ...codes.flatMap(({ code, means, remedy }) => [`#### ${code}`, wrapped(means), wrapped(`**What to do:** ${remedy}`)]),
]);

const there = readFileSync(file, 'utf8');
const at = there.indexOf(MARKER);
if (at < 0) throw new Error(`docs/faq.md has lost its marker: ${MARKER}`);
const text = `${there.slice(0, at + MARKER.length)}\n\n${paragraphs.join('\n\n')}\n`;

writeOrCheck(file, text);
