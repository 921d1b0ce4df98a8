/** Whole numbers as they are on shares: values of 16 fractional bits that happen to be whole. */
import { sizeOf } from '@secformer/ring';
import { type TensorInfo, upcastType, util } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type SecretKernel, UnsupportedKernelError } from './kernel.js';
import { applied, combined, constant, reshaped, transposed } from './nodes.js';

/** Towards zero: ⌊max(x, 0)⌋ − ⌊max(−x, 0)⌋. */
export function truncated(x: SecretNode): SecretNode {
  return combined('sub', applied('floor', applied('relu', x)), applied('floor', applied('relu', applied('neg', x))));
}

export const Cast: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { dtype } = attrs as unknown as { dtype: TensorInfo['dtype'] };
  const node = backend.node(x);
  if (dtype === 'bool' && x.dtype !== 'bool')
    return backend.secret(combined('sub', constant(1), applied('equal', node, { to: 0 })), 'bool');
  if (dtype === 'int32' && x.dtype === 'float32') return backend.secret(truncated(node), 'int32');
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== x.dtype)
    throw new UnsupportedKernelError('Cast', `cannot turn secret ${x.dtype} into ${dtype}`);
  return backend.secret(node, dtype);
};

/**
 * Quotient and remainder of a division that rounds down. The quotient of a fixed-point division may be one off, so the
 * remainder's side of 0 and of the divisor is compared exactly and both are put right.
 */
function divided(a: SecretNode, b: SecretNode): { quotient: SecretNode; remainder: SecretNode } {
  const guess = applied('round', combined('div', a, b));
  const rest = combined('sub', a, combined('mul', guess, b));
  // Has the remainder the divisor's sign? r·sign(b) < 0 takes one divisor more
  const short = applied('less', combined('mul', rest, applied('sign', b)), { than: 0 });
  return { quotient: combined('sub', guess, short), remainder: combined('add', rest, combined('mul', short, b)) };
}

export const FloorDiv: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  return backend.secret(divided(backend.node(a), backend.node(b)).quotient, 'int32');
};

export const Mod: SecretKernel = ({ inputs, backend }) => {
  const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
  return backend.secret(divided(backend.node(a), backend.node(b)).remainder, upcastType(a.dtype, b.dtype));
};

const at = (x: SecretNode, from: number, n: number): SecretNode => {
  const begin = x.shape.map((_, i) => (i === x.shape.length - 1 ? from : 0));
  return new SecretNode('slice', [x], [...x.shape.slice(0, -1), n], { begin });
};

/** Products over axes, pair by pair. */
export const Prod: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { axis, keepDims } = attrs as unknown as { axis: number | number[]; keepDims: boolean };
  const axes = util.parseAxisParam(axis, x.shape);
  const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const outer = rest.map((i) => x.shape[i]!);
  let rows = reshaped(transposed(backend.node(x), [...rest, ...axes]), [
    ...outer,
    sizeOf(axes.map((a) => x.shape[a]!)),
  ]);
  for (let n = rows.shape.at(-1)!; n > 1; n = rows.shape.at(-1)!) {
    const half = Math.floor(n / 2);
    const pairs = combined('mul', at(rows, 0, half), at(rows, half, half));
    rows =
      n % 2
        ? new SecretNode('concat', [pairs, at(rows, 2 * half, 1)], [...outer, half + 1], { axis: outer.length })
        : pairs;
  }
  const shape = keepDims ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) : outer;
  return backend.secret(reshaped(rows, shape), upcastType(x.dtype, 'int32'));
};

/** Running products along an axis, one after another. */
export const Cumprod: SecretKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const {
    axis,
    exclusive = false,
    reverse = false,
  } = attrs as unknown as { axis: number; exclusive?: boolean; reverse?: boolean };
  const along = util.parseAxisParam(axis, x.shape)[0]!;
  const order = [...x.shape.map((_, i) => i).filter((i) => i !== along), along];
  const rows = transposed(backend.node(x), order);
  const n = rows.shape.at(-1)!;
  const one = new SecretNode('broadcast', [constant(1)], [...rows.shape.slice(0, -1), 1]);
  const parts: SecretNode[] = [];
  let product: SecretNode | undefined;
  for (let i = 0; i < n; i++) {
    const place = reverse ? n - 1 - i : i;
    if (exclusive) parts[place] = product ?? one;
    product = product ? combined('mul', product, at(rows, place, 1)) : at(rows, place, 1);
    if (!exclusive) parts[place] = product;
  }
  const joined = n === 1 ? parts[0]! : new SecretNode('concat', parts, rows.shape, { axis: rows.shape.length - 1 });
  return backend.secret(
    transposed(
      joined,
      x.shape.map((_, i) => order.indexOf(i)),
    ),
    x.dtype,
  );
};
