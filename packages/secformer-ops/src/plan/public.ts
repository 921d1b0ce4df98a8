/** Which values public tensors multiply next: what makes them leaves room for that, and they are not truncated. */
import type { Graph } from '../graph/graph.js';

const WEIGHTS = new Set(['softmax', 'quad']);
const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'broadcast']);

/**
 * Nodes of a graph that a matrix product or a product with a public tensor takes, with views between; and the weights
 * of attention that such a value is a product of.
 * @param isPublic whether each node is a public input
 */
export function multipliedByPublic({ nodes, outputs }: Graph, isPublic: readonly boolean[]): Set<number> {
  const found = new Set<number>();
  const known = [...isPublic];
  nodes.forEach((n, i) => {
    if (VIEWS.has(n.op) && known[n.in[0]!]) known[i] = true;
  });
  if (!known.includes(true)) return found;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const n = nodes[i]!;
    const multiplies = (n.op === 'matMul' || n.op === 'mul') && n.in.some((x) => known[x]!);
    if (multiplies || (VIEWS.has(n.op) && found.has(i))) for (const x of n.in) if (!known[x]) found.add(x);
    if (n.op === 'matMul' && found.has(i) && WEIGHTS.has(nodes[n.in[0]!]!.op)) found.add(n.in[0]!);
  }
  for (const o of outputs) found.delete(o);
  return found;
}
