import { sizeOf } from '@secformer/ring';
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import type { SecretKernel } from './kernel.js';
import { reshaped, summed, transposed } from './nodes.js';

/**
 * Einsum of one or two tensors: labels that stand in one operand alone and not in the output are summed first; the rest
 * is one batched matrix product, labels in both inputs and the output being batch axes, labels in both inputs alone
 * summed over, the others rows and columns.
 */
export const Einsum: SecretKernel = ({ inputs, attrs, backend }) => {
  const { equation } = attrs as unknown as { equation: string };
  const tensors = Object.values(inputs) as unknown as TensorInfo[];
  // For its errors: they name what is wrong with an equation
  const { allDims, idDims } = backend_util.decodeEinsumEquation(equation, tensors.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as never);
  const [from, to] = equation.replace(/\s/g, '').split('->') as [string, string];
  const operands = from.split(',').map((labels, i) => {
    const lone = [...labels].filter(
      (l) => !to.includes(l) && from.split(',').every((other, j) => j === i || !other.includes(l)),
    );
    const node = summed(
      backend.node(tensors[i]!),
      lone.map((l) => labels.indexOf(l)),
    );
    return { node, labels: [...labels].filter((l) => !lone.includes(l)).join('') };
  });
  const [first, second] = operands as [(typeof operands)[0], (typeof operands)[0]?];
  const ordered = (node: SecretNode, have: string) =>
    backend.secret(
      transposed(
        node,
        [...to].map((l) => have.indexOf(l)),
      ),
    );
  if (!second) return ordered(first.node, first.labels);
  const [p, q] = [first.labels, second.labels];
  const size = new Map(operands.flatMap(({ node, labels }) => [...labels].map((l, d) => [l, node.shape[d]!] as const)));
  const shapeOf = (labels: string) => [...labels].map((l) => size.get(l)!);
  const pick = (labels: string, keep: (l: string) => boolean) => [...labels].filter(keep).join('');
  const batch = pick(p, (l) => q.includes(l) && to.includes(l));
  const inner = pick(p, (l) => q.includes(l) && !to.includes(l));
  const rows = pick(p, (l) => !q.includes(l));
  const columns = pick(q, (l) => !p.includes(l));
  const arranged = ({ node, labels }: (typeof operands)[0], groups: [string, string]): SecretNode => {
    const moved = transposed(
      node,
      [...(batch + groups.join(''))].map((l) => labels.indexOf(l)),
    );
    return reshaped(moved, [sizeOf(shapeOf(batch)), ...groups.map((g) => sizeOf(shapeOf(g)))]);
  };
  const x = arranged(first, [rows, inner]);
  const y = arranged(second, [inner, columns]);
  const product = new SecretNode('matMul', [x, y], [x.shape[0]!, x.shape[1]!, y.shape[2]!], {
    transposeA: false,
    transposeB: false,
  });
  const labels = batch + rows + columns;
  return ordered(reshaped(product, shapeOf(labels)), labels);
};
