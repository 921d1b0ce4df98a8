export type { BertConfig } from './config.js';
export { ModelFileError } from './errors.js';
export { bertFromFiles, loadBert, type ReadFile } from './load.js';
export { type BertInputs, BertModel, type Tokenized } from './model.js';
export { randomBert } from './random.js';
export { BertTokenizer, type Encoded } from './tokenizer.js';
