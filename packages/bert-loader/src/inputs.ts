import type { Tensor2D } from '@tensorflow/tfjs-core';

/** Token ids of a batch, all of one length; int32, so that on a private backend they stay with whoever made them. */
export interface BertInputs {
  inputIds: Tensor2D;
  attentionMask: Tensor2D;
  tokenTypeIds: Tensor2D;
}
