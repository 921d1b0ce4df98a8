/**
 * What the caller's process does after the nodes: where a value is made of one that has to be computed and of values
 * that the caller knows, the nodes compute that one, and what is left is plain arithmetic here. So a mask that is read
 * with its scores, a label's scale of 10^6 or a mean of 50,000 need not fit the range of shares.
 */
import { sizeOf } from '@secformer/ring';
import { broadcastShapes, isReplaced } from '@secformer/secformer-ops';
import { passing, type SecretNode } from './node-values.js';
import { copyOf, inOrder, isGated, plaintextOf } from './own.js';
import { addendOf } from './rewrites/addends.js';
import { matchGelu } from './rewrites/gelu.js';
import { matchLogSoftmax } from './rewrites/softmax.js';
import { stepOf } from './step-of.js';
import type { Owner, Step } from './steps.js';
import { traitsOf } from './traits.js';
import { IN_PROGRAM } from './weights.js';

interface Peeled {
  /** what the nodes compute */
  core: SecretNode;
  /** what is asked for, from the values of the core; absent where it is the core */
  finish: ((values: Float32Array) => Float32Array) | undefined;
  /** of a published model: how a client has what is asked for */
  step: Step | undefined;
}

const LAYERS = new Set(['add', 'sub', 'mul', 'div', 'neg', 'reshape', 'transpose', 'select']);

/**
 * Takes from a value what is left to whoever reads it.
 * @param revealed of a published model: how a client has the values of the core. Nothing of the publisher's is left
 *   to it
 */
export function peeled(target: SecretNode, suite: string, revealed?: (core: SecretNode) => Step): Peeled {
  const reader = revealed && 'client';
  const gates = isReplaced(suite, 'gelu');
  const layers: { node: SecretNode; at: number }[] = [];
  let core = target;
  for (let at = hiddenOperand(core, gates, reader); at !== undefined; at = hiddenOperand(core, gates, reader)) {
    layers.push({ node: core, at });
    core = core.inputs[at]!;
  }
  const { shape } = core;
  const whole = core.tensor !== undefined;
  const logits = whole ? undefined : matchLogSoftmax(core);
  const sum =
    whole || (!logits && !traitsOf(core).far)
      ? undefined
      : addendOf(core, logits ? undefined : Number.NEGATIVE_INFINITY, reader);
  const addend = sum?.addend && (logits || traitsOf(sum.addend).far) ? sum.addend : undefined;
  // The logarithm of a masked softmax is its own core: the compiler puts the mask in it at the floor
  if (!logits && addend && sum?.scores) core = sum.scores;
  const inner = passing('leaf', [], core.shape);
  // Known later
  inner.values = new Float32Array(0);
  inner.step = revealed?.(core);
  let outer = inner;
  if (sum?.scores && addend)
    outer = passing(
      'broadcast',
      [passing('add', [outer, copyOf(addend)], broadcastShapes(inner.shape, addend.shape))],
      shape,
    );
  for (const { node, at } of layers.reverse()) {
    outer = passing(
      node.op,
      node.inputs.map((i, k) => (k === at ? outer : copyOf(i))),
      node.shape,
      node.attrs,
    );
  }
  if (outer === inner) return { core: target, finish: undefined, step: inner.step };
  return {
    core,
    step: revealed && stepOf(outer),
    finish: (values) => {
      inner.values = values;
      const made = Float32Array.from(plaintextOf(outer));
      inner.values = new Float32Array(0);
      return made;
    },
  };
}

/** The one operand that this process does not know, if all others are known and the rest is linear in it. */
function hiddenOperand(n: SecretNode, gates: boolean, reader: Owner | undefined): number | undefined {
  // Clients are not given large weights, however public
  const large = (i: SecretNode) => i.op === 'leaf' && sizeOf(i.shape) > IN_PROGRAM;
  const small = (i: SecretNode) => i.owner === 'public' && !inOrder(i).some(large);
  const known = (i: SecretNode) => i.own && (!reader || i.owner === reader || small(i));
  if (!LAYERS.has(n.op) || n.own || n.tensor !== undefined) return undefined;
  if (gates && (matchGelu(n) || n.inputs.some((i) => i.own && isGated(i)))) return undefined;
  const hidden = n.inputs.flatMap((i, at) => (known(i) ? [] : [at]));
  if (hidden.length !== 1 || (n.op === 'div' && hidden[0] !== 0) || (n.op === 'select' && hidden[0] === 0))
    return undefined;
  return hidden[0];
}
