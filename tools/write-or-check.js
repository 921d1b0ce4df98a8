import { readFileSync, writeFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

/**
 * Writes a document that a tool makes, or, with `--check` among the command's flags, fails where it is another.
 * @param {string} file the document
 * @param {string} text what it should be
 */
export function writeOrCheck(file, text) {
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (readFileSync(file, 'utf8') !== text) {
    const document = relative(`${import.meta.dirname}/..`, file);
    console.error(`${document} is out of date: run node tools/${basename(process.argv[1])}`);
    process.exitCode = 1;
  }
}
