import type { SecretNode } from '../node-values.js';
import { sumWithScalar, throughViews } from './patterns.js';

/**
 * 2Quad as plain operations: p/Σp over the last axis, p = (s + c)² or (s + c)²·mask with a mask of zeros and ones that the caller wrote.
 */
export function matchQuad(n: SecretNode): { scores: SecretNode; c: number; mask: SecretNode | undefined } | undefined {
  if (n.op !== 'div') return undefined;
  const [p, s] = n.inputs as [SecretNode, SecretNode];
  const total = throughViews(s);
  const axes = total.op === 'sum' ? total.attr<number[]>('axes') : [];
  if (total.inputs[0] !== p || axes.length !== 1 || axes[0] !== p.shape.length - 1) return undefined;
  if (p.op === 'mul') {
    for (const [square, mask] of [p.inputs, [...p.inputs].reverse()] as [SecretNode, SecretNode][]) {
      const shifted = shiftedSquare(square);
      if (shifted && mask.values?.every((v) => v === 0 || v === 1)) return { ...shifted, mask };
    }
  }
  const shifted = shiftedSquare(p);
  return shifted && { ...shifted, mask: undefined };
}

function shiftedSquare(n: SecretNode): { scores: SecretNode; c: number } | undefined {
  const inner = n.op === 'square' ? n.inputs[0] : n.op === 'mul' && n.inputs[0] === n.inputs[1] ? n.inputs[0] : undefined;
  const sum = sumWithScalar(inner);
  return sum && { scores: sum.x, c: sum.c };
}
