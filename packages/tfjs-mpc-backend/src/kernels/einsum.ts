import { sizeOf } from '@secformer/ring';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { SecretNode } from '../node-values.js';
import { type SecretKernel, UnsupportedKernelError } from './kernel.js';

/**
 * Einsum of two tensors as one batched matrix product: labels in both inputs and the output are batch axes, labels in both inputs alone are summed over, the others are
 * rows and columns.
 */
export const Einsum: SecretKernel = ({ inputs, attrs, backend }) => {
  const { equation } = attrs as unknown as { equation: string };
  const tensors = Object.values(inputs) as unknown as TensorInfo[];
  const [from, to] = equation.replace(/\s/g, '').split('->') as [string, string | undefined];
  const terms = from.split(',');
  const [p, q] = terms as [string, string];
  const plain = terms.length === 2 && tensors.length === 2 && to !== undefined && terms.every((t, i) => new Set(t).size === t.length && t.length === tensors[i]!.shape.length);
  const orphan = plain && [...(p + q)].find((l) => !to.includes(l) && !(p.includes(l) && q.includes(l)));
  if (!plain || orphan) throw new UnsupportedKernelError('Einsum', `with equation '${equation}' is not there for secret tensors; two operands without repeated or lone labels are`);
  const size = new Map(terms.flatMap((t, i) => [...t].map((l, d) => [l, tensors[i]!.shape[d]!] as const)));
  const shapeOf = (labels: string) => [...labels].map((l) => size.get(l)!);
  const pick = (labels: string, keep: (l: string) => boolean) => [...labels].filter(keep).join('');
  const batch = pick(p, (l) => q.includes(l) && to.includes(l));
  const inner = pick(p, (l) => q.includes(l) && !to.includes(l));
  const rows = pick(p, (l) => !q.includes(l));
  const columns = pick(q, (l) => !p.includes(l));

  const arranged = (t: TensorInfo, have: string, groups: [string, string]): SecretNode => {
    const want = batch + groups.join('');
    const perm = [...want].map((l) => have.indexOf(l));
    const moved = new SecretNode('transpose', [backend.node(t)], shapeOf(want), { perm });
    return new SecretNode('reshape', [moved], [sizeOf(shapeOf(batch)), ...groups.map((g) => sizeOf(shapeOf(g)))]);
  };
  const [a, b] = tensors as [TensorInfo, TensorInfo];
  const x = arranged(a, p, [rows, inner]);
  const y = arranged(b, q, [inner, columns]);
  const product = new SecretNode('matMul', [x, y], [x.shape[0]!, x.shape[1]!, y.shape[2]!], { transposeA: false, transposeB: false });
  const labels = batch + rows + columns;
  const spread = new SecretNode('reshape', [product], shapeOf(labels));
  const perm = [...to].map((l) => labels.indexOf(l));
  return backend.secret(new SecretNode('transpose', [spread], shapeOf(to), { perm }));
};
