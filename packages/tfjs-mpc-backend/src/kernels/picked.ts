import type { RecordedOp } from '../node-values.js';
import { SecretNode } from '../node-values.js';
import { constant } from './nodes.js';

/** Functions that are not defined everywhere, all of them at 1, and which operand that is about. */
const PARTIAL: Readonly<Partial<Record<RecordedOp, number>>> = {
  log: 0,
  log1p: 0,
  sqrt: 0,
  rsqrt: 0,
  reciprocal: 0,
  div: 1,
  exp: 0,
  expm1: 0,
};

/**
 * A branch of a selection, as good as it where it is picked. A function that is not defined everywhere is computed of 1
 * where it is not picked, so that `where(x > 0, log(x), 0)` and `divNoNan` do not leave its domain.
 * @param bit the condition
 * @param where what the condition is where the branch is picked
 */
export function picked(branch: SecretNode, bit: SecretNode, where: 0 | 1): SecretNode {
  const at = PARTIAL[branch.op];
  if (at === undefined || branch.inputs.length <= at) return branch;
  const x = branch.inputs[at]!;
  if (x.op === 'constant' || x.shape.join() !== bit.shape.join()) return branch;
  // x where it is picked, and 1 elsewhere
  const [from, to] = where === 1 ? [constant(1), x] : [x, constant(1)];
  const step = new SecretNode('mul', [bit, new SecretNode('sub', [to, from], x.shape)], x.shape);
  const argument = new SecretNode('add', [from, step], x.shape);
  const inputs = branch.inputs.map((input, i) => (i === at ? argument : input));
  return new SecretNode(branch.op, inputs, branch.shape, branch.attrs);
}
