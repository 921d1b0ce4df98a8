/** Kernels on values that this process will know once they are asked for: see `Later`. */
import { sizeOf } from '@secformer/ring';
import type { BackendValues, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { SecformerBackend } from './backend.js';
import { type Later, notYet } from './data-record.js';
import { type HostInputs, type PlainTensor, runOnHost } from './host.js';

/** An operand: known, or known later. */
type Operand = PlainTensor | (Omit<PlainTensor, 'values'> & { later: Later });

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

export class DeferredKernel {
  /** what comes out, with the values of zeros */
  readonly shapes: PlainTensor[];
  readonly #kernel: string;
  readonly #attrs: Record<string, unknown> | undefined;
  readonly #inputs: Operand[] | Record<string, Operand | undefined>;
  #made: PlainTensor[] | undefined;

  /** @throws SecformerError NOT_PLAIN where an operand is at the nodes */
  constructor(
    kernel: string,
    inputs: NamedTensorInfoMap,
    attrs: Record<string, unknown> | undefined,
    b: SecformerBackend,
  ) {
    const operand = (t: TensorInfo): Operand => {
      const later = b.later(t);
      if (later) return { later, shape: [...t.shape], dtype: t.dtype };
      if (!b.isKnown(t)) throw notYet(t.shape);
      return b.known(t);
    };
    this.#kernel = kernel;
    this.#attrs = attrs;
    this.#inputs = Array.isArray(inputs)
      ? (inputs as TensorInfo[]).map(operand)
      : Object.fromEntries(
          Object.entries(inputs as Record<string, TensorInfo | undefined>).map(([name, t]) => [name, t && operand(t)]),
        );
    this.shapes = this.#run(({ shape, dtype }) => new ARRAYS[dtype as 'float32'](sizeOf(shape)));
  }

  result(at: number): Later {
    const made = () => this.#made?.[at]?.values;
    return {
      get values() {
        return made();
      },
      read: async (signal) => {
        for (const later of this.#waiting()) await later.read(signal);
        this.#compute();
      },
      readSync: () => {
        for (const later of this.#waiting()) later.readSync();
        this.#compute();
      },
    };
  }

  #waiting(): Later[] {
    const all = Object.values(this.#inputs) as (Operand | undefined)[];
    return all.flatMap((o) => (o && 'later' in o && !o.later.values ? [o.later] : []));
  }

  #compute(): void {
    this.#made ??= this.#run((o) => o.later.values!);
  }

  #run(valuesOf: (o: Extract<Operand, { later: Later }>) => BackendValues): PlainTensor[] {
    const plain = (o: Operand): PlainTensor => ('later' in o ? { ...o, values: valuesOf(o) } : o);
    const given: HostInputs = Array.isArray(this.#inputs)
      ? this.#inputs.map(plain)
      : Object.fromEntries(Object.entries(this.#inputs).map(([name, o]) => [name, o && plain(o)]));
    return runOnHost(this.#kernel, given, this.#attrs);
  }
}
