/** What stands on an encoder: reading its tensors, and what they make of hidden states. */
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activate, type Dense, dense, firstToken, normalize } from './blocks.js';
import type { BertConfig } from './config.js';
import type { Hooks } from './hooks.js';
import type { WeightReader } from './weights.js';

/** Every kind of head that is read. */
export const HEAD_KINDS = [
  'none',
  'sequence-classification',
  'token-classification',
  'question-answering',
  'masked-lm',
] as const;

/** What stands on an encoder; 'none': nothing, or nothing that was asked for. */
export type HeadKind = (typeof HEAD_KINDS)[number];

/** Where a family keeps its heads; names under the encoder's prefix for the pooler, and outside it for the rest. */
export interface HeadNames {
  /** what makes a sentence's pooled state of the first token's: tanh of a dense layer, nothing, or there is none */
  pooler: { dense: string } | 'first token' | 'none';
  /** what classifies a sequence: one dense layer on the pooled state, or two on the first token's */
  sequence: { of: 'pooled'; out: string } | { of: 'first token'; dense: string; activation: Activation; out: string };
  masked: {
    dense: string;
    norm: string;
    activation: 'as configured' | Activation;
    decoder: string;
    bias: string;
    /** decodes what the states are wider than the embeddings: MobileBERT */
    wider?: string;
  };
  /** is the first head of its ForPreTraining that of its ForMaskedLM? */
  pretraining?: true;
}

export interface Head {
  kind: HeadKind;
  /** classes that it tells apart, of a classifier */
  classes: number | undefined;
  /** its scores of hidden states [batch, tokens, hidden] */
  scores: (hidden: tf.Tensor, hooks?: Hooks) => tf.Tensor;
}

/** From hidden states to pooled ones, [batch, hidden]; undefined where the checkpoint has no pooler. */
export type Pooler = ((hidden: tf.Tensor) => tf.Tensor2D) | undefined;

const WORDS = 'embeddings.word_embeddings.weight';
const TOKENS = 'classifier';
const ANSWERS = 'qa_outputs';

/**
 * @param r reads under the encoder's prefix
 * @param needed whether the pooler has to be there
 */
export function readPooler(r: WeightReader, names: HeadNames, c: BertConfig, needed: boolean): Pooler {
  const { pooler } = names;
  if (pooler === 'none') return undefined;
  if (pooler === 'first token') return firstToken;
  if (!needed && !r.has(`${pooler.dense}.weight`)) return undefined;
  const w = r.dense(pooler.dense, c.hidden, c.hidden);
  return (hidden) => tf.tanh(dense(firstToken(hidden), w)) as tf.Tensor2D;
}

/** Has the checkpoint the tensors of a head? Tells heads apart where `architectures` does not. */
export function hasHead(kind: HeadKind, encoder: WeightReader, root: WeightReader, names: HeadNames): boolean {
  const { pooler, sequence, masked } = names;
  const has = (name: string) => root.has(`${name}.weight`);
  if (kind === 'masked-lm') return has(masked.dense);
  if (kind === 'question-answering') return has(ANSWERS);
  if (kind === 'none') return true;
  if (sequence.of === 'first token') return kind === 'sequence-classification' ? has(sequence.dense) : has(TOKENS);
  const pooled = typeof pooler !== 'object' || encoder.has(`${pooler.dense}.weight`);
  return has(sequence.out) && pooled === (kind === 'sequence-classification');
}

/** How many classes a classifier tells apart, by its own shape; checked against what config.json says. */
function classesOf(root: WeightReader, out: string, c: BertConfig, named: number | undefined): number {
  const rows = root.shape(`${out}.weight`)?.[0];
  const said = c.labels.length > 0 ? c.labels.length : named;
  // A tensor that is missing is named when it is read
  if (rows === undefined || said === undefined || rows === said) return rows ?? said ?? 0;
  const key = c.labels.length > 0 ? 'id2label' : 'num_labels';
  return root.checkpoint.refuse(`tensor '${out}.weight' is of ${rows} classes, but ${key} in config.json of ${said}`);
}

