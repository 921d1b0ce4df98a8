/** Compiles the outputs of a traced model into one graph, the slots of which are a publisher's or a client's. */
import { SecformerError } from '@secformer/ring';
import type { Graph, NodeRanges } from '@secformer/secformer-ops';
import { type Calibration, rangesOf } from '../calibration.js';
import { usesOf } from '../compile.js';
import { Compiler } from '../compiler.js';
import { factorsOf } from '../factors.js';
import type { SecretNode } from '../node-values.js';
import { peeled } from '../peel.js';
import type { Write } from '../runtime/messages.js';
import { constantStep } from '../step-of.js';
import type { Step } from '../steps.js';
import type { PublishSlot } from './nodes.js';

/** A graph, and how a client has what it gives and gets. */
export interface PublishedGraph {
  graph: Graph;
  ranges: NodeRanges | undefined;
  slots: PublishSlot[];
  /** what clients share */
  values: { shape: number[]; fracBits: number; step: Step }[];
  /** the integers that stay with clients */
  indices: Step[];
  /** each target, as clients have it */
  targets: Step[];
  /** how to share each of the publisher's tensors */
  sources: Map<number, () => Write>;
  /** the publisher's tensors that products of matrices take as they are */
  factors: ReadonlySet<number>;
  /** recorded nodes whose tensors it takes */
  needs: ReadonlySet<SecretNode>;
}

/** @param targets what the nodes compute, or a part of it */
export function publishedGraph(
  targets: readonly SecretNode[],
  suite: string,
  fold: boolean,
  calibration: Calibration | undefined,
): PublishedGraph {
  const { uses } = usesOf(targets);
  for (const t of targets) uses.set(t, (uses.get(t) ?? 0) + 1);
  const compiler = new Compiler(suite, uses, fold, true);
  const cores: SecretNode[] = [];
  const revealed = (core: SecretNode): Step => {
    const before = cores.indexOf(core);
    const output = before >= 0 ? before : cores.push(core) - 1;
    return { step: 'revealed', output, shape: core.shape, dtype: 'real' };
  };
  const steps = targets.map((t) => (fold ? peeled(t, suite, revealed).step! : revealed(t)));
  const graph = compiler.graph(cores.map((core) => compiler.whole(core)));
  return { graph, ranges: rangesOf(calibration, graph), targets: steps, ...slotsOf(compiler, graph) };
}

function slotsOf(compiler: Compiler, graph: Graph) {
  const { sources, needs } = compiler;
  const values: PublishedGraph['values'] = [];
  const indices: Step[] = [];
  const own = new Map<number, () => Write>();
  const slots = compiler.slots.map((slot, at): PublishSlot => {
    if ('indices' in slot) {
      const step = compiler.indexSteps.get(at) ?? constantStep(slot.indices, [slot.indices.length], 'int32');
      return { indices: indices.push(step) - 1 };
    }
    const source = sources.get(slot.tensor);
    if (!source)
      throw new SecformerError(
        'NOT_PLAIN',
        'the model has a tensor that the nodes have computed, which nobody else knows; publish it before it is used',
      );
    const step = compiler.steps.get(slot.tensor);
    if (!step) {
      own.set(slot.tensor, source);
      return slot;
    }
    const { shape, fracBits } = source();
    return { value: values.push({ shape: [...shape], fracBits, step }) - 1 };
  });
  const factors = new Set([...factorsOf({ graph, slots: compiler.slots })].filter((t) => own.has(t)));
  return { slots, values, indices, sources: own, factors, needs };
}
