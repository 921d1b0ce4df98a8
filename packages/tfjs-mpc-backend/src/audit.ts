/**
 * What the nodes see of a read, for comparison: it must be the same for all values of what is not public.
 *
 *   import { whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { plannedOf, seenOf, type Visible } from './seen.js';

export type { Visible } from './seen.js';

/**
 * What the nodes would see of reading `t`; nothing is computed, nothing is sent.
 * @throws SecformerError where some of it stayed at the nodes after an earlier read
 */
export function whatNodesSee(t: Tensor): Visible {
  return seenOf(plannedOf(t));
}
