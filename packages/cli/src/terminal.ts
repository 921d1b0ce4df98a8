/** Where a command prints, and what may stand there. */

/** What a command prints to. */
export interface Terminal {
  /** a line of an answer, for standard output */
  out(line: string): void;
  /** a line about what is going on, for standard error */
  err(line: string): void;
  /** where a bar may be drawn; undefined: lines are printed */
  bar: NodeJS.WriteStream | undefined;
}

export const standard: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  bar: process.stderr.isTTY ? process.stderr : undefined,
};

/** Control characters, and those that turn the direction of a text. */
const COMMANDS = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** A text of somebody else's, such as a label, without what a terminal would take for a command. */
export function printable(text: string): string {
  return text.replace(COMMANDS, '\ufffd');
}

/** Columns padded to their widest cell; numbers, which are those given so, to the right. */
export function columns(rows: (string | { number: string })[][]): string[] {
  const text = (cell: string | { number: string }) => (typeof cell === 'string' ? cell : cell.number);
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => text(r[i] ?? '').length)));
  const padded = (cell: string | { number: string }, i: number) =>
    typeof cell === 'string' ? cell.padEnd(widths[i]!) : cell.number.padStart(widths[i]!);
  return rows.map((r) => r.map(padded).join('  ').trimEnd());
}

export function bytesText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** How long, in words: 300 ms is 'a second', 90 s '90 seconds'. */
export function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= 1) return 'a second';
  if (seconds <= 120) return `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 120 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}
