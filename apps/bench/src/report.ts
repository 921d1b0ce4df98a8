import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { Presets, SingleBar } from 'cli-progress';

/** A wrong flag, a missing file, an unknown name: one line on standard error, exit 2. */
export class UsageError extends Error {}

/** Sees whether a record can be written, before what it is of is measured. @throws UsageError */
export function checkReport(json: string | undefined): void {
  if (json === undefined || json === '-') return;
  const there = existsSync(json);
  try {
    closeSync(openSync(json, 'a'));
  } catch (error) {
    throw new UsageError(`--json ${json}: cannot be written (${(error as Error).message})`);
  }
  if (!there) rmSync(json);
}

/** Writes a command's record: as one line of JSON to a file or standard output, else what `table` prints for people. */
export function report(record: object, json: string | undefined, table: () => string): void {
  if (json === undefined) process.stdout.write(`${table()}\n`);
  else if (json === '-') process.stdout.write(`${JSON.stringify(record)}\n`);
  else writeFileSync(json, `${JSON.stringify(record)}\n`);
}

/** Ends the process, whatever still runs in it, once all that was reported has been taken. */
export function end(code = 0): void {
  process.stdout.write('', () => process.exit(code));
}

/** Columns padded to their widest cell; numbers to the right. */
export function columns(rows: (string | number)[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((r) => String(r[i] ?? '').length)));
  return rows
    .map((r) =>
      r.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]!) : String(cell).padStart(widths[i]!))).join('  '),
    )
    .join('\n');
}

/**
 * A bar of named steps on a terminal, for what takes over two seconds; silent elsewhere and with JSON on standard
 * output.
 */
export class Steps {
  readonly #bar: SingleBar | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = 0;
  #name = '';

  constructor(total: number, quiet: boolean) {
    if (quiet || !process.stderr.isTTY) return;
    this.#bar = new SingleBar(
      { format: '{bar} {value}/{total} {name}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
      Presets.shades_classic,
    );
    this.#timer = setTimeout(() => this.#bar!.start(total, this.#at, { name: this.#name }), 2000);
  }

  next(name: string): void {
    this.#name = name;
    this.#bar?.update(this.#at++, { name });
  }

  done(): void {
    clearTimeout(this.#timer);
    this.#bar?.stop();
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
export const milliseconds = (ms: readonly number[]): string => `${median(ms).toFixed(0)} ms`;
