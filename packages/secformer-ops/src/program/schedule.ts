/** A Program in the order in which it runs: what the checker finds out, and the costs are told from. */

import type { ValueType } from '../instruction/types.js';
import type { Program } from './read.js';

/** One round: local instructions, then the openings that share its frame. */
export interface Round {
  local: number[];
  openings: number[];
  /** exact length of the frame that each party sends; 0 in a last round without openings */
  bytes: number;
}

/** A Program with the types of its values, its rounds, and where each value is needed last. */
export interface Schedule {
  program: Program;
  types: ValueType[];
  rounds: Round[];
  /** for each instruction the values that nobody needs after it */
  dies: number[][];
}
