import type { SecretNode } from '../node-values.js';

/** x·σ(x), the SiLU or swish, which TensorFlow.js has no kernel for. @returns x */
export function matchSilu(n: SecretNode): SecretNode | undefined {
  if (n.op !== 'mul') return undefined;
  const [a, b] = n.inputs as [SecretNode, SecretNode];
  if (b.op === 'sigmoid' && b.inputs[0] === a) return a;
  return a.op === 'sigmoid' && a.inputs[0] === b ? b : undefined;
}
