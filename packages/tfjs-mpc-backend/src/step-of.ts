/** Steps of what was recorded: how a client has what is its own. */
import type { DataType } from '@tensorflow/tfjs-core';
import type { SecretNode } from './node-values.js';
import { inOrder } from './own.js';
import type { Operand, Step } from './steps.js';

/** A public value. */
export function constantStep(values: ArrayLike<number>, shape: readonly number[], dtype: DataType): Step {
  return { step: 'constant', values, shape: [...shape], dtype: dtype as Operand['dtype'] };
}

const made = new WeakMap<SecretNode, Step>();

/**
 * An expression of a client's own values and public ones.
 * @throws TypeError where there is something else in it
 */
export function stepOf(n: SecretNode): Step {
  for (const next of inOrder(n)) if (!made.has(next)) made.set(next, stepOfOne(next));
  return made.get(n)!;
}

function stepOfOne(n: SecretNode): Step {
  const { shape, owner } = n;
  if (owner !== 'public' && owner !== 'client')
    throw new TypeError(`a '${n.op}' of shape [${shape}] is not a client's own`);
  if (n.values) return n.step ?? constantStep(n.values, shape, 'float32');
  if (n.op === 'constant') return { step: 'constant', values: n.attr<number[]>('values'), shape, dtype: 'real' };
  const inputs = n.inputs.map((i) => made.get(i)!);
  const indices = n.ownIndices && (n.indexStep ?? constantStep(n.ownIndices, [n.ownIndices.length], 'int32'));
  return { step: 'op', op: n.op, attrs: n.attrs, inputs, shape, dtype: 'real', ...(indices && { indices }) };
}
