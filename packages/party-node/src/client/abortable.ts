/** Calls that may be given up: an AbortSignal ends them as it ends a `fetch`. */

/** What every call takes that waits. */
export interface Abortable {
  /** gives the call up, which rejects with the signal's reason; where it has come before the call, nothing is sent */
  signal?: AbortSignal | undefined;
}

/** What is done where a call is given up. */
export interface GivenUp<T> {
  /** called when the signal comes */
  stop?: () => void;
  /** called with what comes of it all the same */
  late?: (value: T) => void;
}

/** What hears a signal: one listener for all of it, since runtimes warn of a signal that has many. */
const heard = new WeakMap<AbortSignal, { calls: Set<() => void>; listener: () => void }>();

/** Calls `f` once, when the signal comes. @returns what has it not called any more */
function onAbort(signal: AbortSignal, f: () => void): () => void {
  let on = heard.get(signal);
  if (!on) {
    const calls = new Set<() => void>();
    const listener = () => {
      heard.delete(signal);
      const failures: unknown[] = [];
      for (const call of calls) {
        try {
          call();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    };
    on = { calls, listener };
    heard.set(signal, on);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { calls, listener } = on;
  // The same function may be given twice
  const call = () => f();
  calls.add(call);
  return () => {
    if (!calls.delete(call) || calls.size > 0 || heard.get(signal)?.calls !== calls) return;
    heard.delete(signal);
    signal.removeEventListener('abort', listener);
  };
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

/**
 * Does `f`, unless the signal comes first: then it rejects with the reason at once, and `f` is left to end by itself.
 * Nothing listens to the signal afterwards.
 * @throws TypeError where the signal is none
 */
export async function unless<T>(
  signal: AbortSignal | undefined,
  f: () => Promise<T>,
  { stop, late }: GivenUp<T> = {},
): Promise<T> {
  throwIfAborted(signal);
  if (!signal) return f();
  return new Promise((resolve, reject) => {
    let over = false;
    const aborted = () => {
      over = true;
      reject(signal.reason);
      stop?.();
    };
    const release = onAbort(signal, aborted);
    f().then(
      (value) => {
        release();
        if (over) late?.(value);
        else resolve(value);
      },
      (error) => {
        release();
        reject(error);
      },
    );
  });
}

/** Does `f`, which ends by itself once `stop` was called: that is done where the signal comes, or has come before. */
export async function during<T>(signal: AbortSignal | undefined, stop: () => void, f: () => Promise<T>): Promise<T> {
  if (signal?.aborted) stop();
  const release = signal && !signal.aborted ? onAbort(signal, stop) : undefined;
  try {
    return await f();
  } finally {
    release?.();
  }
}

/** A signal that passes on what another one says, until it is released. */
export function revocable(signal: AbortSignal | undefined): { signal: AbortSignal | undefined; release: () => void } {
  if (!signal) return { signal, release: () => {} };
  throwIfAborted(signal);
  const controller = new AbortController();
  const pass = () => controller.abort(signal.reason);
  return { signal: controller.signal, release: onAbort(signal, pass) };
}
