import type { Tensor2D } from '@tensorflow/tfjs-core';

/**
 * Token ids of a batch, all of one length, [batch, tokens] each; int32, so that on a private backend they stay with
 * whoever made them.
 */
export interface BertInputs {
  inputIds: Tensor2D;
  /** 1 for a token, 0 for padding */
  attentionMask: Tensor2D;
  /** 0, and 1 for the second text of a pair, where the model tells them apart */
  tokenTypeIds: Tensor2D;
}
