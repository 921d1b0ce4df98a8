/**
 * Traces a function once: its inputs stand for all that clients may ask, and what is recorded does not depend on their
 * values. What a client computes by itself is written down beside the graph.
 */
import { SecformerError, sizeOf } from '@secformer/ring';
import { backend, dispose, engine, type Tensor, type TensorInfo, tidy } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from '../backend.js';
import { configuration } from '../config.js';
import type { PlainTensor } from '../host.js';
import { hold } from '../lifetime.js';
import type { SecretNode } from '../node-values.js';
import type { Sources } from '../sharing.js';
import type { Operand, Step } from '../steps.js';
import { checkedPart } from './check-part.js';
import { type ClientPart, PartWriter } from './client-part.js';
import type { PublishProgram, TensorSpec } from './nodes.js';
import { type PublishedGraph, publishedGraph } from './published-graph.js';

/** A function to be published: of tensors, in the order of the inputs' specifications, to tensors by name. */
export type Traceable = (...inputs: Tensor[]) => Record<string, Tensor>;

/** A program, what has to be shared for it, and how to let it go. */
export interface Traced {
  program: PublishProgram;
  needed: Sources;
  release: () => void;
}

const ZEROS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/**
 * @throws SecformerError TRACE_READ where the function reads what follows from an input, NOT_PUBLIC and
 *   UNSUPPORTED_KERNEL where clients would have to compute something that they cannot, SHAPE_NOT_PUBLIC
 */
export function trace(f: Traceable, inputs: readonly TensorSpec[]): Traced {
  const b = backend() as SecformerBackend;
  const outputs = tidy(() => f(...inputs.map((spec, i) => placeholder(b, spec, i))));
  try {
    return compiled(b, inputs, Object.entries(outputs));
  } finally {
    dispose(Object.values(outputs));
  }
}

function placeholder(b: SecformerBackend, { shape, dtype }: TensorSpec, input: number): Tensor {
  const values: PlainTensor['values'] = new ZEROS[dtype](sizeOf(shape));
  const step: Step = { step: 'input', input, shape: [...shape], dtype };
  return engine().makeTensorFromTensorInfo(b.placeholder({ values, shape: [...shape], dtype }, step), b);
}

function compiled(b: SecformerBackend, inputs: readonly TensorSpec[], outputs: [string, Tensor][]): Traced {
  const { suite, fold, calibration, onRange } = configuration();
  const targets: SecretNode[] = [];
  const made = outputs.map(([name, t]) => {
    const info: TensorInfo = t;
    if (t.dtype === 'string' || t.dtype === 'complex64')
      throw new SecformerError('NOT_PLAIN', `output ${name} is a ${t.dtype} tensor, which no client is given`);
    const owner = b.owner(info);
    if (owner === 'caller')
      throw new SecformerError(
        'NOT_PUBLIC',
        `output ${name} of shape [${t.shape}] follows from the model alone, and clients would see it; declare it ` +
          'with asPublic, or leave it out',
      );
    if (owner === 'public' || b.isKnown(info)) return { name, t, ready: b.operand(info) };
    return { name, t, at: targets.push(b.node(info)) - 1 };
  });
  const writer = new PartWriter();
  const graph = publishedGraph(targets, suite, fold, calibration, writer);
  const operands = made.map(({ t, ready, at }): Operand => {
    const dtype = t.dtype as Operand['dtype'];
    return ready ?? { of: graph.targets[at!]!, shape: [...t.shape], dtype };
  });
  const client = partOf(writer, graph, operands);
  const specs = made.map(({ name, t }) => ({ name, shape: [...t.shape], dtype: t.dtype as Operand['dtype'] }));
  const program: PublishProgram = {
    graph: graph.graph,
    suite,
    ...(graph.ranges && { ranges: graph.ranges }),
    watched: onRange !== 'ignore',
    slots: graph.slots,
    values: graph.values.map(({ shape, fracBits }) => ({ shape, fracBits })),
    revealed: graph.graph.outputs.map((_, i) => i),
    inputs: inputs.map((spec) => ({ ...spec, shape: [...spec.shape] })),
    outputs: specs,
    client,
  };
  // As a client will, so that what it refuses is not published
  checkedPart(client, partOfProgram(program));
  const { sources, factors, needs } = graph;
  return { program, needed: { sources, factors }, release: hold(needs) };
}

/** What a client part is checked against. */
export function partOfProgram({ graph, slots, values, revealed, inputs, outputs }: PublishProgram) {
  return {
    inputs,
    outputs,
    values: values.map(({ shape }) => shape),
    revealed: revealed.map((i) => graph.nodes[graph.outputs[i]!]!.shape),
    indices: slots.filter((s) => 'indices' in s).length,
  };
}

function partOf(writer: PartWriter, { values, indices }: PublishedGraph, outputs: Operand[]): ClientPart {
  return writer.part(
    values.map(({ step }) => step),
    indices,
    outputs.map((o) => writer.operand(o)),
  );
}
