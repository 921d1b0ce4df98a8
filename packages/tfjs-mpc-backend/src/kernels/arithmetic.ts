import { broadcastShapes } from '@secformer/secformer-ops';
import { type TensorInfo, upcastType } from '@tensorflow/tfjs-core';
import { type RecordedOp, SecretNode } from '../node-values.js';
import { scalarOf } from '../rewrites/patterns.js';
import { traitsOf } from '../traits.js';
import { type KernelCall, type SecretKernel, UnsupportedKernelError } from './kernel.js';
import { filled } from './products.js';

export function binary(op: RecordedOp): SecretKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const shape = broadcastShapes(a.shape, b.shape);
    return backend.secret(new SecretNode(op, [backend.node(a), backend.node(b)], shape), upcastType(a.dtype, b.dtype));
  };
}

export const AddN: SecretKernel = ({ inputs, backend }) => {
  const all = (Array.isArray(inputs) ? inputs : Object.values(inputs).flat()) as TensorInfo[];
  const sum = all
    .map((t) => backend.node(t))
    .reduce((a, b) => new SecretNode('add', [a, b], broadcastShapes(a.shape, b.shape)));
  return backend.secret(sum);
};

export const SquaredDifference: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const difference = new SecretNode('sub', [backend.node(a), backend.node(b)], broadcastShapes(a.shape, b.shape));
  return backend.secret(new SecretNode('square', [difference], difference.shape));
};

/**
 * Powers with a public exponent: a whole one by repeated squaring, its negative through the reciprocal, ±½ as roots.
 */
export const Pow: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const exponent = scalarOf(backend.node(b));
  const x = backend.node(a);
  if (exponent === 0.5 || exponent === -0.5)
    return backend.secret(new SecretNode(exponent > 0 ? 'sqrt' : 'rsqrt', [x], x.shape));
  if (exponent === undefined || !Number.isInteger(exponent) || Math.abs(exponent) > 16) {
    throw new UnsupportedKernelError(
      'Pow',
      `needs a public exponent, whole and from −16 to 16 or ±½, got ${exponent ?? 'a tensor that is not public'}`,
    );
  }
  if (exponent === 0) return filled(1)({ inputs: { x: a }, attrs: {}, backend });
  const power = (n: number): SecretNode => {
    if (n === 1) return x;
    const half = power(Math.floor(n / 2));
    const square = new SecretNode('square', [half], x.shape);
    return n % 2 ? new SecretNode('mul', [square, x], x.shape) : square;
  };
  const whole = power(Math.abs(exponent));
  return backend.secret(exponent > 0 ? whole : new SecretNode('reciprocal', [whole], x.shape));
};

/** Beyond every value that the nodes compute with: as a bound it is none. */
const UNBOUNDED = 2 ** 15;

/** max(x, c) = relu(x − c) + c, min by signs. */
export function extremum(op: 'Maximum' | 'Minimum'): SecretKernel {
  return ({ inputs, backend }: KernelCall) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const [x, y] = op === 'Maximum' ? [backend.node(a), backend.node(b)] : [backend.node(b), backend.node(a)];
    const shape = broadcastShapes(x.shape, y.shape);
    // x itself where y is −Infinity, or another number that is no bound
    const below = op === 'Maximum' ? -1 : 1;
    for (const [of, by] of [[x, y] as const, [y, x] as const]) {
      const c = scalarOf(by);
      // A mask in x is as far
      if (c !== undefined && c * below >= UNBOUNDED && of.shape.join() === shape.join() && !traitsOf(of).far)
        return backend.secret(of, upcastType(a.dtype, b.dtype));
    }
    // max(x, y) = relu(x − y) + y; min(x, y) = x − relu(x − y)
    const gap = new SecretNode('relu', [new SecretNode('sub', op === 'Maximum' ? [x, y] : [y, x], shape)], shape);
    return backend.secret(
      op === 'Maximum' ? new SecretNode('add', [gap, y], shape) : new SecretNode('sub', [y, gap], shape),
    );
  };
}
