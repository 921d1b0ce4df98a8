import { NodeError, type NodeName } from './errors.js';

/**
 * Waits for a node, within a time limit.
 * @param ms the limit in milliseconds
 * @param what is waited for, for the message
 * @throws NodeError NO_PROGRESS naming the node, or what the promise rejects with
 */
export async function timed<T>(promise: Promise<T>, ms: number, node: NodeName, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NodeError(node, 'NO_PROGRESS', `${what} did not come within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
