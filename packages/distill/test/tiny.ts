/** A BERT of a few thousand weights, which begin as sines of their places, and made sentences that it can learn. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostTensor } from '@secformer/bert-loader/training';
import type { ExecutionContext } from 'ava';
import { Draft, type Example, type Stage } from '../src/index.js';

export const SHAPE = { vocabulary: 30, hidden: 8, layers: 2, heads: 2, inner: 16, positions: 16 };

/** Shapes by name, in the order that sines are counted in. */
function shapes(outputs: number, constants: boolean): [string, number[]][] {
  const { vocabulary, hidden, layers, heads, inner, positions } = SHAPE;
  const norm = (at: string): [string, number[]][] => [
    [`${at}.weight`, [hidden]],
    [`${at}.bias`, [hidden]],
  ];
  const dense = (at: string, rows: number, cols: number): [string, number[]][] => [
    [`${at}.weight`, [rows, cols]],
    [`${at}.bias`, [rows]],
  ];
  const layer = (i: number): [string, number[]][] => {
    const at = `bert.encoder.layer.${i}.`;
    return [
      ...['query', 'key', 'value'].flatMap((name) => dense(`${at}attention.self.${name}`, hidden, hidden)),
      ...dense(`${at}attention.output.dense`, hidden, hidden),
      ...dense(`${at}intermediate.dense`, inner, hidden),
      ...dense(`${at}output.dense`, hidden, inner),
      ...norm(`${at}attention.output.LayerNorm`),
      ...norm(`${at}output.LayerNorm`),
      ...(constants ? ([[`${at}attention.self.constant`, [heads]]] as [string, number[]][]) : []),
    ];
  };
  return [
    ['bert.embeddings.word_embeddings.weight', [vocabulary, hidden]],
    ['bert.embeddings.position_embeddings.weight', [positions, hidden]],
    ['bert.embeddings.token_type_embeddings.weight', [2, hidden]],
    ...norm('bert.embeddings.LayerNorm'),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ...dense('bert.pooler.dense', hidden, hidden),
    ...dense('classifier', outputs, hidden),
  ];
}

/** As make-reference.py begins: each weight's place gives its values. */
function initial(outputs: number, constant: number | undefined): Map<string, HostTensor> {
  const made = shapes(outputs, constant !== undefined).map(([name, shape], k): [string, HostTensor] => {
    const base = name.endsWith('.constant') ? constant! : name.endsWith('LayerNorm.weight') ? 1 : 0;
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] = base + 0.3 * Math.sin(1.7 * i + 0.9 * k + 0.01 * i * i);
    return [name, { shape, values }];
  });
  return new Map(made);
}

/** [CLS] is 2, [SEP] is 3, and 'w5' is 5. */
const VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].concat(
  Array.from({ length: SHAPE.vocabulary - 5 }, (_, i) => `w${i + 5}`),
);

/** @param change of config.json */
export function tinyDraft(outputs = 2, change: Record<string, unknown> = {}, constant?: number): Draft {
  const { vocabulary, hidden, layers, heads, inner, positions } = SHAPE;
  const config = {
    model_type: 'bert',
    architectures: ['BertForSequenceClassification'],
    vocab_size: vocabulary,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: inner,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    ...change,
  };
  const tokenizer = new Map([['vocab.txt', new TextEncoder().encode(VOCABULARY.join('\n'))]]);
  return new Draft(config, initial(outputs, constant), tokenizer);
}

/** Sentences of words that are mostly of one half of the vocabulary; the label says of which. */
export function sentences(count: number, from = 0): Example[] {
  return Array.from({ length: count }, (_, at) => {
    const i = at + from;
    const label = (i * 7 + 3 * (i >> 2)) % 2;
    const words = Array.from({ length: 3 + (i % 6) }, (_, k) => `w${5 + 12 * label + ((i * 5 + k * 7) % 12)}`);
    return { text: words.join(' '), label };
  });
}

/** A stage of all losses, each counting as `losses` says. */
export function stage(epochs: number, losses: Partial<Stage['losses']> = { task: 1 }): Stage {
  const none = { hidden: 0, attention: 0, logits: 0, task: 0 };
  return { name: 'all', attentionFrom: 0, affineFrom: 0, losses: { ...none, ...losses }, epochs };
}

/** A folder that is removed after the test. */
export function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'distill-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
