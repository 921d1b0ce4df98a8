/**
 * Answers as they come, in a file of lines of JSON, so that a run of hours goes on where it was stopped: what was
 * measured first, then a line for each batch.
 */
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { UsageError } from '../report.js';

/** What answers are of; a file's have to be of the same. */
export type AnswersOf = Readonly<Record<string, string | number>>;

/** A batch's answers. */
export interface Answered {
  /** numbers of the examples */
  rows: number[];
  /** tokens that they were filled up to */
  length: number;
  plaintext: number[][];
  /** undefined: values have left a protocol's range, and the read was refused */
  private?: number[][];
  rounds: number;
  /** between the parties, both ways, and from the dealer */
  bytes: number;
  dealerBytes: number;
  /** of the private read, of all nodes' and this process's processors, and of the plaintext */
  ms: number;
  cpuMs?: number;
  plaintextMs: number;
}

const KIND = 'glue answers';

function parsed(file: string, line: string, at: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new UsageError(`--out ${file}, line ${at}: no JSON; name another file, or remove it`);
  }
}

/** What a line has of answers of `examples` examples with so many scores each; undefined: it has none. */
function answeredOf(value: unknown, examples: number, outputs: number): Answered | undefined {
  const found = (value ?? {}) as Partial<Answered>;
  const { rows, plaintext, private: hidden, cpuMs = 0 } = found;
  if (!Array.isArray(rows) || rows.length === 0 || new Set(rows).size < rows.length) return undefined;
  if (!rows.every((row) => Number.isSafeInteger(row) && row >= 0 && row < examples)) return undefined;
  // JSON has null for what is no number
  const scores = (list: unknown) =>
    Array.isArray(list) && list.length === outputs && list.every((v) => v === null || Number.isFinite(v));
  const each = (list: unknown): list is number[][] =>
    Array.isArray(list) && list.length === rows.length && list.every(scores);
  if (!each(plaintext) || (hidden !== undefined && !each(hidden))) return undefined;
  const { length, rounds, bytes, dealerBytes, ms, plaintextMs } = found;
  if (![length, rounds, bytes, dealerBytes, ms, cpuMs, plaintextMs].every((n) => Number.isFinite(n) && n! >= 0))
    return undefined;
  const numbers = (list: number[][]) => list.map((row) => row.map((v) => v ?? Number.NaN));
  return { ...(found as Answered), plaintext: numbers(plaintext), ...(hidden && { private: numbers(hidden) }) };
}

/** What the system says where a file cannot be read or written, as an error of how the command was called. */
function using<T>(file: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--out ${file}: cannot be used (${(error as Error).message})`);
  }
}

/** The answers that there are, in memory and, where a file is named, in it. */
export class Answers {
  readonly all: Answered[] = [];
  readonly #file: string | undefined;

  /**
   * @param file undefined: they are not kept
   * @param examples how many there are
   * @param outputs scores of each
   * @throws UsageError where the file cannot be used, or has something else, or answers of something else
   */
  constructor(file: string | undefined, of: AnswersOf, examples: number, outputs: number) {
    this.#file = file;
    if (file !== undefined) using(file, () => this.#open(file, of, examples, outputs));
  }

  #open(file: string, of: AnswersOf, examples: number, outputs: number): void {
    const first = `${JSON.stringify({ kind: KIND, ...of })}\n`;
    const there = existsSync(file);
    // A device has no end
    if (there && !statSync(file).isFile()) throw new UsageError(`--out ${file}: is no file`);
    const text = there ? readFileSync(file, 'utf8') : '';
    // Nothing yet, or a part of the first line, at which a run was stopped
    if (text.length < first.length && first.startsWith(text)) {
      writeFileSync(file, first);
      return;
    }
    // A line without an end was being written when the run was stopped
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const [head, ...lines] = whole.split('\n').slice(0, -1);
    const theirs = (head === undefined ? {} : parsed(file, head, 1)) as Record<string, unknown>;
    if (theirs?.kind !== KIND) throw new UsageError(`--out ${file}: there is something else in it; name another file`);
    const keys = new Set([...Object.keys(of), ...Object.keys(theirs)]);
    keys.delete('kind');
    const differing = [...keys].filter((key) => theirs[key] !== of[key]);
    if (differing.length > 0) {
      const each = differing.map((key) => `${key} ${theirs[key] ?? 'unknown'} and not ${of[key] ?? 'known'}`);
      throw new UsageError(`--out ${file}: the answers there are of ${each.join(', ')}; name another file`);
    }
    const done = new Set<number>();
    for (const [i, line] of lines.entries()) {
      const answered = answeredOf(parsed(file, line, i + 2), examples, outputs);
      if (!answered) throw new UsageError(`--out ${file}, line ${i + 2}: no answers of a batch`);
      const again = answered.rows.filter((row) => done.has(row));
      // Two runs at the same time have written the same batch
      if (again.length === answered.rows.length) continue;
      if (again.length > 0)
        throw new UsageError(`--out ${file}, line ${i + 2}: example ${again[0]} is answered already; remove the line`);
      for (const row of answered.rows) done.add(row);
      this.all.push(answered);
    }
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    // Is it writable? Before hours are spent
    appendFileSync(file, '');
  }

  /** Numbers of the examples that have been answered. */
  get done(): Set<number> {
    return new Set(this.all.flatMap(({ rows }) => rows));
  }

  add(answered: Answered): void {
    this.all.push(answered);
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(answered)}\n`);
  }
}
