import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { throwIfAborted, unless } from './abortable.js';

/** Is it worth while to try again what failed so? */
function passing(error: unknown): error is NodeError {
  return error instanceof NodeError && error.retryAfterMs !== undefined;
}

/**
 * Tries again what a node had no room for, for some seconds: after what the node said, more or less, so that many
 * clients do not come back at once.
 * @param f what has left nothing behind when it fails
 * @param signal ends the pauses, and nothing is tried once it has come
 */
export async function persist<T>(
  f: () => Promise<T>,
  signal?: AbortSignal,
  persistMs: number = limits.persistMs,
): Promise<T> {
  const until = performance.now() + persistMs;
  for (let tries = 0; ; tries++) {
    throwIfAborted(signal);
    try {
      return await f();
    } catch (error) {
      if (!passing(error)) throw error;
      const pause = error.retryAfterMs! * (0.5 + Math.random()) * Math.min(4, 1 + tries / 4);
      if (performance.now() + pause > until) throw error;
      await paused(pause, signal);
    }
  }
}

function paused(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pause = () =>
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
  return unless(signal, pause, { stop: () => clearTimeout(timer) });
}
