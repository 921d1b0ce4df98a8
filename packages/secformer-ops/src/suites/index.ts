import { SecformerError } from '@secformer/ring';
import type { Emitter } from '../compose/emitter.js';
import { normalise } from '../compose/softmax.js';
import { crypten } from './crypten.js';
import { exact, fast } from './exact.js';
import { mpcformer, mpcformer2Relu } from './mpcformer.js';
import { puma } from './puma.js';
import { secformer } from './secformer.js';
import type { Suite } from './suite.js';

/** Every suite, by its name. */
export const suites: Readonly<Record<string, Suite>> = {
  exact,
  fast,
  secformer,
  mpcformer,
  'mpcformer-2relu': mpcformer2Relu,
  puma,
  crypten,
};

/** A suite by its name. @throws SecformerError UNKNOWN_SUITE */
export function suiteOf(name: string): Suite {
  const suite = suites[name];
  if (!suite)
    throw new SecformerError(
      'UNKNOWN_SUITE',
      `there is no suite '${name}'; choose one of ${Object.keys(suites).join(', ')}`,
    );
  return suite;
}

/**
 * Whether a suite has another function in the place of this one: see `Suite.replaces`.
 * @throws SecformerError UNKNOWN_SUITE
 */
export function isReplaced(name: string, f: 'softmax' | 'gelu'): boolean {
  return suiteOf(name).replaces?.includes(f) ?? false;
}

/** A suite's softmax as probabilities, the division included. */
export function probabilities(suite: Suite, e: Emitter, x: number): number {
  const made = suite.softmax(e, x);
  return typeof made === 'number' ? made : normalise(e, made);
}
