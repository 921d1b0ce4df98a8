import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { hashOf, NO_LINE, readLine } from './run-log-line.js';

/** What the lines of a run log say of themselves. */
export interface RunLogCheck {
  /** that follow one another, from the first on */
  lines: number;
  /** that could not be written when they should have been, as later lines say */
  missed: number;
  /** hash that the first line names: zeros, or that of the last line of the file before */
  first: string;
  /** hash of the last line that follows */
  last: string;
  /** what is wrong behind those, with the number of the line */
  wrong?: string;
}

/**
 * Follows the chain of a run log, to its end or to the first line that does not belong.
 * @throws NodeError BAD_CONFIGURATION where the file cannot be read
 */
export async function verifyRunLog(file: string): Promise<RunLogCheck> {
  const check: RunLogCheck = { lines: 0, missed: 0, first: NO_LINE, last: NO_LINE };
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      const whole = (rest + decoder.write(chunk)).split('\n');
      rest = whole.pop()!;
      for (const text of whole) {
        const wrong = follow(check, text);
        if (wrong) return { ...check, wrong: `line ${check.lines + 1} ${wrong}` };
      }
      if (rest.length > limits.runLogLineBytes)
        return { ...check, wrong: `line ${check.lines + 1} is longer than any line of a run log` };
    }
  } catch (cause) {
    throw new NodeError('client', 'BAD_CONFIGURATION', `cannot read ${file} (${(cause as Error).message})`, { cause });
  }
  return rest === '' ? check : { ...check, wrong: `line ${check.lines + 1}, the last one, is not whole` };
}

/** @returns what is wrong with a line, and otherwise counts it */
function follow(check: RunLogCheck, text: string): string | undefined {
  const line = readLine(text);
  if (!line) return 'is none of a run log';
  if (check.lines === 0) check.first = line.before;
  else if (line.before !== check.last)
    return 'does not follow the line before it: one of the two was changed, or others were between them';
  check.lines++;
  check.missed += line.missed ?? 0;
  check.last = hashOf(text);
  return undefined;
}

/**
 * Says in words what becomes of files of one log, oldest first.
 * @returns whether all is well, and a line for each file
 */
export async function verifyRunLogs(files: readonly string[]): Promise<{ well: boolean; lines: string[] }> {
  const lines: string[] = [];
  let well = true;
  let last: string | undefined;
  for (const file of files) {
    const check = await verifyRunLog(file);
    const missed = check.missed === 0 ? '' : `, ${check.missed} more could not be written at the time`;
    const gap = check.lines > 0 && last !== undefined && check.first !== last;
    const begins =
      check.first === NO_LINE || (last !== undefined && !gap) ? '' : `, after a line with hash ${check.first}`;
    lines.push(
      check.wrong !== undefined
        ? `${file}: ${check.wrong} (${check.lines} lines before it are well)`
        : gap
          ? `${file}: its first line does not follow the last one of the file before`
          : `${file}: ${check.lines} lines follow one another${begins}${missed}; the last one has hash ${check.last}`,
    );
    well &&= check.wrong === undefined && !gap;
    if (check.lines > 0) last = check.last;
  }
  return { well, lines };
}
