/**
 * Encoders whose norms are affine, with gains and biases taken into the dense layers before and after them, so that
 * nothing is left to compute of most norms.
 *
 * States x between layers are kept as u where x = s·u + t, feature by feature. A dense layer of x is one of u, with s
 * in its weight and t in its bias; what is added to x is divided by s when it is computed, t beside it; and a norm
 * g·x + b is another s and t. Where a feature's s would leave [1/16, 16], the norm is computed, and u is x again: in
 * fixed point u needs digits on either side.
 */
import type { Dense, Norm } from '../blocks.js';
import type { BertConfig } from '../config.js';
import { type Embeddings, type Encoder, type LayerWeights, plainLayer } from '../encoder.js';
import type { WeightReader } from '../weights.js';
import { constantsOf, type LayerNames } from './layer-names.js';

/** How far a feature's scale may go, either way. */
const FAR = 16;

/** What states stand for, by feature. */
interface Stream {
  scale: Float64Array;
  offset: Float64Array;
}

function plain(size: number): Stream {
  return { scale: new Float64Array(size).fill(1), offset: new Float64Array(size) };
}

/** A norm's gain and bias. */
function gains(r: WeightReader, name: string, size: number): Stream {
  const old = r.has(`${name}.gamma`);
  const of = (key: string) => Float64Array.from(r.values(`${name}.${key}`, [size]));
  return { scale: of(old ? 'gamma' : 'weight'), offset: of(old ? 'beta' : 'bias') };
}

/**
 * A dense layer of states that stand for `from`, to what is added to those that stand for `to`.
 * @param from undefined: what comes in is what it is
 * @param to undefined: what comes out is
 */
function dense(
  r: WeightReader,
  name: string,
  [rows, cols]: [out: number, from: number],
  from?: Stream,
  to?: Stream,
): Dense {
  const values = r.values(`${name}.weight`, [rows, cols]);
  const own = r.values(`${name}.bias`, [rows]);
  const weight = new Float32Array(values.length);
  const bias = new Float32Array(rows);
  for (let o = 0; o < rows; o++) {
    const over = to ? to.scale[o]! : 1;
    let sum = own[o]! + (to ? to.offset[o]! : 0);
    for (let i = 0; i < cols; i++) {
      const w = values[o * cols + i]!;
      if (from) sum += w * from.offset[i]!;
      weight[i * rows + o] = (from ? w * from.scale[i]! : w) / over;
    }
    bias[o] = sum / over;
  }
  return { weight: r.keep(weight, [cols, rows]), bias: r.keep(bias, [rows]) };
}

function kept(r: WeightReader, { scale, offset }: Stream): Norm {
  const tensor = (values: Float64Array) => r.keep(Float32Array.from(values), [values.length]);
  return { gain: tensor(scale), bias: tensor(offset), epsilon: undefined };
}

/** What states stand for after a norm, and the norm where it has to be computed. */
function through(r: WeightReader, name: string, before: Stream): { norm: Norm | undefined; after: Stream } {
  const size = before.scale.length;
  const { scale: gain, offset } = gains(r, name, size);
  const scale = gain.map((g, i) => g * before.scale[i]!);
  if (scale.every((s) => Math.abs(s) >= 1 / FAR && Math.abs(s) <= FAR))
    return { norm: undefined, after: { scale, offset } };
  return { norm: kept(r, { scale, offset }), after: plain(size) };
}

/**
 * @param embeddings as they are read otherwise
 * @param stem what a layer's tensors begin with, before its number
 */
export function readFolded(
  embeddings: Embeddings,
  r: WeightReader,
  c: BertConfig,
  stem: string,
  names: LayerNames,
): Encoder {
  r.checkCount(stem, c.layers, 'num_hidden_layers');
  const { hidden, intermediate } = c;
  const constants = constantsOf(names);
  // Embeddings of another width are projected, by whoever reads them, as they come out of their norm
  const begins = c.embedding === hidden;
  const { norm, after } = begins
    ? through(r, 'embeddings.LayerNorm', plain(hidden))
    : { norm: embeddings.norm, after: plain(hidden) };
  let stream = after;
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const l = r.under(`${stem}${i}.`);
    const asked = (name: string) => dense(l, name, [hidden, hidden], stream);
    const [query, key, value] = [asked(names.query), asked(names.key), asked(names.value)];
    const output = dense(l, names.output, [hidden, hidden], undefined, stream);
    const first = through(l, names.norm1, stream);
    const up = dense(l, names.up, [intermediate, hidden], first.after);
    const down = dense(l, names.down, [hidden, intermediate], undefined, first.after);
    const second = through(l, names.norm2, first.after);
    stream = second.after;
    const weights: LayerWeights = {
      query,
      key,
      value,
      constants: l.has(constants) ? l.tensor(constants, [c.heads]) : undefined,
      output,
      norm1: first.norm,
      up,
      down,
      norm2: second.norm,
    };
    return plainLayer(weights, c);
  });
  const isPlain = stream.scale.every((s) => s === 1) && stream.offset.every((t) => t === 0);
  return { embeddings: { ...embeddings, norm }, layers, last: isPlain ? undefined : kept(r, stream) };
}
