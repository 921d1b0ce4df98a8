import { NodeError } from '../errors.js';
import { limits } from '../limits.js';

/** Is it worth while to try again what failed so? */
function passing(error: unknown): error is NodeError {
  return error instanceof NodeError && error.retryAfterMs !== undefined;
}

/**
 * Tries again what a node had no room for, for some seconds: after what the node said, more or less, so that many
 * clients do not come back at once.
 * @param f what has left nothing behind when it fails
 */
export async function persist<T>(f: () => Promise<T>, persistMs: number = limits.persistMs): Promise<T> {
  const until = performance.now() + persistMs;
  for (let tries = 0; ; tries++) {
    try {
      return await f();
    } catch (error) {
      if (!passing(error)) throw error;
      const pause = error.retryAfterMs! * (0.5 + Math.random()) * Math.min(4, 1 + tries / 4);
      if (performance.now() + pause > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
