/** Weights of attention: as the suite has them, and 2Quad's with a mask and a bias. */
import type { Unnormalised } from '../compose/softmax.js';
import type { GraphNode } from '../graph/graph.js';
import type { Lowered, LoweredNodes } from './lowered.js';
import { claimedMagnitude, type NodeRanges, scoresOf } from './ranges.js';

/** 2Quad of scores with their bias, where the mask has ones. */
export function quadWeights(
  nodes: LoweredNodes,
  node: GraphNode & { op: 'quad' },
  ranges: NodeRanges | undefined,
): Lowered {
  const [scores, mask, bias] = node.in as [number, number?, number?];
  const x = biased(nodes, ranges, node, nodes.share(scores), bias);
  const masked = mask === undefined ? undefined : nodes.share(mask);
  return weights(nodes.suite.quad(nodes.emitter, x, node.c, masked, nodes.isCarried));
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

/** Weights of attention as a suite makes them: ready, or not divided by their sum yet. */
export function weights(made: number | Unnormalised): Lowered {
  return typeof made === 'number' ? { value: made } : { soft: made };
}
