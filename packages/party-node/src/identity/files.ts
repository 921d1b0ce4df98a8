/** Reading of files that a node's identity and its configuration stand in, and writing that a crash leaves whole. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { NodeError } from '../errors.js';

export const bad = (what: string, cause?: unknown) => new NodeError('client', 'BAD_CONFIGURATION', what, { cause });

// Windows has no such modes
const modeOf = (file: string) => (process.platform === 'win32' ? 0 : statSync(file).mode);

/** @throws NodeError BAD_CONFIGURATION */
export function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw bad(`cannot read the ${what} file ${file} (${(cause as Error).message})`, cause);
  }
}

/** Text of a file that nobody else may read, by the rule that ssh has for keys. @throws NodeError BAD_CONFIGURATION */
export function readSecret(file: string, what: string): string {
  const text = readText(file, what);
  if ((modeOf(file) & 0o077) !== 0)
    throw bad(`the ${what} file ${file} can be read by others on this machine; do: chmod 600 ${file}`);
  return text;
}

/**
 * JSON of a file that nobody else may write, because what stands in it decides who is let in.
 * @throws NodeError BAD_CONFIGURATION
 */
export function readTrusted(file: string, what: string): unknown {
  const text = readText(file, what);
  if ((modeOf(file) & 0o022) !== 0)
    throw bad(`the ${what} file ${file} can be written by others on this machine; do: chmod go-w ${file}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(`the ${what} file ${file} is not JSON (${(cause as Error).message})`, cause);
  }
}

/**
 * Writes a file beside and puts it in its place once it is on the disk.
 * @param how 'new' where nothing may be there yet
 * @throws NodeError BAD_CONFIGURATION
 */
export function writeWhole(file: string, text: string, mode: number, how: 'new' | 'replace'): void {
  const beside = `${file}.${randomBytes(6).toString('hex')}.new`;
  try {
    const opened = openSync(beside, 'wx', mode);
    try {
      writeSync(opened, text);
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
    // Unlike a rename, a link does not replace what is there
    if (how === 'new') linkSync(beside, file);
    else renameSync(beside, file);
    syncFolder(dirname(file));
  } catch (cause) {
    const there = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw bad(there ? `${file} is there already` : `cannot write ${file} (${(cause as Error).message})`, cause);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** So that the new name outlives a crash too. */
function syncFolder(folder: string): void {
  // Windows opens no folders
  if (process.platform === 'win32') return;
  const opened = openSync(folder, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
