import { availableParallelism } from 'node:os';
import type { NodeRole } from './run.js';

/** Threads of a node that has this machine to itself. */
export const threadsAlone = availableParallelism;

/**
 * Threads of a node that shares this machine with the other two: the parties compute at the same time, the dealer
 * mostly before them.
 */
export function threadsBeside(role: NodeRole): number {
  return role === 'dealer' ? availableParallelism() : Math.max(1, Math.floor(availableParallelism() / 2));
}
