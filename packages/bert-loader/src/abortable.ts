/** Calls that may be given up: an AbortSignal ends them as it ends a `fetch`. */
import type { ReadFile } from './files.js';

/** What every call takes that waits. */
export interface Abortable {
  /** gives the call up, which rejects with the signal's reason; where it has come before the call, nothing is asked */
  signal?: AbortSignal | undefined;
}

/** @throws TypeError where it is something else than an AbortSignal, or the signal's reason where it has come */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal === null) return;
  if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function')
    throw new TypeError(
      `signal is of type ${typeof signal}; expected an AbortSignal, such as new AbortController().signal`,
    );
  if (signal.aborted) throw signal.reason;
}

/** Does `f`, unless the signal comes first: then it rejects with the reason, and `f` is left to end by itself. */
export async function unless<T>(signal: AbortSignal | undefined, f: () => Promise<T>): Promise<T> {
  throwIfAborted(signal);
  if (!signal) return f();
  let aborted = () => {};
  const given = new Promise<never>((_, reject) => {
    aborted = () => reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
  });
  try {
    const value = await Promise.race([f(), given]);
    throwIfAborted(signal);
    return value;
  } finally {
    signal.removeEventListener('abort', aborted);
  }
}

/** A folder's reader for somebody who may give up. */
export function readingUnless(signal: AbortSignal | undefined, read: ReadFile): ReadFile {
  return signal ? (name) => unless(signal, () => read(name)) : read;
}
