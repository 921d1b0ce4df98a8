/** Processor time of processes, by Linux's own account. */
import { readFileSync } from 'node:fs';

/** The kernel's unit of time in /proc, on every Linux that Node runs on. */
const TICK_MS = 10;

/**
 * Processor time that this process and others have taken, of all their threads.
 * @param others ids of processes
 * @returns milliseconds; undefined where there is no /proc and there are others
 */
export function processorMs(others: readonly number[]): number | undefined {
  const own = process.cpuUsage();
  let ms = (own.user + own.system) / 1000;
  try {
    for (const pid of others) {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is a name in brackets, which may have blanks; user and system time are the 14th and the 15th
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      ms += TICK_MS * (Number(fields[11]) + Number(fields[12]));
    }
  } catch {
    return undefined;
  }
  return ms;
}
