/**
 * A student's attention fitted to its teacher's before the first step, layer after layer from the lowest: each head's
 * constant is the one of some that brings what the head gives nearest to what the teacher's gives, and the output
 * projection is then the linear one that brings what the layer adds nearest to the teacher's, both over texts and what
 * the layers below make of them. Neither needs a gradient.
 */
import type { BertInputs } from '@secformer/bert-loader';
import {
  type AttentionFunction,
  type AttentionWeights,
  type Hooks,
  joinHeads,
  type Scored,
  scored,
  splitHeads,
  type TrainableBert,
  weigh,
} from '@secformer/bert-loader/training';
import * as tf from '@tensorflow/tfjs';
import { DistillError } from '../errors.js';
import { RIDGE } from '../limits.js';
import { type InTraining, scaleValues } from './calibrate.js';
import { leastSquares } from './least-squares.js';
import { constantsName } from './student.js';

/**
 * Constants that are tried, each a tenth to two thirds above the one before. Those of `power` stay: its rows sum up to
 * what they will, and with the small constants that are nearest on average a row with a large score sums up to many
 * times the others, which norms that are affine later do not take back.
 */
const TRIED: Readonly<Record<AttentionFunction, readonly number[]>> = {
  softmax: [],
  '2quad': [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50],
  cgf: [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6],
  power: [],
};

/** What is fitted, to whom, and by what. */
export interface Fitting extends InTraining {
  /** the student's, of the stage that begins */
  hooks: Hooks;
  batches: readonly BertInputs[];
  /** layers from this one up are fitted, */
  from: number;
  /** up to this one, which is not */
  to: number;
  /** are constants too? Else they stay what they are */
  constants: boolean;
}

/** What the models make of one batch, up to the layer that is under way. */
interface Reached {
  inputs: BertInputs;
  /** [batch, tokens, 1], floats: 1, and 0 for padding */
  mask: tf.Tensor;
  own: tf.Tensor;
  theirs: tf.Tensor;
}

/** How many layers are fitted, of how many. */
export interface Fitted {
  layer: number;
  layers: number;
}

/** Fits one layer after another: each turn is one, so that a caller can look at other things in between. */
export function* fitAttention(fitting: Fitting): Generator<Fitted, void> {
  const { student, teacher, hooks, batches, from, to } = fitting;
  const reached = batches.map(
    (inputs): Reached => ({
      inputs,
      mask: tf.tidy(() => tf.expandDims(tf.cast(inputs.attentionMask, 'float32'), 2)),
      own: student.embed(inputs, hooks),
      theirs: teacher.embed(inputs),
    }),
  );
  try {
    for (let layer = 0; layer < to; layer++) {
      if (layer >= from) fitLayer(fitting, reached, layer);
      else for (const one of reached) move(one, 'theirs', teacher.layer(layer, one.theirs, one.inputs));
      for (const one of reached) move(one, 'own', student.layer(layer, one.own, one.inputs, hooks));
      yield { layer: layer + 1, layers: to };
    }
  } finally {
    for (const { mask, own, theirs } of reached) tf.dispose([mask, own, theirs]);
  }
}

function move(one: Reached, which: 'own' | 'theirs', to: tf.Tensor): void {
  one[which].dispose();
  one[which] = to;
}

/** Moves the teacher a layer further, and fits the student's to what it gave; the student itself is not moved. */
function fitLayer(fitting: Fitting, reached: readonly Reached[], layer: number): void {
  const goals: tf.Tensor[] = [];
  const sums = constantsTried(fitting, layer).map(sumsOf(fitting.student.config.heads));
  try {
    for (const one of reached) {
      const { context, goal, next } = givenBy(fitting.teacher, one, layer);
      goals.push(goal);
      compare(fitting, one, layer, context, sums);
      context.dispose();
      move(one, 'theirs', next);
    }
    choose(fitting, layer, sums);
    project(fitting, reached, layer, goals);
  } finally {
    tf.dispose(goals);
  }
}

/** What a teacher's heads give, what its layer's input is with attention's added, and what the layer gives. */
function givenBy(teacher: TrainableBert, { inputs, theirs }: Reached, layer: number) {
  return tf.tidy(() => {
    const seen = new Map<string, tf.Tensor>();
    const next = teacher.layer(layer, theirs, inputs, { seen: (what, _, x) => void seen.set(what, tf.keep(x)) });
    const [context, attention] = [seen.get('context')!, seen.get('attention')!];
    const goal = tf.add(theirs, attention);
    for (const [what, x] of seen) if (what !== 'context') x.dispose();
    return { context, goal, next };
  });
}

/** A layer's constants, one a head; a checkpoint may have one for all of them, which is not a weight. */
function constantsOf({ student, draft, weights }: Fitting, layer: number): Float32Array {
  const { attention, heads } = student.config;
  return weights.get(constantsName(draft, layer)) ?? new Float32Array(heads).fill(attention.constant);
}

/** Each is one constant for each head. */
function constantsTried(fitting: Fitting, layer: number): Float32Array[] {
  const { student, draft, weights, constants } = fitting;
  const { attention, heads } = student.config;
  const tried = constants && weights.has(constantsName(draft, layer)) ? TRIED[attention.function] : [];
  if (tried.length === 0) return [constantsOf(fitting, layer).slice()];
  return tried.map((c) => new Float32Array(heads).fill(c));
}

/** Sums of squares of what the teacher's heads give, of the student's, and of their products; one of each head. */
interface Sums {
  constants: Float32Array;
  theirs: Float64Array;
  own: Float64Array;
  both: Float64Array;
}

