/**
 * The log of runs: JSON lines, each with the SHA-256 of the line before, so that a line that is changed, taken out or
 * put in is found. It says who asked which model when, what came of it and what it cost, and nothing of the data.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import type { RunEnded } from './events.js';
import type { Log } from './log.js';
import { hashOf, NO_LINE, readLine } from './run-log-line.js';

const NEWLINE = 0x0a;

/** The end of a file, as the next line needs it. */
interface Tail {
  /** SHA-256 of the last line, or zeros */
  before: string;
  /** bytes of whole lines */
  size: number;
  /** what follows them and is no whole line */
  torn: Buffer;
}

export class RunLog {
  readonly #file: string;
  readonly #log: Log;
  readonly #writeSync: (fd: number, bytes: Uint8Array, at: number) => number;
  #fd: number;
  #before: string;
  #size: number;
  /** lines that could not be written since the last one that could */
  #missed = 0;
  #sync: ReturnType<typeof setTimeout> | undefined;

  /**
   * Opens a run log, or goes on with one that is there. A last line that is not whole is moved into a file beside it.
   * @param write what writes bytes into an open file
   * @throws NodeError BAD_CONFIGURATION where that cannot be done, or others can read the file, or it is none
   */
  constructor(file: string, log: Log, write: (fd: number, bytes: Uint8Array, at: number) => number = writeSync) {
    this.#file = file;
    this.#writeSync = write;
    this.#log = log;
    const { fd, tail } = openLog(file, log);
    this.#fd = fd;
    this.#before = tail.before;
    this.#size = tail.size;
  }

  /** Writes a run's line. It never throws: a full disk costs the line, which is said here and counted in the next. */
  add({ publisher, subject, model, program, outcome, ms, bytes }: RunEnded): void {
    this.#write({
      publisher: short(publisher),
      subject: short(subject),
      model: short(model),
      program,
      outcome,
      ms: Math.round(ms),
      bytes,
    });
  }

  /** Goes on in a new file, after the old one was renamed; its first line has the hash of the old one's last. */
  reopen(): void {
    try {
      const { fd, tail } = openLog(this.#file, this.#log);
      this.close();
      this.#fd = fd;
      this.#size = tail.size;
      // The same file again, which was not renamed
      if (tail.before !== NO_LINE) this.#before = tail.before;
      else this.#write({ event: 'rotated' });
    } catch (error) {
      this.#log('run-log', { why: (error as Error).message });
    }
  }

  close(): void {
    clearTimeout(this.#sync);
    this.#sync = undefined;
    try {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
    } catch (error) {
      this.#log('run-log', { why: (error as Error).message });
    }
  }

  #write(fields: Record<string, unknown>): void {
    const missed = this.#missed > 0 ? { missed: this.#missed } : {};
    const line = JSON.stringify({ time: new Date().toISOString(), ...fields, ...missed, before: this.#before });
    const bytes = Buffer.from(`${line}\n`);
    try {
      const { size } = fstatSync(this.#fd);
      if (size !== this.#size) this.#log('run-log', { why: `${this.#file} was changed by somebody else` });
      this.#size = size;
      for (let at = 0; at < bytes.length; ) at += this.#writeSync(this.#fd, bytes, at);
      this.#size += bytes.length;
      this.#before = hashOf(line);
      this.#missed = 0;
    } catch (error) {
      this.#missed++;
      if (this.#missed === 1) this.#log('run-log', { why: `a line was not written (${(error as Error).message})` });
      this.#undo();
      return;
    }
    this.#sync ??= setTimeout(() => {
      this.#sync = undefined;
      try {
        fsyncSync(this.#fd);
      } catch (error) {
        this.#log('run-log', { why: (error as Error).message });
      }
    }, limits.runLogSyncMs);
  }

  /** Part of a line may be there. */
  #undo(): void {
    try {
      if (fstatSync(this.#fd).size > this.#size) ftruncateSync(this.#fd, this.#size);
    } catch {
      // Said already; the next start moves it aside
    }
  }
}

function short(name: string | undefined): string | undefined {
  return name?.slice(0, limits.runLogNameChars);
}

function openLog(file: string, log: Log): { fd: number; tail: Tail } {
  const bad = (what: string, cause?: unknown) => new NodeError('client', 'BAD_CONFIGURATION', what, { cause });
  let fd: number;
  try {
    fd = openSync(file, 'a+', 0o600);
  } catch (cause) {
    throw bad(`cannot write the run log ${file} (${(cause as Error).message})`, cause);
  }
  try {
    const stat = fstatSync(fd);
    const { mode, size } = stat;
    if (!stat.isFile()) throw bad(`the run log ${file} is not an ordinary file`);
    // It says who asked what; Windows has no such modes
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw bad(`the run log ${file} can be read by others on this machine; do: chmod 600 ${file}`);
    const tail = tailOf(fd, size);
    if (!tail)
      throw bad(
        `${file} does not end as a run log does; give another --run-log, and see: party-node verify-log ${file}`,
      );
    if (tail.torn.length > 0) {
      const aside = `${file}.torn-${Date.now()}`;
      writeFileSync(aside, tail.torn, { mode: 0o600, flag: 'wx' });
      ftruncateSync(fd, tail.size);
      log('run-log', { why: `the last line of ${file} was not whole, and was moved to ${aside}` });
    }
    return { fd, tail };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @returns undefined where the last whole line is none of a run log, or does not follow the one before it */
function tailOf(fd: number, size: number): Tail | undefined {
  // Room for two whole lines and one that is not
  const length = Math.min(size, 3 * limits.runLogLineBytes);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const n = readSync(fd, bytes, at, length - at, size - length + at);
    if (n === 0) return undefined;
    at += n;
  }
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  const torn = bytes.subarray(end);
  if (end === 0) return length < size ? undefined : { before: NO_LINE, size: 0, torn };
  const whole = bytes.toString('utf8', 0, end - 1).split('\n');
  const last = whole.at(-1)!;
  const line = readLine(last);
  if (!line) return undefined;
  // Where what is before it is in view as a whole
  const previous = whole.length > 2 || (whole.length === 2 && length === size) ? whole.at(-2) : undefined;
  if (previous !== undefined && line.before !== hashOf(previous)) return undefined;
  return { before: hashOf(last), size: size - torn.length, torn };
}
