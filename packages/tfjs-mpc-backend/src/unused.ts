import type { Graph, GraphNode } from '@secformer/secformer-ops';

/** The same graph without the nodes that no output is computed from. */
export function withoutUnused({ nodes, outputs, ...rest }: Graph): Graph {
  const used = nodes.map(() => false);
  for (const o of outputs) used[o] = true;
  for (let i = nodes.length - 1; i >= 0; i--) if (used[i]) for (const x of nodes[i]!.in) used[x] = true;
  const places: number[] = [];
  const fewer: GraphNode[] = [];
  nodes.forEach((n, i) => {
    if (used[i]) places[i] = fewer.push({ ...n, in: n.in.map((x) => places[x]!) }) - 1;
  });
  return { ...rest, nodes: fewer, outputs: outputs.map((o) => places[o]!) };
}
