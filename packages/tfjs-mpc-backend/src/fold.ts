/**
 * Kernels whose operands are all known to the caller run in the caller's process: nothing is gained by sharing values
 * first and computing with them afterwards. What comes out is shared when it meets something that is not known.
 *
 * It is kept with what it was made of, so that a weight's derivative is made, and shared, once.
 */
import { sizeOf } from '@secformer/ring';
import { isReplaced } from '@secformer/secformer-ops';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import { configuration } from './config.js';
import { type HostInputs, hasHostKernel, type PlainTensor, runOnHost } from './host.js';
import { kernelStep } from './kernel-step.js';
import { release } from './lifetime.js';
import { DERIVED_OF_ONE, DERIVED_SMALL, DERIVED_TIMES } from './limits.js';
import type { SecretNode } from './node-values.js';
import { attributesOf, NAMED_BY_VALUES } from './own.js';
import { traitsOfResult } from './traits.js';

/** Kernels that move or repeat elements: free at the nodes, which have the tensor already, or get it anyway. */
const VIEWS = [
  'BatchToSpaceND',
  'BroadcastTo',
  'Concat',
  'DepthToSpace',
  'Diag',
  'ExpandDims',
  'FlipLeftRight',
  'Identity',
  'MirrorPad',
  'Pack',
  'PadV2',
  'Reshape',
  'Reverse',
  'Slice',
  'SpaceToBatchND',
  'SplitV',
  'StridedSlice',
  'Tile',
  'Transpose',
  'Unpack',
];

/** What the nodes are there for. */
const WORK = [
  'BatchMatMul',
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv3D',
  'DepthwiseConv2dNative',
  'Dilation2D',
  'Einsum',
  'FusedConv2D',
  'FusedDepthwiseConv2D',
  'GatherNd',
  'GatherV2',
  '_FusedMatMul',
];

const RECORDED = new Set([...VIEWS, ...WORK]);

/**
 * A product that sums over nothing, of a column and a row of which one is public or both are the same tensor: a mask's,
 * not a model's.
 */
function isOuter(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
): boolean {
  if (kernel === 'Einsum') return keepsAll((attrs as { equation?: string })?.equation ?? '');
  if (kernel !== 'BatchMatMul') return false;
  const [x, y] = [inputs.a as TensorInfo, inputs.b as TensorInfo];
  const inner = x.shape.at((attrs as { transposeA?: boolean }).transposeA ? -2 : -1);
  if (inner !== 1) return false;
  const secret = [x, y].filter((t) => b.privacy(t) === 'secret');
  return secret.length < 2 || x.dataId === y.dataId;
}

/** Does an einsum equation sum over nothing? */
function keepsAll(equation: string): boolean {
  const [from = '', to = ''] = equation.replaceAll(' ', '').split('->');
  return to !== '' && [...from.replaceAll(',', '')].every((axis) => to.includes(axis));
}

/**
 * Whether this kernel on these operands, all of which the caller knows, is the caller's own to compute.
 * @param only whether there is no other way, for the kernel has no protocol
 */
export function isFolded(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
  only: boolean,
): boolean {
  // Whether something was read before must not change which function it is
  if (kernel === 'Softmax' && isReplaced(configuration().suite, 'softmax')) return false;
  // Rows of a public table are the caller's to look up
  if (kernel === 'GatherV2' && b.isWeights((inputs as { x: TensorInfo }).x)) return true;
  return (only || !RECORDED.has(kernel) || isOuter(kernel, inputs, attrs, b)) && hasHostKernel(kernel);
}

/** What a kernel made of known values, and the nodes that stand for it, one for each result. */
export interface Derived {
  results: PlainTensor[];
  nodes: readonly SecretNode[];
}

const results = new WeakMap<SecretNode, PlainTensor>();

/**
 * Runs a kernel on known values, or finds what it made of the same ones before.
 * @returns undefined where a result is of a type that has no shares
 */
export function derive(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
): Derived | undefined {
  const names = Object.keys(inputs);
  const all = names.map((name) => inputs[name] as TensorInfo | undefined);
  let holder: SecretNode | undefined;
  const parts = all.map((t) => {
    if (!t) return '';
    if (b.privacy(t) === 'public' && sizeOf(t.shape) <= NAMED_BY_VALUES)
      return `${t.dtype}[${t.shape}]${b.plain(t).values}`;
    const node = b.node(t);
    if (!holder || node.id > holder.id) holder = node;
    return `${t.dtype}#${node.id}`;
  });
  const key = `${kernel}${attributesOf(attrs ?? {})}${names}(${parts.join(';')})`;
  const before = holder!.derived.get(key);
  if (before) return { results: before.map((n) => results.get(n)!), nodes: before };
  const plain = all.map((t) => t && b.known(t));
  const given: HostInputs = Array.isArray(inputs)
    ? (plain as PlainTensor[])
    : Object.fromEntries(names.map((name, i) => [name, plain[i]]));
  const made = runOnHost(kernel, given, attrs as Record<string, unknown> | undefined);
  if (made.some(({ dtype }) => dtype === 'complex64' || dtype === 'string')) return undefined;
  const clients = all.some((t) => t && b.owner(t) === 'client');
  const step = clients ? kernelStep(kernel, inputs, attrs, b) : () => undefined;
  const operands = all.flatMap((t) => (t ? [{ ...b.traits(t), shape: t.shape }] : []));
  const nodes = made.map((t, i) => {
    const node = b.ownLeaf(t, step(t, i));
    node.traits = traitsOfResult(kernel, operands, t.shape);
    // The place where it is kept refers to it
    node.users++;
    results.set(node, t);
    return node;
  });
  keep(holder!, key, nodes);
  return { results: made, nodes };
}

/** Keeps what was made with what it was made of, and gives up what was kept longest when there is too much of it. */
function keep(holder: SecretNode, key: string, nodes: readonly SecretNode[]): void {
  const { derived } = holder;
  derived.set(key, nodes);
  const elements = (of: Iterable<readonly SecretNode[]>) => {
    let n = 0;
    for (const made of of) for (const node of made) n += sizeOf(node.shape);
    return n;
  };
  const room = DERIVED_TIMES * Math.max(DERIVED_SMALL, sizeOf(holder.shape));
  let held = elements(derived.values());
  for (const [oldest, gone] of derived) {
    if (oldest === key || (derived.size <= DERIVED_OF_ONE && held <= room)) break;
    derived.delete(oldest);
    held -= elements([gone]);
    release(gone);
  }
}
