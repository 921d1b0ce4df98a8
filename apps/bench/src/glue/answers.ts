/**
 * Answers as they come, in a file of lines of JSON, so that a run of hours goes on where it was stopped: what was
 * measured first, then a line for each batch.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
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

function isAnswered(value: unknown): value is Answered {
  const { rows, plaintext, private: hidden } = (value ?? {}) as Partial<Answered>;
  const one = (list: unknown) => Array.isArray(list) && list.length === rows?.length;
  return Array.isArray(rows) && rows.every(Number.isSafeInteger) && one(plaintext) && (!hidden || one(hidden));
}

/** The answers that there are, in memory and, where a file is named, in it. */
export class Answers {
  readonly all: Answered[] = [];
  readonly #file: string | undefined;

  /**
   * @param file undefined: they are not kept
   * @throws UsageError where the file has something else, or answers of something else
   */
  constructor(file: string | undefined, of: AnswersOf) {
    this.#file = file;
    if (file === undefined) return;
    if (!existsSync(file)) {
      writeFileSync(file, `${JSON.stringify({ kind: KIND, ...of })}\n`);
      return;
    }
    const text = readFileSync(file, 'utf8');
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
    for (const [i, line] of lines.entries()) {
      const answered = parsed(file, line, i + 2);
      if (!isAnswered(answered)) throw new UsageError(`--out ${file}, line ${i + 2}: no answers of a batch`);
      this.all.push(answered);
    }
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
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
