import type { SecretNode } from '../node-values.js';
import { sumWithScalar, throughViews } from './patterns.js';

/**
 * (x − mean(x))/√(var(x) + ε) over the last axis, with rsqrt or a division by sqrt; the variance as a mean of squares
 * of the same difference. Gain and bias stay ordinary operations.
 */
export function matchLayerNorm(n: SecretNode): { x: SecretNode; epsilon: number } | undefined {
  if (n.op !== 'mul' && n.op !== 'div') return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  const pairs: [SecretNode, SecretNode][] =
    n.op === 'div'
      ? [[a, b]]
      : [
          [a, b],
          [b, a],
        ];
  for (const [difference, scale] of pairs) {
    const root = throughViews(scale);
    if (root.op !== (n.op === 'div' ? 'sqrt' : 'rsqrt')) continue;
    const sum = sumWithScalar(throughViews(root.inputs[0]!));
    const x = meanDifference(difference);
    if (sum && x && sum.c >= 0 && varianceOf(throughViews(sum.x)) === x) return { x, epsilon: sum.c };
  }
  return undefined;
}

/**
 * The same with gain and bias folded in, as TensorFlow writes it: x·a + (β − mean·a), a = γ/√(var + ε). Left as it
 * stands, mean·a and x·a cancel where the mean is much larger than the deviation.
 */
export function matchFoldedLayerNorm(
  n: SecretNode,
): { x: SecretNode; epsilon: number; gain: SecretNode | undefined; bias: SecretNode } | undefined {
  if (n.op !== 'add') return undefined;
  for (const [scaled, rest] of [n.inputs, [...n.inputs].reverse()] as [SecretNode, SecretNode][]) {
    if (scaled.op !== 'mul' || rest.op !== 'sub' || rest.inputs[1]!.op !== 'mul') continue;
    const [bias, shift] = rest.inputs as [SecretNode, SecretNode];
    for (const [x, a] of [scaled.inputs, [...scaled.inputs].reverse()] as [SecretNode, SecretNode][]) {
      const mean = shift.inputs.find((i) => i !== a);
      if (!shift.inputs.includes(a) || !mean || !isRowMean(throughViews(mean)) || throughViews(mean).inputs[0] !== x)
        continue;
      const scale = inverseDeviation(a, x);
      if (scale) return { x, bias, ...scale };
    }
  }
  return undefined;
}

/** γ and ε of a = γ/√(var(x) + ε) */
function inverseDeviation(a: SecretNode, x: SecretNode): { epsilon: number; gain: SecretNode | undefined } | undefined {
  const parts: [SecretNode, SecretNode | undefined][] =
    a.op === 'mul'
      ? [
          [a.inputs[0]!, a.inputs[1]],
          [a.inputs[1]!, a.inputs[0]],
        ]
      : [[a, undefined]];
  for (const [root, gain] of parts) {
    const inverse = throughViews(root);
    if (inverse.op !== 'rsqrt') continue;
    const variance = throughViews(inverse.inputs[0]!);
    const sum = sumWithScalar(variance) ?? { x: variance, c: 0 };
    if (varianceOf(throughViews(sum.x)) === x) return { epsilon: sum.c, gain };
  }
  return undefined;
}

/** x of x − mean(x) */
function meanDifference(n: SecretNode): SecretNode | undefined {
  if (n.op !== 'sub') return undefined;
  const [x, m] = n.inputs as [SecretNode, SecretNode];
  const mean = throughViews(m);
  return isRowMean(mean) && mean.inputs[0] === x ? x : undefined;
}

function isRowMean(n: SecretNode): boolean {
  const axes = n.op === 'mean' ? n.attr<number[]>('axes') : [];
  return axes.length === 1 && axes[0] === n.inputs[0]!.shape.length - 1;
}

/** x of mean((x − mean(x))²) */
function varianceOf(n: SecretNode): SecretNode | undefined {
  if (!isRowMean(n)) return undefined;
  const square = n.inputs[0]!;
  if (square.op === 'square') return meanDifference(square.inputs[0]!);
  if (square.op === 'mul' && square.inputs[0] === square.inputs[1]) return meanDifference(square.inputs[0]!);
  return undefined;
}
