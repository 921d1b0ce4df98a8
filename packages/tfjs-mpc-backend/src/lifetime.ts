/**
 * How long recorded values live: as long as a handle, a node that is not computed yet, or a read refers to them. Graphs
 * may be deep, so nothing here recurses.
 */
import type { SecretNode } from './node-values.js';
import { free } from './sharing.js';

/**
 * Keeps values, and all that they are computed from, until the returned function is called. What is held counts as
 * used, so a read finds the same graph whether its tensor was disposed of meanwhile or not.
 */
export function hold(nodes: Iterable<SecretNode>): () => void {
  const held = [...nodes];
  for (const n of held) n.users++;
  return () => release(held.splice(0));
}

/** A computed node stands for itself: what it was computed from is let go. */
export function executed(node: SecretNode): void {
  const { inputs } = node;
  node.inputs = [];
  // So that no pattern looks for operands that are not there any more
  node.op = 'leaf';
  release(inputs);
}

/** Takes one user from each of these nodes, and gives up what nobody refers to any more. */
export function release(nodes: readonly SecretNode[]): void {
  const left = [...nodes];
  const tensors: number[] = [];
  for (let node = left.pop(); node; node = left.pop()) {
    if (--node.users > 0) continue;
    for (const { tensor } of node.variants.values()) tensors.push(tensor);
    tensors.push(...node.unusable.splice(0));
    if (node.tensor !== undefined) tensors.push(node.tensor);
    for (const i of node.inputs) left.push(i);
    for (const made of node.derived.values()) left.push(...made);
    node.derived.clear();
    if (node.inputs.length > 0) node.op = 'leaf';
    node.inputs = [];
  }
  free(tensors);
}
