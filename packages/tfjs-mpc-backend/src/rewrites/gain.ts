import { operandFormat } from '../config.js';
import type { Emission } from '../emission.js';
import type { SecretNode } from '../node-values.js';
import { layerNormOf } from './centred.js';
import { scaledRows, weightedRows } from './dense-rows.js';
import { matchFoldedLayerNorm, matchLayerNorm } from './layer-norm.js';
import { isGiven } from './patterns.js';

/** Fractional bits of weights that the gain of no LayerNorm is folded into: its rows may be as large as any others. */
const USUAL_BITS = 16;

/** Rows, of a LayerNorm as a rule, with their gain and bias apart, both tensors that the caller wrote. */
interface Affine {
  /** graph node of the rows */
  normal: number;
  /** fractional bits of weights for them */
  fracBits: number;
  gain: SecretNode | undefined;
  bias: SecretNode;
}

/**
 * A dense layer on a LayerNorm: (x̂∘γ + β)·W = x̂·(γ∘W) + βW. γ, β and W are the caller's own, so it folds them before
 * they are shared: the rows are opened once, for the product, and not for the gain as well. The same of rows that are
 * not normalised, as of a student whose norms are a gain and a bias.
 * @param factor a public factor that moves into the weights too
 */
export function foldedGain(e: Emission, n: SecretNode, factor = 1): number | undefined {
  if (n.op !== 'matMul' || n.attr<boolean>('transposeA')) return undefined;
  const [x, w] = n.inputs as [SecretNode, SecretNode];
  // Of a client's there is nothing to fold a model's into
  if (!isGiven(w) || w.shape.length !== 2) return undefined;
  const flat = x.op === 'reshape' && x.tensor === undefined ? x.inputs[0]! : x;
  const turned = n.attr<boolean>('transposeB');
  const [depth, width] = turned ? [w.shape[1]!, w.shape[0]!] : [w.shape[0]!, w.shape[1]!];
  if (flat.shape.at(-1) !== depth || x.shape.at(-1) !== depth || flat.tensor !== undefined || flat.values)
    return undefined;
  const found = affineNorm(e, flat, depth);
  if (!found) return undefined;
  const { gain, bias, fracBits } = found;
  // What is secret does not go into weights that everybody may know
  if (w.owner === 'public' && [gain, bias].some((v) => v && v.owner !== 'public')) return undefined;
  const matrix = () => ({ values: w.values!, depth, width, turned });
  const key = `gain ${gain?.id ?? 'none'} ${factor} ${fracBits}`;
  const weights = e.variant(w, key, () => scaledRows(matrix(), gain?.values, factor), fracBits);
  const offset = e.variant(
    w,
    `bias ${bias.id} ${factor}`,
    () => weightedRows(matrix(), bias.values!, factor),
    undefined,
    [width],
  );
  const rows = flat === x ? found.normal : e.push({ op: 'reshape', in: [found.normal], shape: x.shape });
  const product = e.push({ op: 'matMul', transposeA: false, transposeB: turned, in: [rows, weights], shape: n.shape });
  return e.push({ op: 'add', in: [product, offset], shape: n.shape });
}

/**
 * Gains of rows that are not normalised: with smaller ones the folded weights would keep fewer digits than the rows'
 * size asks for, and with larger ones they might leave the range that weights have.
 */
const [LEAST_GAIN, MOST_GAIN] = [1 / 4, 16];

const isModerate = (gain: SecretNode) =>
  gain.values!.every((g) => Math.abs(g) >= LEAST_GAIN && Math.abs(g) <= MOST_GAIN);

const isComputed = (n: SecretNode) => !n.own && !n.values && n.op !== 'leaf' && n.op !== 'constant';

function affineNorm(e: Emission, n: SecretNode, depth: number): Affine | undefined {
  const own = (v: SecretNode | undefined) =>
    v !== undefined && isGiven(v) && v.shape.length === 1 && v.shape[0] === depth;
  const folded = matchFoldedLayerNorm(n);
  if (folded) {
    const { gain, bias } = folded;
    if (!own(bias) || (gain && !own(gain))) return undefined;
    return { normal: layerNormOf(e, n, folded, n.shape), gain, bias, fracBits: operandFormat().folded };
  }
  if (n.op !== 'add') return undefined;
  for (const [scaled, bias] of [n.inputs, [...n.inputs].reverse()] as [SecretNode, SecretNode][]) {
    if (scaled.op !== 'mul' || scaled.tensor !== undefined || scaled.values || !own(bias)) continue;
    const normal = scaled.inputs.find((i) => matchLayerNorm(i));
    const gain = scaled.inputs.find((i) => i !== normal);
    if (normal && own(gain)) return { normal: e.node(normal), gain, bias, fracBits: operandFormat().folded };
    const scale = scaled.inputs.find(own);
    const rows = scaled.inputs.find((i) => i !== scale);
    if (normal || !scale || !rows || !isComputed(rows) || rows.shape.join() !== n.shape.join()) continue;
    if (isModerate(scale)) return { normal: e.node(rows), gain: scale, bias, fracBits: USUAL_BITS };
  }
  return undefined;
}
