import type { SecretNode } from '../node-values.js';
import { factors, near, sumWithScalar } from './patterns.js';

/**
 * GeLU as models write it: 0.5·x·(1 + erf(x/√2)), or 0.5·x·(1 + tanh(√(2/π)(x + 0.044715·x³))), in any order of the
 * factors.
 * @returns x and the form
 */
export function matchGelu(n: SecretNode): { x: SecretNode; form: 'erf' | 'tanh' } | undefined {
  if (n.op !== 'mul' && n.op !== 'div') return undefined;
  for (const gate of factors(n).parts) {
    const inner = sumWithScalar(gate);
    if (!inner || !near(inner.c, 1) || (inner.x.op !== 'erf' && inner.x.op !== 'tanh')) continue;
    const form = inner.x.op;
    const argument = inner.x.inputs[0]!;
    const x = form === 'erf' ? erfArgument(argument) : tanhArgument(argument);
    if (!x) continue;
    const { scalar, parts } = factors(n, [x, gate]);
    if (near(scalar, 0.5) && parts.length === 2 && parts.includes(x) && parts.includes(gate)) return { x, form };
  }
  return undefined;
}

function erfArgument(n: SecretNode): SecretNode | undefined {
  const { scalar, parts } = factors(n, [], 1);
  return near(scalar, Math.SQRT1_2) && parts.length === 1 ? parts[0] : undefined;
}

/** √(2/π)·(x + 0.044715·x³) */
function tanhArgument(n: SecretNode): SecretNode | undefined {
  const outer = factors(n, [], 1);
  const sum = outer.parts[0];
  if (!near(outer.scalar, Math.sqrt(2 / Math.PI)) || outer.parts.length !== 1 || sum?.op !== 'add') return undefined;
  for (const [x, cubic] of [sum.inputs, [...sum.inputs].reverse()] as [SecretNode, SecretNode][]) {
    const { scalar, parts } = factors(cubic, [x]);
    const flat = parts.flatMap((p) => (p.op === 'square' ? [p.inputs[0]!, p.inputs[0]!] : [p]));
    if (near(scalar, 0.044715) && flat.length === 3 && flat.every((p) => p === x)) return x;
  }
  return undefined;
}
