/** All programs, topic by topic. */
import { domains } from './domains.js';
import { extrema } from './extrema.js';
import { masks } from './masks.js';
import type { Program } from './program.js';
import { reads } from './reads.js';
import { smallNumbers } from './small-numbers.js';

export function everydayPrograms(_models?: string): Program[] {
  return [...masks, ...domains, ...extrema, ...smallNumbers, ...reads];
}
