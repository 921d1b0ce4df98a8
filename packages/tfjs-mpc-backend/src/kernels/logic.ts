/** Comparisons and logic: secret bits as shares of the integers 0 and 1. */
import { broadcastShapes } from '@secformer/secformer-ops';
import { type TensorInfo, upcastType } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { scalarOf } from '../rewrites/patterns.js';
import type { KernelCall, SecretKernel } from './kernel.js';
import { applied, combined, constant } from './nodes.js';
import { picked } from './picked.js';

function not(bit: SecretNode): SecretNode {
  return combined('sub', constant(1), bit);
}

/** The value to compare and the public number to compare it with: of two tensors their difference and 0. */
function compared({ inputs, backend }: KernelCall): { x: SecretNode; to: number } {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const [x, y] = [backend.node(a), backend.node(b)];
  const c = scalarOf(y);
  const shape = broadcastShapes(x.shape, y.shape);
  if (c !== undefined && shape.length === x.shape.length) return { x, to: c };
  return { x: new SecretNode('sub', [x, y], shape), to: 0 };
}

/** x < y and x ≤ y, or the opposite of one of them. */
export function comparison(op: 'less' | 'atMost', opposite = false): SecretKernel {
  return (call) => {
    const { x, to } = compared(call);
    const bit = new SecretNode(op, [x], x.shape, { than: to });
    return call.backend.secret(opposite ? not(bit) : bit, 'bool');
  };
}

export function equality(opposite: boolean): SecretKernel {
  return (call) => {
    const { x, to } = compared(call);
    const bit = new SecretNode('equal', [x], x.shape, { to });
    return call.backend.secret(opposite ? not(bit) : bit, 'bool');
  };
}

export const LogicalNot: SecretKernel = ({ inputs, backend }) =>
  backend.secret(not(backend.node(inputs.x as TensorInfo)), 'bool');

/** ab, a + b − ab */
export function logical(op: 'and' | 'or'): SecretKernel {
  return ({ inputs, backend }) => {
    const [a, b] = [backend.node(inputs.a as TensorInfo), backend.node(inputs.b as TensorInfo)];
    const shape = broadcastShapes(a.shape, b.shape);
    const both = new SecretNode('mul', [a, b], shape);
    return backend.secret(
      op === 'and' ? both : new SecretNode('sub', [new SecretNode('add', [a, b], shape), both], shape),
      'bool',
    );
  };
}

/** (a − b)², for bits */
export const LogicalXor: SecretKernel = ({ inputs, backend }) => {
  const difference = combined('sub', backend.node(inputs.a as TensorInfo), backend.node(inputs.b as TensorInfo));
  return backend.secret(applied('square', difference), 'bool');
};

/**
 * The same answer for every element: shares hold finite numbers only. It is made of x all the same, as 0·x, so that a
 * read of it is refused where x has left its range, as 0/0 does.
 */
export function everywhere(answer: boolean): SecretKernel {
  return ({ inputs, backend }) => {
    const { shape } = inputs.x as TensorInfo;
    const never = new SecretNode('mul', [backend.node(inputs.x as TensorInfo), constant(0)], shape, { always: false });
    return backend.secret(
      answer ? new SecretNode('sub', [constant(1), never], shape, { always: true }) : never,
      'bool',
    );
  };
}

/** t where the condition holds, else e. A condition of rank 1 picks whole rows. */
export const Select: SecretKernel = ({ inputs, backend }) => {
  const { condition, t, e } = inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
  let c = backend.node(condition);
  // As in where(isNaN(x), 0, x): what is chosen is known, and is read itself
  const always = c.attr<boolean | undefined>('always');
  if (always !== undefined) return backend.alias(always ? t : e, (always ? t : e).shape);
  const rank = t.shape.length;
  if (condition.shape.length === 1 && rank > 1)
    c = new SecretNode('reshape', [c], [condition.shape[0]!, ...Array<number>(rank - 1).fill(1)]);
  const [yes, no] = [picked(backend.node(t), c, 1), picked(backend.node(e), c, 0)];
  return backend.secret(new SecretNode('select', [c, yes, no], t.shape), upcastType(t.dtype, e.dtype));
};
