import type { Program } from '@secformer/secformer-ops';
import { programLimits } from '@secformer/secformer-ops/limits';
import { NodeError } from '../errors.js';

/**
 * Refuses, before any node hears of it, a read that is more than nodes take at a time.
 * @throws NodeError LIMIT_EXCEEDED, with what to do instead
 */
export function checkSize({ instructions, inputs, outputs, keeps }: Program): void {
  const lists = { instructions, inputs, outputs, keeps };
  for (const [what, { length: count }] of Object.entries(lists)) {
    const most = programLimits[what as keyof typeof lists];
    if (count <= most) continue;
    const why = `the read is a program of ${count} ${what}, and nodes take ${most} at most`;
    const remedy =
      'read tensors on the way to it first, such as the state after a part of the steps: the next read starts there';
    throw new NodeError('client', 'LIMIT_EXCEEDED', `${why}; ${remedy}`);
  }
}
