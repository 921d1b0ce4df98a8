/** A node's log: one line of JSON an event on standard error, with nothing secret in it. */
import { pino } from 'pino';

/** One line of a node's log: what happened, and fields that hold no data of anybody. */
export type Log = (event: string, fields?: Record<string, unknown>) => void;

/** Fields that are never printed, whatever they hold: a secret that got into a line by mistake stays in the process. */
const SECRET = /token|grant|seed|secret|passphrase|key$/i;
const HIDDEN = '[redacted]';
/** A public key says in its text that it is one. */
const PUBLIC = /^ed25519:[\w-]{43}$/;
/** Levels of objects in a line; what is deeper is not printed. */
const DEPTH = 4;

function printable(name: string, value: unknown, depth: number): unknown {
  if (SECRET.test(name) && !(typeof value === 'string' && PUBLIC.test(value))) return HIDDEN;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (typeof value !== 'object' || value === null) return value;
  // What has a printed form of its own, such as `Secret`, is printed by that
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return value;
  if (depth === 0) return '[…]';
  if (Array.isArray(value)) return value.map((v) => printable('', v, depth - 1));
  return redacted(value as Record<string, unknown>, depth - 1);
}

/** Fields as they are printed: those that may hold a secret by their name or their type are not. */
export function redacted(fields: Record<string, unknown>, depth = DEPTH): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printable(name, value, depth)]));
}

/**
 * A log that writes lines `{"time":…,"event":…,…}`, each before it returns, so that the reason of an exit is not lost.
 * @param fd where to, standard error if absent
 */
export function lineLog(fd = 2): Log {
  const to = pino.destination({ fd, sync: true });
  // A full disk or a reader that is gone ends no node
  to.on('error', () => {});
  const logger = pino(
    {
      base: undefined,
      // There are no levels: a line is an event, and its name says what kind
      formatters: { level: () => ({}), log: (fields) => redacted(fields) },
      timestamp: () => `"time":"${new Date().toISOString()}"`,
    },
    to,
  );
  return (event, fields = {}) => logger.info({ event, ...fields });
}
