import { BERT_TOKENS, MPNET_TOKENS, ROBERTA_TOKENS, type SpecialTokens } from './vocabulary.js';

/** What the tokenizer classes of PyPI's transformers are like, as far as their folders differ. */
export interface TokenizerClass {
  /** what it splits words by; absent: as its tokenizer.json has it, and nothing beside that counts */
  model?: 'WordPiece' | 'BPE' | 'Unigram';
  /** the special tokens it has unless the folder names others */
  tokens: SpecialTokens;
  /** two separators between the texts of a pair */
  likeRoberta: boolean;
  /** whether it gives token types unless `model_input_names` says otherwise */
  types: boolean;
}

const bert: TokenizerClass = { model: 'WordPiece', tokens: BERT_TOKENS, likeRoberta: false, types: true };
const generic: TokenizerClass = { tokens: BERT_TOKENS, likeRoberta: false, types: true };

/** ALBERT's class gives no token types, since version 5 of transformers: the second text of a pair has type 0. */
const albert: TokenizerClass = {
  model: 'Unigram',
  tokens: { ...BERT_TOKENS, unknown: '<unk>', pad: '<pad>' },
  likeRoberta: false,
  types: false,
};

const CLASSES: Record<string, TokenizerClass> = {
  AlbertTokenizer: albert,
  BertTokenizer: bert,
  DistilBertTokenizer: { ...bert, types: false },
  ElectraTokenizer: bert,
  MobileBertTokenizer: bert,
  MPNetTokenizer: { model: 'WordPiece', tokens: MPNET_TOKENS, likeRoberta: true, types: false },
  PreTrainedTokenizer: generic,
  RobertaTokenizer: { model: 'BPE', tokens: ROBERTA_TOKENS, likeRoberta: true, types: false },
  TokenizersBackend: generic,
  XLMRobertaTokenizer: { model: 'Unigram', tokens: ROBERTA_TOKENS, likeRoberta: true, types: false },
};

/** The class of a model whose folder names none. */
const BY_MODEL: Record<string, string> = {
  albert: 'AlbertTokenizer',
  bert: 'BertTokenizer',
  distilbert: 'DistilBertTokenizer',
  electra: 'ElectraTokenizer',
  mobilebert: 'MobileBertTokenizer',
  mpnet: 'MPNetTokenizer',
  roberta: 'RobertaTokenizer',
  'xlm-roberta': 'XLMRobertaTokenizer',
};

/**
 * @param name a `tokenizer_class`, if the folder has one
 * @param modelType a config.json's `model_type`
 * @throws Error naming a class that is not understood
 */
export function tokenizerClass(name: unknown, modelType: unknown): TokenizerClass {
  const byModel = Object.hasOwn(BY_MODEL, String(modelType)) ? BY_MODEL[String(modelType)]! : 'TokenizersBackend';
  const asked = name === undefined || name === null ? byModel : String(name).replace(/Fast$/, '');
  const known = Object.hasOwn(CLASSES, asked) ? CLASSES[asked] : undefined;
  if (!known) throw new Error(`tokenizer_class '${name}' is not understood; ${Object.keys(CLASSES).join(', ')} are`);
  return known;
}
