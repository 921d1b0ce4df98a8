/** Compiles the outputs of a traced model into one graph, the slots of which are a publisher's or a client's. */
import { SecformerError } from '@secformer/ring';
import type { Graph, GraphNode, NodeRanges } from '@secformer/secformer-ops';
import { type Calibration, rangesOf } from '../calibration.js';
import { usesOf } from '../compile.js';
import { Compiler } from '../compiler.js';
import { factorsOf } from '../factors.js';
import type { SecretNode } from '../node-values.js';
import { peeled } from '../peel.js';
import type { Write } from '../runtime/messages.js';
import { constantStep } from '../step-of.js';
import type { Step } from '../steps.js';
import { withoutUnused } from '../unused.js';
import type { PartWriter } from './client-part.js';
import type { PublishSlot } from './nodes.js';

/** A graph, and how a client has what it gives and gets. */
export interface PublishedGraph {
  graph: Graph;
  ranges: NodeRanges | undefined;
  slots: PublishSlot[];
  /** what clients share, and the steps that it comes from */
  values: { shape: number[]; fracBits: number; step: number }[];
  /** steps of the integers that stay with clients */
  indices: number[];
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
  writer: PartWriter,
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
  const whole = compiler.graph(cores.map((core) => compiler.whole(core)));
  const { graph, ...rest } = slotsOf(compiler, whole, writer);
  return { graph, ranges: rangesOf(calibration, graph), targets: steps, ...rest };
}

/** Whose each slot is. What clients give twice they give once. */
function slotsOf(compiler: Compiler, { nodes, outputs, ...rest }: Graph, writer: PartWriter) {
  const { needs } = compiler;
  const slots: PublishSlot[] = [];
  const values: PublishedGraph['values'] = [];
  const indices: number[] = [];
  const sources = new Map<number, () => Write>();
  const first = new Map<string, number>();
  const places: number[] = [];
  const made = nodes.map((n, at): GraphNode => {
    places.push(at);
    const from = { ...n, in: n.in.map((i) => places[i]!) };
    if (from.op !== 'input' && from.op !== 'oneHot') return from;
    const given = givenAs(compiler, from.slot, writer);
    const key = JSON.stringify({ ...from, slot: given.step ?? -from.slot, fracBits: given.write?.fracBits });
    const before = first.get(key);
    if (before !== undefined) {
      places[at] = before;
      return from;
    }
    first.set(key, at);
    let slot: PublishSlot;
    if (given.step === undefined) {
      slot = { tensor: given.write!.tensor };
      sources.set(given.write!.tensor, given.source!);
    } else if (given.write) {
      const { shape, fracBits } = given.write;
      slot = { value: values.push({ shape: [...shape], fracBits, step: given.step }) - 1 };
    } else slot = { indices: indices.push(given.step) - 1 };
    return { ...from, slot: slots.push(slot) - 1 };
  });
  const graph = withoutUnused({ ...rest, nodes: made, outputs: outputs.map((o) => places[o]!) });
  const factors = factorsOf({ graph, slots: slots.map((s) => ('tensor' in s ? s : { indices: new Int32Array(0) })) });
  return { graph, slots, values, indices, sources, factors, needs };
}

interface Given {
  /** the client's step, absent for a tensor of the publisher's */
  step?: number;
  /** of a tensor */
  write?: Write;
  source?: () => Write;
}

function givenAs({ slots, steps, indexSteps, sources }: Compiler, at: number, writer: PartWriter): Given {
  const slot = slots[at]!;
  if ('indices' in slot)
    return { step: writer.place(indexSteps.get(at) ?? constantStep(slot.indices, [slot.indices.length], 'int32')) };
  const source = sources.get(slot.tensor);
  if (!source)
    throw new SecformerError(
      'NOT_PLAIN',
      'the model has a tensor that the nodes have computed, which nobody else knows; publish it before it is used',
    );
  const step = steps.get(slot.tensor);
  return { source, write: source(), ...(step && { step: writer.place(step) }) };
}
