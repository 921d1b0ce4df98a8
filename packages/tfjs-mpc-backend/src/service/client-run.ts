/** Computes a checked client part: what the nodes are given of some inputs, and outputs of what they reveal. */
import { SecformerError, sizeOf } from '@secformer/ring';
import type { BackendValues } from '@tensorflow/tfjs-core';
import { typed } from '../data-record.js';
import { type HostInputs, type PlainTensor, runOnHost } from '../host.js';
import type { RecordedOp } from '../node-values.js';
import { evaluateKnown } from '../own.js';
import { rowsOf } from '../rows.js';
import { attributesOf, type ClientPart, type NumberedStep, numberOf } from './client-part.js';

/** A step's values: of a TF.js type, or in double precision. */
type Values = Float32Array | Int32Array | Uint8Array | Float64Array;

export class ClientRun {
  readonly #part: ClientPart;
  readonly #inputs: readonly PlainTensor[];
  readonly #done = new Map<number, Values>();
  #revealed: readonly Float32Array[] = [];

  /**
   * @param part as `checkedPart` has it
   * @param inputs of the types that it was checked with
   */
  constructor(part: ClientPart, inputs: readonly PlainTensor[]) {
    this.#part = part;
    this.#inputs = inputs;
  }

  /**
   * What the nodes are given: values to be shared, and integers.
   * @throws Error, as the kernels on 'cpu' do, where an input has values that the model does not take; SecformerError
   *   MASK_REFUSED
   */
  given(): { values: Float32Array[]; indices: Int32Array[] } {
    const { values, indices } = this.#part;
    return {
      values: values.map((i) => Float32Array.from(this.#of(i))),
      indices: indices.map((i) => Int32Array.from(this.#of(i))),
    };
  }

  /** The model's outputs, of what the nodes reveal. */
  outputs(revealed: readonly Float32Array[]): PlainTensor[] {
    this.#revealed = revealed;
    return this.#part.outputs.map((o) => this.#tensor(o));
  }

  #of(at: number): Values {
    for (const i of this.#order(at)) this.#done.set(i, this.#made(this.#part.steps[i]!));
    return this.#done.get(at)!;
  }

  /** This step and those that it needs, as far as they are not done, in an order in which they can be. */
  #order(at: number): number[] {
    const needed = new Set<number>();
    const left = [at];
    for (let i = left.pop(); i !== undefined; i = left.pop()) {
      if (this.#done.has(i) || needed.has(i)) continue;
      needed.add(i);
      left.push(...madeOf(this.#part.steps[i]!));
    }
    return [...needed].sort((a, b) => a - b);
  }

  #made(s: NumberedStep): Values {
    const made = this.#computed(s);
    if (made.length === sizeOf(s.shape)) return made;
    throw new SecformerError('CLIENT_PART_REFUSED', `a ${s.step} of the published model gave ${made.length} values`);
  }

  #computed(s: NumberedStep): Values {
    switch (s.step) {
      case 'input':
        return this.#inputs[s.input]!.values as Values;
      case 'revealed':
        return Float64Array.from(this.#revealed[s.output]!);
      case 'constant': {
        const values = Float64Array.from(s.values, numberOf);
        return s.dtype === 'real' ? values : asType(values, s.dtype);
      }
      case 'rows':
        return rowsOf(s.call, Int32Array.from(this.#tensor(s.of).values as Int32Array));
      case 'kernel': {
        const inputs: HostInputs = Array.isArray(s.inputs)
          ? s.inputs.map((o) => this.#tensor(o))
          : Object.fromEntries(Object.entries(s.inputs).map(([key, o]) => [key, this.#tensor(o)]));
        const result = runOnHost(s.kernel, inputs, attributesOf(s.attrs))[s.output];
        return asType((result?.values ?? []) as Values, s.dtype);
      }
      default:
        return evaluateKnown(
          { op: s.op as RecordedOp, shape: s.shape, attrs: attributesOf(s.attrs) },
          s.inputs.map((i) => real(this.#done.get(i)!)),
          s.inputs.map((i) => this.#part.steps[i]!.shape),
          s.indices === undefined ? undefined : Int32Array.from(this.#done.get(s.indices)!),
        );
    }
  }

  #tensor({ of, shape, dtype }: ClientPart['outputs'][number]): PlainTensor {
    return { values: asType(this.#of(of), dtype), shape: [...shape], dtype };
  }
}

/** As a leaf has them, whose values are of 32 bits. */
function real(values: Values): Float64Array {
  if (values instanceof Float64Array) return values;
  return Float64Array.from(values instanceof Float32Array ? values : Float32Array.from(values));
}

const TYPES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** As the backend has a recorded value that is read. */
function asType(values: Values, dtype: keyof typeof TYPES): BackendValues & Values {
  if (values instanceof TYPES[dtype]) return values;
  return typed(Float32Array.from(values), dtype) as BackendValues & Values;
}

function madeOf(s: NumberedStep): number[] {
  if (s.step === 'kernel') return Object.values(s.inputs).map(({ of }) => of);
  if (s.step === 'op') return s.indices === undefined ? s.inputs : [...s.inputs, s.indices];
  return s.step === 'rows' ? [s.of.of] : [];
}
