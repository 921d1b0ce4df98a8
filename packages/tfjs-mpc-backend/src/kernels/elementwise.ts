import type { ElementwiseOp } from '@secformer/secformer-ops';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { SecretKernel } from './kernel.js';
import { constant } from './nodes.js';

/** A function of one tensor; public numbers that it takes come from the kernel's attributes. */
export function unary(
  op: ElementwiseOp | 'square',
  parameters: (attrs: Record<string, number>) => Record<string, number> = () => ({}),
): SecretKernel {
  return ({ inputs, attrs, backend }) => {
    const { x } = inputs as { x: TensorInfo };
    return backend.secret(new SecretNode(op, [backend.node(x)], x.shape, parameters(attrs)), x.dtype);
  };
}

/** max(x, 0) + α·min(x, 0), α a tensor. */
export const Prelu: SecretKernel = ({ inputs, backend }) => {
  const { x, alpha } = inputs as { x: TensorInfo; alpha: TensorInfo };
  return backend.secret(new SecretNode('prelu', [backend.node(x), backend.node(alpha)], x.shape));
};

/** 1 above 0, α elsewhere: 1 − (1 − α)·[x ≤ 0]. */
export const Step: SecretKernel = ({ inputs, attrs, backend }) => {
  const { x } = inputs as { x: TensorInfo };
  const { alpha = 0 } = attrs as unknown as { alpha?: number };
  const below = new SecretNode('atMost', [backend.node(x)], x.shape, { than: 0 });
  const gap = alpha === 0 ? below : new SecretNode('mul', [below, constant(1 - alpha)], x.shape);
  return backend.secret(new SecretNode('sub', [constant(1), gap], x.shape), x.dtype);
};
