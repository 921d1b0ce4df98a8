/** Weights of attention: as the suite has them, and 2Quad's with a mask and a bias, where the mask is cheapest. */
import { quadSoftmax, type Unnormalised } from '../compose/softmax.js';
import type { Graph, GraphNode } from '../graph/graph.js';
import type { Suite } from '../suites/suite.js';
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
  if (mask === undefined) return weights(quad(e, nodes.share(scores), node.c, undefined, nodes.isCarried));
  const product = quad === quadSoftmax ? maskedProduct(nodes.graph, node) : undefined;
  if (!product) {
    return weights(
      quad(
        e,
        biased(nodes, ranges, node, nodes.share(scores), bias),
        node.c,
        e.broadcast(nodes.share(mask), node.shape),
        nodes.isCarried,
      ),
    );
  }
  const [query, key] = product.node.in as [number, number];
  const shape = nodes.shapeOf(mask);
  const column = e.reshape(nodes.share(mask), [...shape.slice(0, -2), shape.at(-1)!, 1]);
  // The keys' lift, or their opening for another product: they are not opened whole to be opened again
  const maskedKeys = e.times(e.factor(nodes.share(key)), e.factor(column));
  const masked = e.product(e.operand(nodes.share(query)), e.operand(maskedKeys), false, true);
  const scaled = e.scale(masked, product.scale);
  const shifted = node.c === 0 ? scaled : e.add(scaled, e.broadcast(e.scale(nodes.share(mask), node.c), node.shape));
  const biasedScores = bias === undefined ? shifted : e.add(shifted, e.broadcast(nodes.share(bias), node.shape));
  return weights(quadSoftmax(e, biasedScores, 0, undefined, nodes.isCarried));
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

interface ScaledProduct {
  node: GraphNode;
  scale: number;
}

/** The product behind 2Quad's scores, where a mask over the keys can be multiplied by them. */
function maskedProduct({ nodes }: Graph, { in: [scores, mask], shape: own }: GraphNode): ScaledProduct | undefined {
  const { node, scale } = scaledProduct(nodes, scores!);
  const { shape } = nodes[mask!]!;
  const keysOnly = (shape.length === 1 || shape.at(-2) === 1) && shape.at(-1) === own.at(-1);
  return node.op === 'matMul' && node.transposeB && !node.transposeA && keysOnly ? { node, scale } : undefined;
}

/** A node that is another one times a public number. */
function scaledProduct(nodes: readonly GraphNode[], at: number): ScaledProduct {
  const node = nodes[at]!;
  const [a, b] = node.in as [number, number];
  const constant = (i: number) => {
    const n = nodes[i]!;
    return n.op === 'constant' ? n.values : undefined;
  };
  const values = node.op === 'mul' ? (constant(b) ?? constant(a)) : node.op === 'div' ? constant(b) : undefined;
  if (values?.length !== 1) return { node, scale: 1 };
  const of = nodes[constant(a) ? b : a]!;
  return { node: of, scale: node.op === 'div' ? 1 / values[0]! : values[0]! };
}

/**
 * Products that `quadWeights` makes anew of masked keys. As they stand nothing may need them, so nothing of them is
 * watched: the same query and keys are, where they are opened for the new ones.
 */
export function rewrittenProducts(graph: Graph, suite: Suite): Set<GraphNode> {
  const masked = (node: GraphNode) => node.op === 'quad' && node.in[1] !== undefined;
  if (suite.quad !== quadSoftmax) return new Set();
  return new Set(
    graph.nodes.flatMap((n) => {
      const found = masked(n) ? maskedProduct(graph, n) : undefined;
      return found ? [found.node] : [];
    }),
  );
}

/** Weights of attention as a suite makes them: ready, or not divided by their sum yet. */
export function weights(made: number | Unnormalised): Lowered {
  return typeof made === 'number' ? { value: made } : { soft: made };
}
