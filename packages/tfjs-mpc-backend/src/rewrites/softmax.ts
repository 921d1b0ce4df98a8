import type { SecretNode } from '../node-values.js';
import { throughViews } from './patterns.js';

/** The kernel, or e^(x − max)/Σe^(x − max) over the last axis. @returns x */
export function matchSoftmax(n: SecretNode): SecretNode | undefined {
  if (n.op === 'softmax') return n.inputs[0];
  if (n.op !== 'div') return undefined;
  const [power, total] = n.inputs as [SecretNode, SecretNode];
  return power.op === 'exp' && isRowSum(throughViews(total), power) ? lessMaximum(power.inputs[0]!) : undefined;
}

/** The kernel, or x − max − ln Σe^(x − max) over the last axis, as tf.logSoftmax writes it. @returns x */
export function matchLogSoftmax(n: SecretNode): SecretNode | undefined {
  if (n.op === 'logSoftmax') return n.inputs[0];
  if (n.op !== 'sub') return undefined;
  const [shifted, last] = n.inputs as [SecretNode, SecretNode];
  const logarithm = throughViews(last);
  if (logarithm.op !== 'log') return undefined;
  const total = throughViews(logarithm.inputs[0]!);
  const power = total.inputs[0];
  return power?.op === 'exp' && power.inputs[0] === shifted && isRowSum(total, power)
    ? lessMaximum(shifted)
    : undefined;
}

function isRowSum(n: SecretNode, of: SecretNode): boolean {
  if (n.op !== 'sum' || n.inputs[0] !== of) return false;
  const axes = n.attr<number[]>('axes');
  return axes.length === 1 && axes[0] === of.shape.length - 1;
}

/** x of x − max(x), the maximum over the last axis. */
function lessMaximum(n: SecretNode): SecretNode | undefined {
  if (n.op !== 'sub') return undefined;
  const [x, m] = n.inputs as [SecretNode, SecretNode];
  const top = throughViews(m);
  if (top.op !== 'max' || top.attr<number>('axis') !== x.shape.length - 1) return undefined;
  // The kernel moves the axis to the end, which here leaves it where it is
  return straight(top.inputs[0]!) === x ? x : undefined;
}

function straight(n: SecretNode): SecretNode {
  const views = (v: SecretNode) => v.op === 'transpose' && v.attr<number[]>('perm').every((p, i) => p === i);
  let at = throughViews(n);
  while (views(at)) at = throughViews(at.inputs[0]!);
  return at;
}
