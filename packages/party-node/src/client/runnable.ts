/** What a client has to know of a Program to run it, whoever has planned it. */
import { packedBytes, sizeOf } from '@secformer/ring';
import type { IndexBinding, ShareType, Watched } from '@secformer/secformer-ops';
import type { BoundInput, ModelRef } from '../wire/messages.js';

/** An input that a list of the client's indices becomes: zeros and ones, modulo 2^width. */
export interface OneHotInput {
  binding: IndexBinding;
  shape: readonly number[];
  width: number;
}

/** What the parties send of an output. */
export type OutputType = Pick<ShareType, 'shape' | 'bits' | 'fracBits'>;

export interface Runnable {
  /** SHA-256 of the Program's text, in hex */
  hash: string;
  /** what the inputs are bound to; of a published model's Program the nodes know it */
  inputs: BoundInput[];
  /** the published model that the Program is of */
  model?: ModelRef;
  oneHots: OneHotInput[];
  /** revealed values, and behind them the digests of `checks` */
  outputs: OutputType[];
  checks: Watched[];
  /** rounds between the parties */
  rounds: number;
}

/** Bytes that each party sends of the outputs. */
export function outputBytes({ outputs }: Runnable): number {
  return outputs.reduce((n, { shape, bits }) => n + packedBytes(sizeOf(shape), bits), 0);
}
