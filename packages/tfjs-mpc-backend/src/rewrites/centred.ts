/**
 * Rows that a LayerNorm takes, less their mean before they exist. The norm of x is that of x − mean(x), and where x is
 * a dense layer and what passes by it, its mean is that of both: the owner of the weights takes it from them, and the
 * other's is known long before it is needed. The norm then opens no sums of its rows.
 */
import { type Shape, suiteOf } from '@secformer/secformer-ops';
import { operandFormat } from '../config.js';
import type { Emission } from '../emission.js';
import type { SecretNode } from '../node-values.js';
import { centredRows } from './dense-rows.js';
import { matchFoldedLayerNorm, matchLayerNorm } from './layer-norm.js';
import { isGiven } from './patterns.js';

/** Terms of a sum that a norm takes: a dense layer, its bias, what passes by. */
const TERMS = 4;
/**
 * With the fractional bits of centred weights the rows hold ±2^12, and no row of so many values whose variance
 * LayerNorm holds, 2^31/H², has one beyond: √(2^31/H) is the most. With 13-bit operands they hold ±2^11.
 */
const LEAST_WIDTH = 128;

const passing = (n: SecretNode) => n.tensor === undefined && !n.values;

/** Whether a value is a LayerNorm with its gain and bias, whose mean is small. */
function isNorm(n: SecretNode): boolean {
  if (n.op === 'reshape' && passing(n)) return isNorm(n.inputs[0]!);
  if (n.op !== 'add' || !passing(n)) return false;
  const scaled = (i: SecretNode) => i.op === 'mul' && passing(i) && i.inputs.some((x) => matchLayerNorm(x));
  return matchFoldedLayerNorm(n) !== undefined || n.inputs.some(scaled);
}

/** What a part of a sum of rows is: another sum, a view of one, or a term that can be centred. */
function kindOf(
  e: Emission,
  n: SecretNode,
  root: boolean,
): 'parts' | 'dense' | 'public dense' | 'bias' | 'rows' | 'norm' | undefined {
  if (isGiven(n)) return n.shape.length === 1 ? 'bias' : 'rows';
  if (isNorm(n)) return 'norm';
  if (!passing(n) || !(root || e.usedOnce(n))) return undefined;
  const keepsRows = n.inputs.every((i) => i.shape.at(-1) === n.shape.at(-1));
  if (n.op === 'add' || n.op === 'reshape') return keepsRows ? 'parts' : undefined;
  if (n.op !== 'matMul' || n.attr<boolean>('transposeA')) return undefined;
  const [x, w] = n.inputs as [SecretNode, SecretNode];
  // The gain of a norm goes into the weights of what takes it
  if (!isGiven(w) || w.shape.length !== 2 || isNorm(x)) return undefined;
  return w.owner === 'public' ? 'public dense' : 'dense';
}

/** The kinds of all terms; undefined where one cannot be centred. */
function termsOf(e: Emission, n: SecretNode, root = true): string[] | undefined {
  const kind = kindOf(e, n, root);
  if (kind !== 'parts') return kind && [kind];
  const parts = n.inputs.map((i) => termsOf(e, i, false));
  return parts.every((p) => p !== undefined) ? parts.flat() : undefined;
}

function emitCentred(e: Emission, n: SecretNode, root = true): number {
  switch (kindOf(e, n, root)) {
    case 'dense':
    case 'public dense':
      return centredDense(e, n);
    case 'bias':
      return centredBias(e, n);
    case 'rows':
      return centredOwn(e, n);
    case 'norm':
      return centredTaken(e, n);
    default: {
      const parts = n.inputs.map((i) => emitCentred(e, i, false));
      return e.push({ op: n.op as 'add' | 'reshape', in: parts, shape: n.shape });
    }
  }
}

