export { type Attended, type AttentionWeights, joinHeads, type Scored, scored, splitHeads } from './attention.js';
export {
  ATTENTION_FUNCTIONS,
  ATTENTION_POWERS,
  type AttentionFunction,
  type AttentionSettings,
  USUAL_CONSTANT,
  type Weighed,
  weigh,
} from './attention-weights.js';
export { type Dense, type Norm, normalize } from './blocks.js';
export type { BertConfig } from './config.js';
export type { DropPlace, Hooks, Seen } from './hooks.js';
export { OLDER_SENTENCE_FILES, TOKENIZER_FILES } from './tokenizer/load.js';
export { type HostTensor, hostTensors, type StoredFloat, safetensorsOf } from './training/host-tensors.js';
export { type Computed, type TrainableBert, trainableBert } from './training/trainable.js';
