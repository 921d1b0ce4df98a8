import { SecformerError } from '@secformer/ring';
import {
  type KernelConfig,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  registerKernel,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { BACKEND_NAME, type SecformerBackend } from '../backend.js';
import { isClientKernel } from '../client-kernels.js';
import { folds } from '../config.js';
import { DeferredKernel } from '../deferred.js';
import { derive, isFolded } from '../fold.js';
import { type HostInputs, hasHostKernel, type PlainTensor, runOnHost } from '../host.js';
import { kernelStep } from '../kernel-step.js';
import type { Privacy } from '../node-values.js';
import { type Owner, together } from '../steps.js';
import { traitsOfResult } from '../traits.js';

export interface KernelCall {
  inputs: NamedTensorInfoMap;
  attrs: Record<string, never>;
  backend: SecformerBackend;
}

/** A kernel with at least one secret input: records, and returns a handle at once. */
export type SecretKernel = (call: KernelCall) => TensorInfo | TensorInfo[];

const ELSEWHERE =
  "Compute it before setBackend('secformer'), on the result of data(), or on int32 tensors, which stay local";

/** A kernel that does not exist on shares, or not with these arguments. */
export class UnsupportedKernelError extends SecformerError {
  constructor(kernel: string, why = 'has no protocol on secret shares', remedy = ELSEWHERE) {
    super('UNSUPPORTED_KERNEL', `kernel '${kernel}' ${why}. ${remedy}`);
    this.name = 'UnsupportedKernelError';
  }
}

function tensorsOf(inputs: NamedTensorInfoMap): TensorInfo[] {
  return Object.values(inputs)
    .flat()
    .filter((t): t is TensorInfo => t !== undefined && t !== null);
}

/**
 * Registers a kernel: without a secret among its inputs it runs at once on the host backend, otherwise it is recorded.
 */
export function register(kernelName: string, secret: SecretKernel | undefined): void {
  const config: KernelConfig = {
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const b = backend as SecformerBackend;
      const all = tensorsOf(inputs);
      if (all.some((t) => b.later(t))) return deferred(kernelName, inputs, attrs, b);
      const privacies = all.map((t) => b.privacy(t));
      // What only the caller knows meets public weights at the nodes, as it would meet secret ones
      const weighed = secret !== undefined && privacies.includes('local') && all.some((t) => b.isWeights(t));
      if (weighed || privacies.includes('secret')) {
        const own = foldedHere(kernelName, inputs, attrs, b, secret === undefined);
        if (own) return own;
        if (!secret) throw new UnsupportedKernelError(kernelName);
        for (const t of all) b.checkShape(t, kernelName);
        return secret({ inputs, attrs: (attrs ?? {}) as Record<string, never>, backend: b });
      }
      // A kernel that the host does not have, for there TF.js makes it of others
      if (secret && !hasHostKernel(kernelName))
        return secret({ inputs, attrs: (attrs ?? {}) as Record<string, never>, backend: b });
      const privacy: Privacy = privacies.includes('local') ? 'local' : 'public';
      checkOwner(kernelName, all, b);
      return onHost(kernelName, inputs, attrs, b, privacy);
    },
  };
  registerKernel(config);
}

/** What the caller's process makes of known operands, where it is its own to compute. */
function foldedHere(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
  only: boolean,
): TensorInfo | TensorInfo[] | undefined {
  const all = tensorsOf(inputs);
  if (!all.every((t) => b.isKnown(t) && t.dtype !== 'string' && t.dtype !== 'complex64') || !folds()) return undefined;
  const owner = ownerOfAll(all, b);
  if (owner === 'nobody' || (owner === 'client' && !isClientKernel(kernel))) return undefined;
  // Clients are not given weights: they ask the nodes
  if (owner === 'client' && all.some((t) => b.isWeights(t))) return undefined;
  if (!isFolded(kernel, inputs, attrs, b, only)) return undefined;
  const derived = derive(kernel, inputs, attrs, b);
  if (!derived) return undefined;
  const shapedBy = shapedByOf(kernel, all, b);
  const out = derived.results.map((t, i) => b.computed(t, derived.nodes[i]!, shapedBy));
  return out.length === 1 && !MANY.has(kernel) ? out[0]! : out;
}

