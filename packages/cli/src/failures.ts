/** Failures as a line on standard error and an exit code. */
import { Interrupted } from './interrupts.js';
import { durationText, printable } from './terminal.js';

/** Exit codes; 0 is success, and what is interrupted has 128 and its signal's number. */
export const EXIT = {
  /** something broke: a connection, a node, a file on the way */
  failed: 1,
  /** the command is not right: a flag, a file, a folder that cannot be used */
  usage: 2,
  /** the nodes refuse, and will refuse again */
  refused: 3,
  /** the nodes refuse now; the message says when to try again */
  later: 4,
} as const;

/** A wrong flag, a missing file, an unknown name. */
export class UsageError extends Error {}

export type Command = 'publish' | 'ask' | 'proxy';

const USAGE: readonly string[] = ['BAD_CONFIGURATION', 'UNKNOWN_SUITE', 'BAD_MODEL_FILE', 'NO_SUCH_HEAD'];
const REFUSED: readonly string[] = [
  'GRANT_REFUSED',
  'NOT_ALLOWED',
  'NOT_AUTHENTICATED',
  'MODEL_UNKNOWN',
  'MODEL_EXISTS',
  'MODEL_DAMAGED',
  'LIMIT_EXCEEDED',
  'QUOTA_SPENT',
];
/** A connection that was lost, or that there never was. */
const BROKEN: readonly string[] = ['LINK_CLOSED', 'UNREACHABLE', 'NO_PROGRESS', 'TENSOR_LOST'];

const ASKING: Readonly<Record<string, string>> = {
  GRANT_REFUSED: 'the publisher of the model gives grants: party-node grant',
  NOT_AUTHENTICATED: "--key has to be the key that --grant was made for, or the publisher's own",
};

/** What to do about a refusal, where the message cannot know it. */
const REMEDIES: Readonly<Record<Command, Readonly<Record<string, string>>>> = {
  publish: {
    NOT_AUTHENTICATED: "each node's operator lets a publisher in: party-node allow --key, with the public key of --key",
  },
  ask: ASKING,
  proxy: ASKING,
};

const BROKEN_REMEDY: Readonly<Record<Command, string>> = {
  publish:
    'nothing of it is served unless all three nodes have all of it; run the same command again, which starts over, ' +
    'and the nodes clear what was staged',
  ask: 'run the same command again',
  proxy: 'run the same command again',
};

/** An error's line, without the command's name, and its exit code. */
export function failure(error: unknown, command: Command): { line: string; code: number } {
  const { code, message, retryAfterMs } = error as { code?: string; message?: string; retryAfterMs?: number };
  const text = printable((message ?? String(error)).replaceAll(/\s*\n\s*/g, ' '));
  if (error instanceof UsageError) return { line: text, code: EXIT.usage };
  if (error instanceof Interrupted)
    return { line: command === 'publish' ? `${text}; nothing of it is published` : text, code: error.exit };
  if (code === undefined) return { line: text, code: EXIT.failed };
  const broken = BROKEN.includes(code);
  const remedies = [
    REMEDIES[command][code] ?? (broken ? BROKEN_REMEDY[command] : undefined),
    retryAfterMs === undefined || broken ? undefined : when(retryAfterMs),
  ].filter((remedy) => remedy !== undefined);
  const line = [`${text} (${code})`, ...remedies].join('; ');
  if (USAGE.includes(code)) return { line, code: EXIT.usage };
  if (broken) return { line, code: EXIT.failed };
  if (retryAfterMs !== undefined) return { line, code: EXIT.later };
  return { line, code: REFUSED.includes(code) ? EXIT.refused : EXIT.failed };
}

/** When to try again, with the time of day where that is not soon. */
function when(ms: number): string {
  const after = `try again in ${durationText(ms)}`;
  if (ms < 120_000) return after;
  return `${after}, after ${new Date(Date.now() + ms).toISOString().replace(/\.\d+/, '')}`;
}
