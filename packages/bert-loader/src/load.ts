import { readFolder } from '#files';
import { type Abortable, readingUnless, throwIfAborted } from './abortable.js';
import { chooseHead } from './architectures.js';
import { BUFFERS, readCheckpoint } from './checkpoint-files.js';
import type { BertConfig } from './config.js';
import { familyOf } from './families/index.js';
import type { ReadFile } from './files.js';
import { openFolder, tokenizerOf } from './folder.js';
import { HEAD_KINDS, type HeadKind, hasHead, readHead, readPooler } from './heads.js';
import { BertModel, type ModelParts } from './model.js';
import { readSentence, type Sentence } from './sentence.js';
import { TensorStore } from './tensor-store.js';
import type { BertTokenizer } from './tokenizer/tokenizer.js';
import { WeightReader } from './weights.js';

/** How a checkpoint is loaded; all of it is optional. */
export interface LoadOptions extends Abortable {
  /** the head to read in place of the one that `architectures` in config.json names; 'none': the encoder alone */
  head?: HeadKind;
  /**
   * 'public': anybody may know the weights, as of a checkpoint that can be downloaded. On a backend that hides tensors
   * products with them then cost less, and inputs and results stay hidden; elsewhere it means nothing. 'secret' if
   * absent
   */
  weights?: 'secret' | 'public';
}

function checkOptions({ head, weights }: LoadOptions): void {
  if (weights !== undefined && weights !== 'secret' && weights !== 'public')
    throw new RangeError(`weights is '${weights}'; 'secret' and 'public' are known`);
  if (head !== undefined && !HEAD_KINDS.includes(head))
    throw new RangeError(`head is '${head}'; ${HEAD_KINDS.join(', ')} are known`);
}

/** Prefixes of the encoder's tensors: one that is there and not read would be missing from the computation. */
const ENCODER = /^(embeddings|encoder|transformer)\./;

/** What a folder is made into. */
export interface Opened {
  config: BertConfig;
  tokenizer: BertTokenizer;
  parts: ModelParts;
}

/**
 * Builds a model from its files, wherever they are: in a browser, bytes that somebody chose; in Node, an archive.
 * @param read answers a file's name with its bytes, or undefined where there is no such file
 * @param where name of the folder, for messages
 * @throws ModelFileError naming the file, and the key or tensor in it, where it cannot be used as it was meant;
 * RangeError where an option is none; the signal's reason, and no tensor is left
 */
export async function bertFromFiles(read: ReadFile, where: string, options: LoadOptions = {}): Promise<BertModel> {
  const { config, tokenizer, parts } = await partsFromFiles(read, where, options, new TensorStore());
  return new BertModel(config, tokenizer, parts, options.weights);
}

/** As `bertFromFiles`, with its tensors made by `store`. */
export async function partsFromFiles(
  read: ReadFile,
  where: string,
  options: LoadOptions,
  store: TensorStore,
): Promise<Opened> {
  checkOptions(options);
  throwIfAborted(options.signal);
  const opened = await openFolder(readingUnless(options.signal, read), where);
  const { folder, files, modules, json, config } = opened;
  const family = familyOf(config.family);
  const names = family.heads(config, json);
  const tokenizer = await tokenizerOf(opened);
  const checkpoint = await readCheckpoint(files);
  const prefix = checkpoint.has(`${family.prefix}embeddings.word_embeddings.weight`) ? family.prefix : '';
  const root = new WeightReader(checkpoint, '', store);
  const r = new WeightReader(checkpoint, prefix, store);
  try {
    const kind = chooseHead(json, config.family, {
      asked: options.head,
      sentence: modules !== undefined,
      pretraining: names.pretraining ?? false,
      has: (kind) => hasHead(kind, r, root, names),
    });
    const encoder = family.read(r, config, json);
    const pooler = readPooler(r, names, config, kind === 'sequence-classification' && names.sequence.of === 'pooled');
    r.checkAllRead(ENCODER, BUFFERS);
    const labels = json.raw('num_labels') === undefined ? undefined : json.whole(['num_labels']);
    const tied = json.flag('tie_word_embeddings', true);
    const { words } = encoder.embeddings;
    const head = readHead(kind, { encoder: r, root, names, pooler, words, config, labels, tied });
    if (config.labels.length === 0) config.labels = Array.from({ length: head?.classes ?? 0 }, (_, i) => `LABEL_${i}`);
    const sentence: Sentence | undefined = modules && (await readSentence(folder, modules, config.hidden, store));
    return { config, tokenizer, parts: { encoder, pooler, head, sentence, all: store.all } };
  } catch (error) {
    store.dispose();
    throw error;
  }
}

/**
 * Loads a checkpoint folder: from disk in Node, and from a URL in a browser. The weights go to the backend that is
 * active; on 'secformer' they stay on this machine until a read needs them.
 * A signal ends the download.
 * @param folder holds config.json, model.safetensors (or its index and parts) and a tokenizer's files
 * @throws as `bertFromFiles` does
 *
 * @example
 * ```js
 * const model = await loadBert('models/sst2');
 * const logits = model.logits(model.tokenize('A warm, funny film.')); // [1, labels]
 * ```
 */
export async function loadBert(folder: string, options?: LoadOptions): Promise<BertModel> {
  return bertFromFiles(readFolder(folder, options?.signal), folder, options);
}
