import type { SecretNode } from '../node-values.js';
import { checkBits } from './floor.js';
import { sumWithScalar, throughViews } from './patterns.js';

/**
 * 2Quad as plain operations: p/Σp over the last axis, p = (s + c)² or (s + c)²·mask with a mask of integers or bits
 * that the caller wrote. That it was written as such says that it is a mask; its values say nothing, for the graph
 * would tell them. A float factor may be anything, and stays an ordinary product.
 * @throws SecformerError where such a mask holds anything but zeros and ones
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
      if (!shifted || mask.op !== 'leaf' || !mask.values || mask.privacy !== 'local') continue;
      // A client's are looked at when it has them
      if (!mask.step) checkBits(mask.values);
      return { ...shifted, mask };
    }
  }
  const shifted = shiftedSquare(p);
  return shifted && { ...shifted, mask: undefined };
}

function shiftedSquare(n: SecretNode): { scores: SecretNode; c: number } | undefined {
  const inner =
    n.op === 'square' ? n.inputs[0] : n.op === 'mul' && n.inputs[0] === n.inputs[1] ? n.inputs[0] : undefined;
  const sum = sumWithScalar(inner);
  return sum && { scores: sum.x, c: sum.c };
}
