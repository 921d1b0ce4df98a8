import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { SecretKernel } from './kernel.js';

function reduced(x: TensorInfo, axes: number[], keepDims: boolean): number[] {
  const [shape] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  return keepDims ? backend_util.expandShapeToKeepDim(shape, axes) : shape;
}

/** Sum and Mean over any axes. */
export function total(op: 'sum' | 'mean'): SecretKernel {
  return ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const { axis, keepDims } = attrs as unknown as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, x.shape);
    return backend.secret(new SecretNode(op, [backend.node(x)], reduced(x, axes, keepDims), { axes }));
  };
}

export const Max: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { reductionIndices, keepDims } = attrs as unknown as { reductionIndices: number | number[]; keepDims: boolean };
  const axes = util.parseAxisParam(reductionIndices, x.shape);
  const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const perm = [...rest, ...axes];
  const moved = new SecretNode(
    'transpose',
    [backend.node(x)],
    perm.map((p) => x.shape[p]!),
    { perm },
  );
  const flat = new SecretNode('reshape', [moved], [...rest.map((i) => x.shape[i]!), axes.reduce((n, a) => n * x.shape[a]!, 1)]);
  return backend.secret(new SecretNode('max', [flat], reduced(x, axes, keepDims), { axis: rest.length }), x.dtype);
};

export const ArgMax: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const axis = util.parseAxisParam((attrs as unknown as { axis: number }).axis, x.shape)[0]!;
  return backend.secret(new SecretNode('argMax', [backend.node(x)], reduced(x, [axis], false), { axis }), 'int32');
};

export const Softmax: SecretKernel = ({ inputs, attrs, backend }) => {
  const logits = inputs.logits as TensorInfo;
  const { dim } = attrs as unknown as { dim: number };
  util.assert(dim === logits.shape.length - 1 || dim === -1, () => `Softmax along axis ${dim} of a tensor of rank ${logits.shape.length}; only the last axis is supported`);
  return backend.secret(new SecretNode('softmax', [backend.node(logits)], logits.shape));
};