function centredDense(e: Emission, n: SecretNode): number {
  const [x, w] = n.inputs as [SecretNode, SecretNode];
  const turned = n.attr<boolean>('transposeB');
  const [depth, width] = turned ? [w.shape[1]!, w.shape[0]!] : [w.shape[0]!, w.shape[1]!];
  const bits = operandFormat().centred;
  const weights = e.variant(w, `centred ${bits}`, () => centredRows({ values: w.values!, depth, width, turned }), bits);
  return e.push({ op: 'matMul', transposeA: false, transposeB: turned, in: [e.node(x), weights], shape: n.shape });
}

function centredBias(e: Emission, n: SecretNode): number {
  const bits = operandFormat().centred;
  return e.variant(
    n,
    `centred ${bits}`,
    () => {
      const mean = n.values!.reduce((a, b) => a + b, 0) / n.values!.length;
      return n.values!.map((v) => v - mean);
    },
    bits,
  );
}

/** Rows that the caller knows, such as what it has looked up in a public table, less their means. */
function centredOwn(e: Emission, n: SecretNode): number {
  const width = n.shape.at(-1)!;
  const values = () => {
    const out = new Float32Array(n.values!.length);
    for (let at = 0; at < out.length; at += width) {
      const row = n.values!.subarray(at, at + width);
      const mean = row.reduce((a, b) => a + b, 0) / width;
      for (let j = 0; j < width; j++) out[at + j] = row[j]! - mean;
    }
    return out;
  };
  return e.variant(n, 'centred rows', values);
}

/** A value less the mean of its rows, which is taken and opened when the value is there. */
function centredTaken(e: Emission, n: SecretNode): number {
  const x = e.node(n);
  const shape = [...n.shape.slice(0, -1), 1];
  const sum = e.push({ op: 'sum', axes: [n.shape.length - 1], small: true, in: [x], shape });
  const share = e.push({ op: 'constant', values: [1 / n.shape.at(-1)!], in: [], shape: [] });
  return e.push({ op: 'sub', in: [x, e.push({ op: 'mul', in: [sum, share], shape })], shape: n.shape });
}

/** Nodes below `root` that take x. */
function takers(root: SecretNode, x: SecretNode): number {
  const seen = new Set<SecretNode>();
  const left = [root];
  let count = 0;
  for (let n = left.pop(); n; n = left.pop()) {
    if (seen.has(n) || n === x || !passing(n)) continue;
    seen.add(n);
    count += n.inputs.filter((i) => i === x).length;
    left.push(...n.inputs);
  }
  return count;
}

function centred(e: Emission, norm: SecretNode, x: SecretNode): number | undefined {
  if (
    suiteOf(e.suite).takesCentred !== true ||
    x.shape.at(-1)! < LEAST_WIDTH ||
    !passing(x) ||
    e.uses(x) > takers(norm, x)
  )
    return undefined;
  const terms = termsOf(e, x);
  const dense = terms?.filter((t) => t === 'dense' || t === 'public dense') ?? [];
  if (!terms || dense.length !== 1 || terms.length > TERMS) return undefined;
  // Of rows that the caller knows another tensor is shared: beside public weights that is worth it
  if (terms.includes('rows') && dense[0] !== 'public dense') return undefined;
  return emitCentred(e, x);
}

/** Of each emission, the rows that norms take. */
const emitted = new WeakMap<Emission, Map<SecretNode, number>>();

/**
 * Emits a LayerNorm.
 * @param norm the value that it is found in, gain and bias apart or not
 */
export function layerNormOf(
  e: Emission,
  norm: SecretNode,
  { x, epsilon }: { x: SecretNode; epsilon: number },
  shape: Shape,
): number {
  const known = emitted.get(e) ?? new Map<SecretNode, number>();
  emitted.set(e, known);
  const rows = known.get(x) ?? centred(e, norm, x);
  if (rows === undefined) return e.push({ op: 'layerNorm', epsilon, in: [e.node(x)], shape });
  known.set(x, rows);
  return e.push({ op: 'layerNorm', epsilon, centred: true, in: [rows], shape });
}
