/** Weights of attention: as the suite has them, and 2Quad's with a mask and a bias, where the mask is cheapest. */
import { quadSoftmax, type Unnormalised } from '../compose/softmax.js';
import type { GraphNode } from '../graph/graph.js';
import type { Lowered, LoweredNodes } from './lowered.js';
import { claimedMagnitude, type NodeRanges, scoresOf } from './ranges.js';

/**
 * 2Quad. A mask over the keys is cheapest on the keys: with K' = mask∘K and c·mask in the place of c, a masked score
 * is 0 before it is squared, and the weights need no mask of their own. A bias is 0 where the mask is, so that it
 * needs no product.
 */
export function quadWeights(
  nodes: LoweredNodes,
  node: GraphNode & { op: 'quad' },
  ranges: NodeRanges | undefined,
): Lowered {
  const e = nodes.emitter;
  const { quad } = nodes.suite;
  const [scores, mask, bias] = node.in as [number, number?, number?];
  if (mask === undefined) return weights(quad(e, nodes.share(scores), node.c));
  const { product, scale } = scaledProduct(nodes, scores);
  const shape = nodes.shapeOf(mask);
  const keysOnly = shape.length === 1 || shape.at(-2) === 1;
  if (
    quad !== quadSoftmax ||
    product.op !== 'matMul' ||
    !product.transposeB ||
    product.transposeA ||
    !keysOnly ||
    shape.at(-1) !== node.shape.at(-1)
  ) {
    return weights(
      quad(
        e,
        biased(nodes, ranges, node, nodes.share(scores), bias),
        node.c,
        e.broadcast(nodes.share(mask), node.shape),
      ),
    );
  }
  const [query, key] = product.in as [number, number];
  const column = e.reshape(nodes.share(mask), [...shape.slice(0, -2), shape.at(-1)!, 1]);
  const masked = e.product(e.operand(nodes.share(query)), e.operand(e.mul(nodes.share(key), column)), false, true);
  const shifted = e.add(e.scale(masked, scale), e.broadcast(e.scale(nodes.share(mask), node.c), node.shape));
  return weights(
    quadSoftmax(e, bias === undefined ? shifted : e.add(shifted, e.broadcast(nodes.share(bias), node.shape)), 0),
  );
}

/** Scores with their bias, as narrow as calibration has seen both. */
function biased(
  nodes: LoweredNodes,
  ranges: NodeRanges | undefined,
  node: GraphNode,
  scores: number,
  bias: number | undefined,
): number {
  if (bias === undefined) return scores;
  const e = nodes.emitter;
  const sum = e.add(scores, e.broadcast(nodes.share(bias), node.shape));
  const seen = ranges && scoresOf(node, ranges);
  return seen ? e.claim(sum, claimedMagnitude(seen)) : sum;
}

/** A node that is another one times a public number. */
function scaledProduct(nodes: LoweredNodes, at: number): { product: GraphNode; scale: number } {
  const node = nodes.graph.nodes[at]!;
  const [a, b] = node.in as [number, number];
  const constant =
    node.op === 'mul' ? (nodes.constant(b) ?? nodes.constant(a)) : node.op === 'div' ? nodes.constant(b) : undefined;
  if (constant?.length !== 1) return { product: node, scale: 1 };
  const of = nodes.graph.nodes[nodes.constant(a) ? b : a]!;
  return { product: of, scale: node.op === 'div' ? 1 / constant[0]! : constant[0]! };
}

/** Weights of attention as a suite makes them: ready, or not divided by their sum yet. */
export function weights(made: number | Unnormalised): Lowered {
  return typeof made === 'number' ? { value: made } : { soft: made };
}
