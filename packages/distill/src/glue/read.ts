/** GLUE's files: tab-separated, one example a line, a quote is text. */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DistillError } from '../errors.js';
import { MAX_COLUMNS, MAX_DATA_BYTES, MAX_EXAMPLES } from '../limits.js';
import type { Task } from './tasks.js';

/** A text or a pair of texts, and what is right of it. */
export interface Example {
  text: string | [string, string];
  /** the class's number, or what is to be predicted */
  label: number;
}

const refuse = (message: string, cause?: unknown): never => {
  throw new DistillError('BAD_TASK_DATA', message, { cause });
};

function labelOf(task: Task, cell: string): number | undefined {
  if (task.range) {
    const value = cell.trim() === '' ? Number.NaN : Number(cell);
    return value >= task.range[0] && value <= task.range[1] ? value : undefined;
  }
  const written = task.written ?? task.labels!.map((_, i) => String(i));
  const at = written.indexOf(cell.trim());
  return at < 0 ? undefined : at;
}

/** Whether a line is an example as it stands: a header's label is none. */
function isExample(task: Task, line: string): boolean {
  const cells = line.split('\t');
  return cells.length >= task.columns && labelOf(task, cells.at(task.label)!) !== undefined;
}

function expected({ range, written, labels }: Task): string {
  if (range) return `a number from ${range[0]} to ${range[1]}`;
  return (written ?? labels!.map((_, i) => String(i))).join(' or ');
}

/**
 * The examples in a file's text.
 * @param where what messages call it
 * @throws DistillError BAD_TASK_DATA naming the line, without what stands in it
 */
export function examplesOf(task: Task, text: string, where: string): Example[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const found: Example[] = [];
  if (task.header && isExample(task, lines[0]!))
    refuse(`${where}, line 1: is an example; a file of ${task.name} begins with the names of its columns`);
  for (let i = task.header ? 1 : 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line === '') continue;
    const cells = line.split('\t');
    const here = `${where}, line ${i + 1}`;
    if (cells.length < task.columns || cells.length > MAX_COLUMNS)
      refuse(
        `${here}: ${cells.length} columns; a line of ${task.name} has at least ${task.columns}, with tabs between`,
      );
    const label = labelOf(task, cells.at(task.label)!);
    if (label === undefined) refuse(`${here}: its label is none of ${task.name}'s; expected ${expected(task)}`);
    const texts = task.texts.map((column) => cells.at(column)!.trim());
    if (texts.some((t) => t === '')) refuse(`${here}: a text is empty`);
    found.push({ text: texts.length === 1 ? texts[0]! : [texts[0]!, texts[1]!], label: label! });
    if (found.length > MAX_EXAMPLES) refuse(`${where}: more than ${MAX_EXAMPLES} examples`);
  }
  if (found.length === 0) refuse(`${where}: no example in it`);
  return found;
}

/**
 * Where a task's file is: in its folder of `data`, or in `data` itself.
 * @throws DistillError BAD_TASK_DATA naming both places where it is in neither
 */
export function taskFile(data: string, task: string, name: string): string {
  const places = [join(data, task, name), join(data, name)];
  const found = places.find((place) => existsSync(place));
  return (
    found ?? refuse(`${places[0]}: there is no such file, and no ${places[1]}; GLUE's ${name} of ${task} is wanted`)
  );
}

/**
 * Reads a task's file, UTF-8.
 * @throws DistillError BAD_TASK_DATA naming the file, and the line in it
 */
export async function readExamples(task: Task, file: string): Promise<Example[]> {
  let text = '';
  try {
    const found = await stat(file);
    // A device has no end
    if (!found.isFile() && !found.isFIFO()) refuse(`${file}: is no file`);
    const { size } = found;
    if (size > MAX_DATA_BYTES) refuse(`${file}: ${size} bytes, at most ${MAX_DATA_BYTES}`);
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    if (cause instanceof DistillError) throw cause;
    if (cause instanceof TypeError) refuse(`${file}: is no UTF-8 text; convert it`, cause);
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    refuse(`${file}: ${missing ? 'there is no such file' : `cannot be read (${(cause as Error).message})`}`, cause);
  }
  return examplesOf(task, text, file);
}
