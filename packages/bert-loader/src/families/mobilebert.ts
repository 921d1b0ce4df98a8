import * as tf from '@tensorflow/tfjs-core';
import { type AttentionWeights, attend } from '../attention.js';
import { activate, type Dense, dense, type Norm, normalize } from '../blocks.js';
import type { BertConfig } from '../config.js';
import type { ConfigReader } from '../config-reader.js';
import type { Layer } from '../encoder.js';
import type { WeightReader } from '../weights.js';
import { bertMasked } from './bert.js';
import { bertSettings, type Family } from './family.js';

/** A dense layer and the norm after it. */
interface Block {
  dense: Dense;
  norm: Norm;
}

interface MobileLayer {
  /** from the hidden states' width to the attention's, if that is another */
  bottleneck: { input: Block; attention: Block | undefined; output: Block } | undefined;
  attention: AttentionWeights;
  output: Block;
  /** one after another */
  feedForwards: { up: Dense; down: Block }[];
}

interface Shape {
  /** width inside the bottlenecks */
  width: number;
  bottleneck: boolean;
  /** are values, too, projected from the bottleneck? */
  narrowValues: boolean;
  feedForwards: number;
}

/** NoNorm is the only one that is understood. */
const NO_EPSILON = undefined;

function shapeOf(c: BertConfig, json: ConfigReader): Shape {
  const bottleneck = json.flag('use_bottleneck', true);
  const narrowValues = json.flag('use_bottleneck_attention', false);
  // The reference itself cannot run it otherwise
  if (bottleneck && !narrowValues && !json.flag('key_query_shared_bottleneck', true))
    json.refuse('key_query_shared_bottleneck false is not understood; true is');
  const norm = json.raw('normalization_type') ?? 'no_norm';
  if (norm !== 'no_norm') json.refuse(`normalization_type '${norm}' is not understood; 'no_norm' is`);
  const feedForwards = json.whole(['num_feedforward_networks'], 4);
  if (feedForwards < 1) json.refuse('num_feedforward_networks is 0; there has to be one');
  const width = bottleneck ? json.whole(['intra_bottleneck_size'], 128) : c.hidden;
  if (width % c.heads !== 0)
    json.refuse(`intra_bottleneck_size ${width} is not a multiple of num_attention_heads ${c.heads}`);
  return { width, bottleneck, narrowValues, feedForwards };
}

function readLayer(r: WeightReader, c: BertConfig, s: Shape, json: ConfigReader): MobileLayer {
  const block = (name: string, out: number, from: number): Block => ({
    dense: r.dense(`${name}.dense`, out, from),
    norm: r.norm(`${name}.LayerNorm`, out, NO_EPSILON),
  });
  const { width } = s;
  const valuesFrom = s.bottleneck && !s.narrowValues ? c.hidden : width;
  const shared = s.bottleneck && json.flag('key_query_shared_bottleneck', true);
  const bottleneck = s.bottleneck
    ? {
        input: block('bottleneck.input', width, c.hidden),
        // Some have it and do not use it
        attention: shared ? block('bottleneck.attention', width, c.hidden) : undefined,
        output: block('output.bottleneck', c.hidden, width),
      }
    : undefined;
  const feedForward = (at: string) => ({
    up: r.dense(`${at}intermediate.dense`, c.intermediate, width),
    down: block(`${at}output`, width, c.intermediate),
  });
  r.checkCount('ffn.', s.feedForwards - 1, 'num_feedforward_networks less one');
  return {
    bottleneck,
    attention: {
      query: r.dense('attention.self.query', width, width),
      key: r.dense('attention.self.key', width, width),
      value: r.dense('attention.self.value', width, valuesFrom),
    },
    output: block('attention.output', width, width),
    feedForwards: [...Array.from({ length: s.feedForwards - 1 }, (_, i) => feedForward(`ffn.${i}.`)), feedForward('')],
  };
}

/** A layer between bottlenecks, with several feed-forward networks (section 3.1 and figure 1c). */
function mobileLayer(w: MobileLayer, c: BertConfig, s: Shape): Layer {
  const through = (x: tf.Tensor, block: Block) => normalize(dense(x, block.dense), block.norm);
  const residual = (y: tf.Tensor, block: Block, x: tf.Tensor) =>
    normalize(tf.add(dense(y, block.dense), x), block.norm);
  return (x, scores) => {
    const narrow = w.bottleneck ? through(x, w.bottleneck.input) : x;
    const asked = w.bottleneck && !s.narrowValues ? through(x, w.bottleneck.attention!) : narrow;
    const merged = attend({ query: asked, key: asked, value: s.narrowValues ? narrow : x }, w.attention, c, scores);
    let a = residual(merged, w.output, narrow);
    for (const { up, down } of w.feedForwards) a = residual(activate(dense(a, up), c.activation), down, a);
    return w.bottleneck ? residual(a, w.bottleneck.output, x) : a;
  };
}

/** Each token's embedding between that of the next and that of the one before, [batch, tokens, 3·embedding]. */
function trigrams(words: tf.Tensor): tf.Tensor {
  const [batch, length, size] = words.shape as [number, number, number];
  const shifted = (from: number, padding: [number, number]) => {
    const kept = tf.slice(words, [0, from, 0], [batch, length - 1, size]);
    return tf.pad(kept, [[0, 0], padding, [0, 0]]);
  };
  return tf.concat([shifted(1, [0, 1]), words, shifted(0, [1, 0])], 2);
}

/** Sun et al. 2020. */
export const mobilebert: Family = {
  classes: { mobilebert: 'MobileBert' },
  prefix: 'mobilebert.',
  settings: { ...bertSettings, activation: { key: 'hidden_act', default: 'relu' }, embeddingSize: 128 },
  read(r, c, json) {
    const s = shapeOf(c, json);
    const isTrigram = json.flag('trigram_input', true);
    const e = r.under('embeddings.');
    const table = (name: string, rows: number, cols: number) => e.tensor(`${name}_embeddings.weight`, [rows, cols]);
    const widen = e.dense('embedding_transformation', c.hidden, c.embedding * (isTrigram ? 3 : 1));
    const embeddings = {
      words: table('word', c.vocabSize, c.embedding),
      positions: table('position', c.positions, c.hidden),
      types: table('token_type', c.types, c.hidden),
      norm: e.norm('LayerNorm', c.hidden, NO_EPSILON),
      transform(words: tf.Tensor) {
        if (isTrigram) return dense(trigrams(words), widen);
        return c.embedding === c.hidden ? words : dense(words, widen);
      },
    };
    const stem = 'encoder.layer.';
    r.checkCount(stem, c.layers, 'num_hidden_layers');
    const layers = Array.from({ length: c.layers }, (_, i) =>
      mobileLayer(readLayer(r.under(`${stem}${i}.`), c, s, json), c, s),
    );
    return { embeddings, layers };
  },
  heads: (c, json) => ({
    pooler: json.flag('classifier_activation', true) ? { dense: 'pooler.dense' } : 'first token',
    sequence: { of: 'pooled', out: 'classifier' },
    masked: { ...bertMasked, ...(c.hidden > c.embedding && { wider: 'cls.predictions.dense' }) },
    pretraining: true,
  }),
};
