import { sizeOf } from '@secformer/ring';
import type { ElementwiseOp } from '@secformer/secformer-ops';
import { broadcast_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type KernelCall, type SecretKernel, UnsupportedKernelError } from './kernel.js';

function product({ inputs, attrs, backend }: KernelCall): SecretNode {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  const { transposeA = false, transposeB = false } = attrs as unknown as { transposeA?: boolean; transposeB?: boolean };
  const [ra, rb] = [a.shape.length, b.shape.length];
  const inner = [transposeA ? a.shape[ra - 2] : a.shape[ra - 1], transposeB ? b.shape[rb - 1] : b.shape[rb - 2]];
  util.assert(
    inner[0] === inner[1],
    () =>
      `Error in matMul: inner shapes (${inner[0]}) and (${inner[1]}) of Tensors with shapes ${a.shape} and ` +
      `${b.shape} and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const batch = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [
    ...batch,
    (transposeA ? a.shape[ra - 1] : a.shape[ra - 2])!,
    (transposeB ? b.shape[rb - 2] : b.shape[rb - 1])!,
  ];
  return new SecretNode('matMul', [backend.node(a), backend.node(b)], shape, { transposeA, transposeB });
}

export const BatchMatMul: SecretKernel = (call) => call.backend.secret(product(call));

const activations: Record<string, ElementwiseOp | undefined> = {
  relu: 'relu',
  relu6: 'relu6',
  elu: 'elu',
  leakyrelu: 'leakyRelu',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
};

/** What a fused kernel does after its product: bias, then an activation. */
export function finished(call: KernelCall, kernel: string, made: SecretNode): TensorInfo {
  const { inputs, attrs, backend } = call;
  const { activation, leakyreluAlpha } = attrs as unknown as { activation?: string; leakyreluAlpha?: number };
  const bias = inputs.bias as TensorInfo | undefined;
  let out = bias ? new SecretNode('add', [made, backend.node(bias)], made.shape) : made;
  if (activation === 'prelu') {
    out = new SecretNode('prelu', [out, backend.node(inputs.preluActivationWeights as TensorInfo)], out.shape);
  } else if (activation && activation !== 'linear') {
    const op = activations[activation];
    if (!op)
      throw new UnsupportedKernelError(kernel, `with activation '${activation}' is not there for secret tensors`);
    out = new SecretNode(op, [out], out.shape, op === 'leakyRelu' ? { alpha: leakyreluAlpha ?? 0.2 } : {});
  }
  return backend.secret(out);
}

export const FusedMatMul: SecretKernel = (call) => finished(call, '_FusedMatMul', product(call));

/** Zeros or ones in the shape of a tensor, which is public whatever the tensor is. */
export function filled(value: number): SecretKernel {
  return ({ inputs, backend }) => {
    const x = inputs.x as TensorInfo;
    const n = sizeOf(x.shape);
    const values =
      x.dtype === 'int32'
        ? new Int32Array(n).fill(value)
        : x.dtype === 'bool'
          ? new Uint8Array(n).fill(value)
          : new Float32Array(n).fill(value);
    return backend.unshared({ values, shape: [...x.shape], dtype: x.dtype }, 'public');
  };
}