function ownerOfAll(inputs: TensorInfo[], b: SecformerBackend): Owner {
  return inputs.map((t) => b.owner(t)).reduce(together, 'public');
}

/**
 * Refuses what would show a publisher's integers to clients, and what a client would not run.
 * @throws SecformerError NOT_PUBLIC, or UnsupportedKernelError
 */
function checkOwner(kernel: string, inputs: TensorInfo[], b: SecformerBackend): void {
  const owner = ownerOfAll(inputs, b);
  if (owner === 'nobody') {
    const t = inputs.find((x) => b.owner(x) !== 'client' && b.owner(x) !== 'public')!;
    throw new SecformerError(
      'NOT_PUBLIC',
      `kernel '${kernel}' meets an input of the model with an ${t.dtype} tensor of shape [${t.shape}], and clients, ` +
        'who compute it, would see that one. Declare it with asPublic, if they may, or write it as a float tensor',
    );
  }
  if (owner === 'client' && !isClientKernel(kernel))
    throw new UnsupportedKernelError(kernel, "is none that clients compute of a published model's inputs");
}

/** A kernel on what will be known here: it runs on the host when that is read, and now on zeros for the shapes. */
function deferred(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
): TensorInfo | TensorInfo[] {
  if (SHAPED_BY_VALUES.has(kernel))
    throw new UnsupportedKernelError(
      kernel,
      'has a result whose shape follows from values',
      'Await their data() first',
    );
  const made = new DeferredKernel(kernel, inputs, attrs as Record<string, unknown> | undefined, b);
  const out = made.shapes.map(({ shape, dtype }, i) => b.coming(made.result(i), shape, dtype));
  return out.length === 1 && !MANY.has(kernel) ? out[0]! : out;
}

/** What made the shape of a kernel's results of values that are not public, if anything did. */
function shapedByOf(kernel: string, inputs: TensorInfo[], b: SecformerBackend): string | undefined {
  return SHAPED_BY_VALUES.has(kernel) ? kernel : inputs.map((t) => b.shapedBy(t)).find((by) => by);
}

function onHost(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
  privacy: Privacy,
): TensorInfo | TensorInfo[] {
  const plain: HostInputs = Array.isArray(inputs)
    ? (inputs as TensorInfo[]).map((t) => b.ownPlain(t))
    : Object.fromEntries(
        Object.entries(inputs as Record<string, TensorInfo | undefined>).map(([name, t]) => [name, t && b.ownPlain(t)]),
      );
  const shapedBy = privacy === 'public' ? undefined : shapedByOf(kernel, tensorsOf(inputs), b);
  // A number has one shape whatever it was made of
  const operands = privacy === 'public' ? [] : tensorsOf(inputs).map((t) => ({ ...b.traits(t), shape: t.shape }));
  const traits = (t: PlainTensor) => (privacy === 'public' ? undefined : traitsOfResult(kernel, operands, t.shape));
  // What is made of weights is weights
  const made = privacy === 'public' && tensorsOf(inputs).some((t) => b.isWeights(t));
  const weights = (t: PlainTensor) => (made && t.dtype === 'float32' && t.shape.length > 0) || undefined;
  const step = ownerOfAll(tensorsOf(inputs), b) === 'client' ? kernelStep(kernel, inputs, attrs, b) : () => undefined;
  const out = runOnHost(kernel, plain, attrs as Record<string, unknown> | undefined).map((t, i) =>
    b.unshared(t, privacy, t.shape.length > 0 ? shapedBy : undefined, traits(t), step(t, i), weights(t)),
  );
  return out.length === 1 && !MANY.has(kernel) ? out[0]! : out;
}

/** Kernels of the host whose results have a shape that depends on their operands' values. */
const SHAPED_BY_VALUES = new Set([
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'RaggedGather',
  'RaggedRange',
  'RaggedTensorToTensor',
  'SparseFillEmptyRows',
  'SparseReshape',
  'SparseSegmentMean',
  'SparseSegmentSum',
  'StringNGrams',
  'StringSplit',
  'Unique',
]);

/** Kernels whose result is a list even when it has one element. */
const MANY = new Set(['SplitV', 'Unpack', 'Split']);
