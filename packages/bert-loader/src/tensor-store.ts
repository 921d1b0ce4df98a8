import { type Tensor, tensor } from '@tensorflow/tfjs-core';

/** A tensor of a checkpoint, on a backend. */
export interface Stored {
  tensor: Tensor;
  /** is it the transpose of what the checkpoint has? */
  turned: boolean;
}

/** The tensors that a model is made of: how they are made, and which tensors of a checkpoint they are. */
export class TensorStore {
  readonly all: Tensor[] = [];
  /** by their names in the checkpoint, without those that were computed from one */
  readonly named = new Map<string, Stored>();
  /** are tensors to be those of the checkpoint, none computed of several? */
  readonly asStored: boolean;
  readonly #make: (values: Float32Array, shape: number[]) => Tensor;

  constructor(
    make = (values: Float32Array, shape: number[]): Tensor => tensor(values, shape, 'float32'),
    asStored = false,
  ) {
    this.asStored = asStored;
    this.#make = make;
  }

  /** @param name of the checkpoint's tensor that it is; undefined: it is computed from one */
  keep(values: Float32Array, shape: number[], name?: string, turned = false): Tensor {
    const made = this.#make(values, shape);
    this.all.push(made);
    if (name !== undefined) this.named.set(name, { tensor: made, turned });
    return made;
  }

  dispose(): void {
    for (const t of this.all) t.dispose();
  }
}
