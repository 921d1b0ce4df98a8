/**
 * Public tensors that are weights. A small public tensor, or a mask, is part of the program, where rewrites see its
 * numbers; a large one, and what was declared as a model's, is given to both parties as it is, once, and the program
 * names it by its digest.
 */
import { sizeOf } from '@secformer/ring';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { DataRecord } from './data-record.js';
import { FAR_FROM } from './traits.js';

/** Elements of a public tensor that is still part of the program: some tens of kilobytes of its text. */
export const IN_PROGRAM = 4096;

/** Numbers that masks are made of. */
const isOfMask = (v: number) => (Number.isInteger(v) && Math.abs(v) <= 2) || !(Math.abs(v) < FAR_FROM);

/** Whether both parties are given this tensor as it is. */
export function isWeights(record: DataRecord): boolean {
  const { privacy, dtype, shape, plain } = record;
  if (privacy !== 'public') return false;
  record.weights ??= dtype === 'float32' && sizeOf(shape) > IN_PROGRAM && !(plain as Float32Array).every(isOfMask);
  return record.weights;
}

/** A variable of a layer. */
export interface LayerVariable {
  /** The tensor that it is now. */
  read(): Tensor;
}

/** A model whose tensors can be told: a BertModel, a tf.GraphModel or a tf.LayersModel. */
export interface ModelOfWeights {
  /** tensors, lists of them by name, or variables of layers */
  readonly weights: readonly (Tensor | LayerVariable)[] | Readonly<Record<string, readonly Tensor[]>>;
}

/** A model's tensors. @throws TypeError where it does not say what they are */
export function weightsOf({ weights }: ModelOfWeights): Tensor[] {
  if (typeof weights !== 'object' || weights === null)
    throw new TypeError('asPublic takes a tensor, or a model with `weights`: a BertModel, GraphModel or LayersModel');
  const all = Array.isArray(weights) ? weights : Object.values(weights).flat();
  return all.map((w) => ('read' in w ? w.read() : w));
}
