import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import type { PlainTensor } from './host.js';
import type { Operand, Step } from './steps.js';

/** How a client has each of the results of a kernel that runs on the host, of operands that are its own or public. */
export function kernelStep(
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap | undefined,
  b: SecformerBackend,
): (result: PlainTensor, output: number) => Step {
  const given = Array.isArray(inputs)
    ? (inputs as TensorInfo[]).map((t) => b.operand(t))
    : Object.fromEntries(
        Object.entries(inputs as Record<string, TensorInfo | undefined>).map(([name, t]) => [name, t && b.operand(t)]),
      );
  return ({ shape, dtype }, output) => ({
    step: 'kernel',
    kernel,
    attrs: attrs ?? {},
    inputs: given,
    output,
    shape,
    dtype: dtype as Operand['dtype'],
  });
}
