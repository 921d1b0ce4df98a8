import type { Tensor } from '@tensorflow/tfjs-core';
import type { AttentionFunction } from './attention-weights.js';
import type { Norm } from './blocks.js';

/** Where dropout stands: after embeddings and dense layers, on attention's weights, before a classifier. */
export type DropPlace = 'hidden' | 'attention' | 'head';

/**
 * What may be looked at: what a layer's attention function is given, and gives, [batch, heads, tokens, tokens]; what
 * its heads give, side by side, [batch, tokens, width]; that after the output projection, and its hidden states, both
 * [batch, tokens, hidden]. Layer −1 is the embeddings, which have hidden states alone.
 */
export type Seen = 'argument' | 'weights' | 'context' | 'attention' | 'hidden';

/**
 * What a training puts into a model's computation and what it looks at. A model that answers has none of it.
 * Tensors that are seen are not to be disposed of.
 */
export interface Hooks {
  /** dropout of what is in a place, of its own shape */
  drop?(x: Tensor, place: DropPlace): Tensor;
  /** in the place of a norm; of the embeddings' (0), then of each layer's two (1 and 2, 3 and 4, …) */
  normalize?(x: Tensor, norm: Norm, at: number): Tensor;
  /** the function of a layer's attention, in the place of the configured one */
  attention?(layer: number): AttentionFunction;
  /** is shown what each layer computes, from 0; of the embeddings it is layer −1 */
  seen?(what: Seen, layer: number, x: Tensor): void;
}
