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

/** @throws TypeError where it is something else than an AbortSignal, or the signal's reason where it has come */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal === undefined || signal === null) return;
  if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function')
    throw new TypeError(`signal is a ${typeof signal}; expected an AbortSignal, such as new AbortController().signal`);
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
    signal.addEventListener('abort', aborted, { once: true });
    f().then(
      (value) => {
        signal.removeEventListener('abort', aborted);
        if (over) late?.(value);
        else resolve(value);
      },
      (error) => {
        signal.removeEventListener('abort', aborted);
        reject(error);
      },
    );
  });
}

/** Does `f`, which ends by itself once `stop` was called: that is done where the signal comes, or has come before. */
export async function during<T>(signal: AbortSignal | undefined, stop: () => void, f: () => Promise<T>): Promise<T> {
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await f();
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** A signal that passes on what another one says, until it is released. */
export function revocable(signal: AbortSignal | undefined): { signal: AbortSignal | undefined; release: () => void } {
  if (!signal) return { signal, release: () => {} };
  throwIfAborted(signal);
  const controller = new AbortController();
  const pass = () => controller.abort(signal.reason);
  signal.addEventListener('abort', pass, { once: true });
  return { signal: controller.signal, release: () => signal.removeEventListener('abort', pass) };
}