/** What a head is read from. */
export interface HeadSource {
  /** reads under the encoder's prefix */
  encoder: WeightReader;
  /** reads outside it */
  root: WeightReader;
  names: HeadNames;
  pooler: Pooler;
  words: tf.Tensor;
  config: BertConfig;
  /** num_labels of config.json */
  labels: number | undefined;
  /** is the decoder of a masked language model the table of word embeddings? */
  tied: boolean;
}

/** Versions of the reference disagree about a decoder that is said to be tied and is another tensor. */
function checkTied({ root, encoder, config: c }: HeadSource, decoder: string): void {
  const name = `${decoder}.weight`;
  if (!root.has(name)) return;
  const shape = [c.vocabSize, c.embedding];
  const [own, words] = [root.values(name, shape), encoder.values(WORDS, shape)];
  let at = 0;
  while (at < own.length && own[at] === words[at]) at++;
  if (at === own.length) return;
  root.checkpoint.refuse(
    `'${name}' is not '${encoder.prefix}${WORDS}', as tie_word_embeddings in config.json says; false reads it`,
  );
}

function readMasked(source: HeadSource): Head {
  const { root, words, config: c, tied } = source;
  const names = source.names.masked;
  const size = names.wider ? c.hidden : c.embedding;
  const transform = root.dense(names.dense, size, c.hidden);
  const norm = root.norm(names.norm, size, c.epsilon);
  const decoder = tied ? words : root.tensor(`${names.decoder}.weight`, [c.vocabSize, c.embedding]);
  if (tied) checkTied(source, names.decoder);
  const wider = names.wider && root.tensor(`${names.wider}.weight`, [c.hidden - c.embedding, c.vocabSize]);
  // Mostly one tensor of two names, either of which is kept; what is computed with is the decoder's
  const own = `${names.decoder}.bias`;
  const bias = root.tensor(root.has(own) ? own : names.bias, [c.vocabSize]);
  const activation = names.activation === 'as configured' ? c.activation : names.activation;
  const scores = (hidden: tf.Tensor): tf.Tensor => {
    const [batch, length] = hidden.shape as [number, number];
    const x = tf.reshape(normalize(activate(dense(hidden, transform), activation), norm), [batch * length, size]);
    const narrow = wider ? tf.slice(x, [0, 0], [-1, c.embedding]) : x;
    let y: tf.Tensor = tf.matMul(narrow, decoder, false, true);
    if (wider) y = tf.add(y, tf.matMul(tf.slice(x, [0, c.embedding], [-1, -1]), wider));
    return tf.reshape(tf.add(y, bias), [batch, length, c.vocabSize]);
  };
  return { kind: 'masked-lm', classes: undefined, scores };
}

/** Reads a head. @throws ModelFileError naming what is missing */
export function readHead(kind: HeadKind, source: HeadSource): Head | undefined {
  const { root, names, pooler, config: c, labels } = source;
  if (kind === 'none') return undefined;
  if (kind === 'masked-lm') return readMasked(source);
  if (kind === 'question-answering') {
    const out = root.dense(ANSWERS, 2, c.hidden);
    return { kind, classes: undefined, scores: (hidden) => dense(hidden, out) };
  }
  if (kind === 'token-classification') {
    const classes = classesOf(root, TOKENS, c, labels);
    const out = root.dense(TOKENS, classes, c.hidden);
    return { kind, classes, scores: (hidden) => dense(hidden, out) };
  }
  const { sequence } = names;
  const classes = classesOf(root, sequence.out, c, labels);
  let inner: (hidden: tf.Tensor) => tf.Tensor = pooler!;
  if (sequence.of === 'first token') {
    const w: Dense = root.dense(sequence.dense, c.hidden, c.hidden);
    inner = (hidden) => activate(dense(firstToken(hidden), w), sequence.activation);
  }
  const out = root.dense(sequence.out, classes, c.hidden);
  const scores = (hidden: tf.Tensor, hooks?: Hooks) => {
    const x = inner(hidden);
    return dense(hooks?.drop?.(x, 'head') ?? x, out);
  };
  return { kind, classes, scores };
}
