import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type SecretKernel, UnsupportedKernelError } from './kernel.js';
import { transposed } from './nodes.js';

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

/** Max and Min over any axes, Any and All of bits. */
export function extreme(
  op: 'max' | 'min',
  axesOf: (attrs: Record<string, unknown>) => number | number[],
): SecretKernel {
  return ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const { keepDims } = attrs as unknown as { keepDims: boolean };
    const axes = util.parseAxisParam(axesOf(attrs), x.shape);
    const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const perm = [...rest, ...axes];
    const moved = new SecretNode(
      'transpose',
      [backend.node(x)],
      perm.map((p) => x.shape[p]!),
      { perm },
    );
    const flat = new SecretNode(
      'reshape',
      [moved],
      [...rest.map((i) => x.shape[i]!), axes.reduce((n, a) => n * x.shape[a]!, 1)],
    );
    return backend.secret(new SecretNode(op, [flat], reduced(x, axes, keepDims), { axis: rest.length }), x.dtype);
  };
}

export function whichExtreme(op: 'argMax' | 'argMin'): SecretKernel {
  return ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const axis = util.parseAxisParam((attrs as unknown as { axis: number }).axis, x.shape)[0]!;
    return backend.secret(new SecretNode(op, [backend.node(x)], reduced(x, [axis], false), { axis }), 'int32');
  };
}

/** The k largest of the last axis and where they are. */
export const TopK: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { k } = attrs as unknown as { k: number };
  const shape = [...x.shape.slice(0, -1), k];
  if (k === 0)
    return (['float32', 'int32'] as const).map((dtype) =>
      backend.unshared({ values: dtype === 'int32' ? new Int32Array(0) : new Float32Array(0), shape, dtype }, 'public'),
    );
  if (k > 64) throw new UnsupportedKernelError('TopK', `of secret tensors gives at most 64 values, asked for ${k}`);
  const node = backend.node(x);
  const part = (index: boolean) => new SecretNode('topK', [node], shape, { k, index });
  return [backend.secret(part(false), x.dtype), backend.secret(part(true), 'int32')];
};

/** Running sums along any axis, which is moved to the end and back. */
export const Cumsum: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const {
    axis,
    exclusive = false,
    reverse = false,
  } = attrs as unknown as { axis: number; exclusive?: boolean; reverse?: boolean };
  const at = util.parseAxisParam(axis, x.shape)[0]!;
  const perm = [...x.shape.map((_, i) => i).filter((i) => i !== at), at];
  const from = transposed(backend.node(x), perm);
  const sums = new SecretNode('cumSum', [from], from.shape, { exclusive, reverse });
  return backend.secret(
    transposed(
      sums,
      x.shape.map((_, i) => perm.indexOf(i)),
    ),
    x.dtype,
  );
};

export const LogSoftmax: SecretKernel = ({ inputs, backend }) => {
  const logits = inputs.logits as TensorInfo;
  return backend.secret(new SecretNode('logSoftmax', [backend.node(logits)], logits.shape));
};

export const Softmax: SecretKernel = ({ inputs, attrs, backend }) => {
  const logits = inputs.logits as TensorInfo;
  const { dim } = attrs as unknown as { dim: number };
  util.assert(
    dim === logits.shape.length - 1 || dim === -1,
    () => `Softmax along axis ${dim} of a tensor of rank ${logits.shape.length}; only the last axis is supported`,
  );
  return backend.secret(new SecretNode('softmax', [backend.node(logits)], logits.shape));
};
