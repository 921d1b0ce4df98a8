import type { Graph, GraphNode } from '../src/index.js';

export interface BertShape {
  layers: number;
  batch: number;
  tokens: number;
  hidden: number;
  heads: number;
  intermediate: number;
  /** rows of a table that token ids are looked up in; none if absent */
  vocabulary?: number;
}

/**
 * An encoder as a client records it, weights and the embedded (or looked up) text as its inputs. Slot 0 is the text.
 */
export function bertGraph(
  { layers, batch, tokens, hidden, heads, intermediate, vocabulary }: BertShape,
  quad = false,
): Graph {
  const nodes: GraphNode[] = [];
  const push = (node: GraphNode) => nodes.push(node) - 1;
  let slots = 0;
  const input = (...shape: number[]) => push({ op: 'input', slot: slots++, in: [], shape });
  const rows = batch * tokens;
  const wide = [rows, hidden];
  const product = (x: number, y: number, shape: number[], transposeB = false) =>
    push({ op: 'matMul', transposeA: false, transposeB, in: [x, y], shape });
  const dense = (x: number, from: number, to: number) =>
    push({ op: 'add', in: [product(x, input(from, to), [rows, to]), input(to)], shape: [rows, to] });
  const norm = (x: number) => {
    const normal = push({ op: 'layerNorm', epsilon: 1e-12, in: [x], shape: wide });
    const scaled = push({ op: 'mul', in: [normal, input(hidden)], shape: wide });
    return push({ op: 'add', in: [scaled, input(hidden)], shape: wide });
  };
  const reshape = (x: number, shape: number[]) => push({ op: 'reshape', in: [x], shape });
  let x: number;
  if (vocabulary === undefined) {
    x = input(...wide);
  } else {
    const ids = push({ op: 'oneHot', slot: slots++, depth: vocabulary, in: [], shape: [rows, vocabulary] });
    x = product(ids, input(vocabulary, hidden), wide);
  }
  x = norm(x);
  const each = hidden / heads;
  const scores = [batch, heads, tokens, tokens];
  for (let layer = 0; layer < layers; layer++) {
    const [q, k, v] = [0, 1, 2].map(() => {
      const split = reshape(dense(x, hidden, hidden), [batch, tokens, heads, each]);
      return push({ op: 'transpose', perm: [0, 2, 1, 3], in: [split], shape: [batch, heads, tokens, each] });
    }) as [number, number, number];
    const scale = push({ op: 'constant', values: [1 / Math.sqrt(each)], in: [], shape: [] });
    const scaled = push({ op: 'mul', in: [product(q, k, scores, true), scale], shape: scores });
    const weights = push(
      quad ? { op: 'quad', c: 5, in: [scaled], shape: scores } : { op: 'softmax', in: [scaled], shape: scores },
    );
    const context = product(weights, v, [batch, heads, tokens, each]);
    const merged = reshape(
      push({ op: 'transpose', perm: [0, 2, 1, 3], in: [context], shape: [batch, tokens, heads, each] }),
      wide,
    );
    x = norm(push({ op: 'add', in: [dense(merged, hidden, hidden), x], shape: wide }));
    const up = push({ op: 'gelu', form: 'erf', in: [dense(x, hidden, intermediate)], shape: [rows, intermediate] });
    x = norm(push({ op: 'add', in: [dense(up, intermediate, hidden), x], shape: wide }));
  }
  return { nodes, outputs: [x] };
}