const sumsOf = (heads: number) => (constants: Float32Array) => {
  const [theirs, own, both] = [0, 1, 2].map(() => new Float64Array(heads)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  return { constants, theirs, own, both };
};

function dense(fitting: Fitting, layer: number, name: string) {
  const { student, draft } = fitting;
  const stem = `${draft.layer(layer)}attention.${name}`;
  return { weight: student.weights.get(`${stem}.weight`)!, bias: student.weights.get(`${stem}.bias`)! };
}

/** What the student's heads are made from, of what its layers below give. */
function scoresOf(fitting: Fitting, { own }: Reached, layer: number) {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => dense(fitting, layer, `self.${name}`));
  const w: AttentionWeights = { query: query!, key: key!, value: value! };
  return scored({ query: own, key: own, value: own }, w, fitting.student.config);
}

/** What the student's heads give with some constants, [batch, heads, tokens, width/heads]. */
function contextOf(
  { student }: Fitting,
  { scores, values }: Scored,
  { mask }: Reached,
  constants: Float32Array,
): tf.Tensor {
  const [batch, length] = mask.shape as [number, number];
  const columns = tf.reshape(mask, [batch, 1, 1, length]);
  const { weights } = weigh(scores, columns, student.config.attention, tf.tensor1d(constants));
  return tf.mul(tf.matMul(weights, values), tf.reshape(mask, [batch, 1, length, 1]));
}

function compare(fitting: Fitting, one: Reached, layer: number, context: tf.Tensor, sums: readonly Sums[]): void {
  const { heads } = fitting.student.config;
  tf.tidy(() => {
    const from = scoresOf(fitting, one, layer);
    const goal = splitHeads(tf.mul(context, one.mask), heads);
    const perHead = (t: tf.Tensor) => tf.sum(t, [0, 2, 3]);
    const squares = perHead(tf.square(goal)).dataSync();
    for (const sum of sums) {
      const [own, both] = tf.tidy(() => {
        const c = contextOf(fitting, from, one, sum.constants);
        return [perHead(tf.square(c)).dataSync(), perHead(tf.mul(c, goal)).dataSync()];
      });
      for (let h = 0; h < heads; h++) {
        sum.theirs[h] = sum.theirs[h]! + squares[h]!;
        sum.own[h] = sum.own[h]! + own![h]!;
        sum.both[h] = sum.both[h]! + both![h]!;
      }
    }
  });
}

/** Takes each head's best constant. Rows of `power` need not sum up to 1: its values are made as large as they help. */
function choose(fitting: Fitting, layer: number, sums: readonly Sums[]): void {
  const { student, draft, weights, show } = fitting;
  const { heads, attention } = student.config;
  const free = attention.function === 'power';
  const name = constantsName(draft, layer);
  const constants = constantsOf(fitting, layer);
  const scales = new Float64Array(heads).fill(1);
  for (let h = 0; h < heads; h++) {
    let least = Number.POSITIVE_INFINITY;
    for (const { constants: tried, theirs, own, both } of sums) {
      const scale = free ? both[h]! / Math.max(own[h]!, Number.MIN_VALUE) : 1;
      const error = theirs[h]! - 2 * scale * both[h]! + scale * scale * own[h]!;
      if (!(error < least)) continue;
      [least, scales[h], constants[h]] = [error, scale, tried[h]!];
    }
  }
  if (weights.has(name)) show(name);
  if (free) scaleValues(fitting, layer, scales);
}

/** The output projection with which the layer's input and attention's come nearest to the teacher's. */
function project(fitting: Fitting, reached: readonly Reached[], layer: number, goals: readonly tf.Tensor[]): void {
  const { student, draft, weights, show } = fitting;
  const { hidden } = student.config;
  const n = hidden + 1;
  const constants = constantsOf(fitting, layer);
  const [gram, right] = [new Float64Array(n * n), new Float64Array(n * hidden)];
  const add = (sum: Float64Array, x: tf.Tensor) => {
    const values = x.dataSync();
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!;
  };
  const { weight, bias } = dense(fitting, layer, 'output.dense');
  for (const [i, one] of reached.entries()) {
    tf.tidy(() => {
      const [batch, length] = one.mask.shape as [number, number];
      const heads = contextOf(fitting, scoresOf(fitting, one, layer), one, constants);
      const context = tf.reshape(joinHeads(heads), [batch * length, hidden]);
      const rows = tf.reshape(one.mask, [batch * length, 1]);
      const missing = tf.reshape(tf.mul(tf.sub(goals[i]!, one.own), one.mask), [batch * length, hidden]);
      const given = tf.add(tf.matMul(context, weight as tf.Tensor2D), tf.mul(rows, bias));
      const features = tf.concat([context, rows], 1);
      add(gram, tf.matMul(features, features, true));
      add(right, tf.matMul(features, tf.sub(missing, given), true));
    });
  }
  try {
    leastSquares(gram, right, n, hidden, RIDGE);
  } catch (cause) {
    throw new DistillError(
      'TRAINING_DIVERGED',
      `layer ${layer + 1}: what the student's heads or the teacher's give is no finite number; look at the teacher's ` +
        'weights, or begin with another constant',
      { cause },
    );
  }
  const stem = `${draft.layer(layer)}attention.output.dense`;
  for (const [name, from] of [
    ['weight', 0],
    ['bias', hidden * hidden],
  ] as const) {
    const values = weights.get(`${stem}.${name}`)!;
    for (let i = 0; i < values.length; i++) values[i] = values[i]! + right[from + i]!;
    show(`${stem}.${name}`);
  }
}
