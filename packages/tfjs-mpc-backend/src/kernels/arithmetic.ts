import { broadcastShapes } from '@secformer/secformer-ops';
import { type TensorInfo, upcastType } from '@tensorflow/tfjs-core';
import { type RecordedOp, SecretNode } from '../node-values.js';
import { scalarOf } from '../rewrites/patterns.js';
import { type KernelCall, type SecretKernel, UnsupportedKernelError } from './kernel.js';

export function binary(op: RecordedOp): SecretKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const shape = broadcastShapes(a.shape, b.shape);
    return backend.secret(new SecretNode(op, [backend.node(a), backend.node(b)], shape), upcastType(a.dtype, b.dtype));
  };
}

export function unary(op: RecordedOp): SecretKernel {
  return ({ inputs, backend }) => {
    const { x } = inputs as { x: TensorInfo };
    return backend.secret(new SecretNode(op, [backend.node(x)], x.shape), x.dtype);
  };
}

export const AddN: SecretKernel = ({ inputs, backend }) => {
  const all = (Array.isArray(inputs) ? inputs : Object.values(inputs).flat()) as TensorInfo[];
  const sum = all.map((t) => backend.node(t)).reduce((a, b) => new SecretNode('add', [a, b], broadcastShapes(a.shape, b.shape)));
  return backend.secret(sum);
};

export const SquaredDifference: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const difference = new SecretNode('sub', [backend.node(a), backend.node(b)], broadcastShapes(a.shape, b.shape));
  return backend.secret(new SecretNode('square', [difference], difference.shape));
};

/** Powers with a public whole exponent, by repeated squaring. */
export const Pow: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const exponent = scalarOf(backend.node(b));
  if (exponent === undefined || !Number.isInteger(exponent) || exponent < 1 || exponent > 16) {
    throw new UnsupportedKernelError('Pow', `needs a public whole exponent from 1 to 16, got ${exponent ?? 'a tensor that is not public'}`);
  }
  const x = backend.node(a);
  const power = (n: number): SecretNode => {
    if (n === 1) return x;
    const half = power(Math.floor(n / 2));
    const square = new SecretNode('square', [half], x.shape);
    return n % 2 ? new SecretNode('mul', [square, x], x.shape) : square;
  };
  return backend.secret(power(exponent));
};

/** Comparison with a public number, or of two tensors by their difference; the result is a secret bit. */
export function comparison(below: boolean, orEqual: boolean): SecretKernel {
  return ({ inputs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const [x, y] = [backend.node(a), backend.node(b)];
    const c = scalarOf(y);
    const difference = c === undefined ? new SecretNode('sub', [x, y], broadcastShapes(x.shape, y.shape)) : x;
    // On the grid of 2^−16, v ≤ τ is v < τ + 2^−16, and v > τ is not that
    const than = (c ?? 0) + (below === orEqual ? 2 ** -16 : 0);
    const less = new SecretNode('less', [difference], difference.shape, { than });
    if (below) return backend.secret(less, 'bool');
    const one = new SecretNode('constant', [], [], { values: [1] });
    return backend.secret(new SecretNode('sub', [one, less], less.shape), 'bool');
  };
}

/** max(x, c) = relu(x − c) + c, min by signs. */
export function extremum(op: 'Maximum' | 'Minimum'): SecretKernel {
  return ({ inputs, backend }: KernelCall) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const [x, y] = op === 'Maximum' ? [backend.node(a), backend.node(b)] : [backend.node(b), backend.node(a)];
    const shape = broadcastShapes(x.shape, y.shape);
    // max(x, y) = relu(x − y) + y; min(x, y) = x − relu(x − y)
    const gap = new SecretNode('relu', [new SecretNode('sub', op === 'Maximum' ? [x, y] : [y, x], shape)], shape);
    return backend.secret(op === 'Maximum' ? new SecretNode('add', [gap, y], shape) : new SecretNode('sub', [y, gap], shape));
  };
}
