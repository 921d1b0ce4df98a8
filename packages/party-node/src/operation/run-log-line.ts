import { createHash } from 'node:crypto';
import { z } from 'zod';

/** What the first line of all has in the place of a hash. */
export const NO_LINE = '0'.repeat(64);

const line = z.looseObject({
  time: z.string(),
  /** SHA-256 of the line before, hex */
  before: z.string().regex(/^[0-9a-f]{64}$/),
  /** lines that could not be written between the line before and this one */
  missed: z.number().int().positive().optional(),
});
export type RunLogLine = z.infer<typeof line>;

/** SHA-256 of a line's text without its newline, hex. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** @returns undefined for what is no line of a run log */
export function readLine(text: string): RunLogLine | undefined {
  try {
    return line.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
