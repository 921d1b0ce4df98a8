/**
 * What is shared has 16 fractional bits. Of weights that all are far below 1 not much is left then, and what they are
 * multiplied with may be large: a product of them would be wrong without a word.
 */
import { SecformerError } from '@secformer/ring';
import type { Graph } from '@secformer/secformer-ops';
import type { RunJob, Write } from './runtime/messages.js';

/** Factors that all are smaller have lost an eighth of themselves and more. */
const LEAST_FACTOR = 2 ** -14;

/** Views that a tensor may be multiplied through. */
const VIEWS = new Set(['reshape', 'transpose', 'slice', 'view', 'broadcast']);

/** Tensors of a job that a product of matrices takes as they are. */
export function factorsOf({ graph, slots }: Pick<RunJob, 'graph' | 'slots'>): Set<number> {
  const found = new Set<number>();
  for (const n of graph.nodes) {
    if (n.op !== 'matMul') continue;
    for (const i of n.in) {
      const source = graph.nodes[through(graph, i)]!;
      const slot = source.op === 'input' ? slots[source.slot] : undefined;
      if (slot && 'tensor' in slot) found.add(slot.tensor);
    }
  }
  return found;
}

function through({ nodes }: Graph, i: number): number {
  let at = i;
  while (VIEWS.has(nodes[at]!.op)) at = nodes[at]!.in[0]!;
  return at;
}

/** @throws SecformerError VALUE_TOO_SMALL where nothing of a factor would be left to speak of */
export function checkFactor(write: Write): void {
  // The scale of a public one follows from its values
  if (write.known) return;
  const { values, shape } = write;
  let top = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    // Mostly one of the first
    if (size >= LEAST_FACTOR) return;
    if (size > top) top = size;
  }
  if (top === 0) return;
  throw new SecformerError(
    'VALUE_TOO_SMALL',
    `no value of a tensor of shape [${shape}] that is multiplied is larger than ${top.toPrecision(3)}, and private ` +
      'tensors have 16 fractional bits. Multiply it by a power of two before, and the product by its inverse',
  );
}
