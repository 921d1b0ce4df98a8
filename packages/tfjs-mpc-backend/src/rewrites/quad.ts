import type { Emission } from '../emission.js';
import { passing, type SecretNode } from '../node-values.js';
import { checkBits } from './floor.js';
import { sumWithOwn, sumWithScalar, throughViews } from './patterns.js';

/** What is squared: scores, and what is added to them, a public number or a constant for each head. */
interface Shifted {
  scores: SecretNode;
  c: number;
  constants: SecretNode | undefined;
}

/**
 * 2Quad as plain operations: p/Σp over the last axis, p = (s + c)² or (s + c)²·mask with a mask of integers or bits
 * that the caller wrote. That it was written as such says that it is a mask; its values say nothing, for the graph
 * would tell them. A float factor may be anything, and stays an ordinary product. c is a public number, or constants
 * of the caller's, the same for all scores of a head.
 * @throws SecformerError where such a mask holds anything but zeros and ones
 */
export function matchQuad(n: SecretNode): (Shifted & { mask: SecretNode | undefined }) | undefined {
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

function shiftedSquare(n: SecretNode): Shifted | undefined {
  const inner =
    n.op === 'square' ? n.inputs[0] : n.op === 'mul' && n.inputs[0] === n.inputs[1] ? n.inputs[0] : undefined;
  const sum = sumWithScalar(inner);
  if (sum) return { scores: sum.x, c: sum.c, constants: undefined };
  const own = sumWithOwn(inner);
  return own && { scores: own.x, c: 0, constants: own.own };
}

/**
 * Emits a 2Quad. Constants are the bias beside its mask, and 0 where the mask is: where both are the caller's that is
 * computed here, and else by the nodes.
 * @param fold whether what the caller knows is computed in this process
 */
export function quadOf(e: Emission, n: SecretNode, fold: boolean): number | undefined {
  const found = matchQuad(n);
  if (!found) return undefined;
  const { scores, c, constants, mask } = found;
  const x = e.node(scores);
  const push = (from: number[]) => e.push({ op: 'quad', c, in: from, shape: n.shape });
  if (!mask) {
    if (!constants) return push([x]);
    return push([e.push({ op: 'add', in: [x, e.node(constants)], shape: n.shape })]);
  }
  const { values } = mask;
  const bits = mask.step ? e.own(passing('bits', [mask], mask.shape), 0) : e.variant(mask, 'bits', () => values!, 0);
  if (!constants) return push([x, bits]);
  const shape = broadcastShape(constants.shape, mask.shape);
  const bias = passing('mul', [constants, passing('bits', [mask], mask.shape)], shape);
  if (fold && bias.own) return push([x, bits, e.own(bias)]);
  return push([x, bits, e.push({ op: 'mul', in: [e.node(constants), bits], shape })]);
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const at = (s: readonly number[], i: number) => s[i - rank + s.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => Math.max(at(a, i), at(b, i)));
}
