import type { ElementwiseOp, Shape } from '@secformer/secformer-ops';

/** Operations of the recorded graph: what TF.js calls, before rewrites. `attrs` as the operation needs them. */
export type RecordedOp =
  | ElementwiseOp
  | 'leaf'
  | 'constant'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'square'
  | 'prelu'
  | 'softmax'
  | 'logSoftmax'
  | 'matMul'
  | 'reshape'
  | 'transpose'
  | 'slice'
  | 'view'
  | 'pick'
  | 'concat'
  | 'broadcast'
  | 'sum'
  | 'mean'
  | 'cumSum'
  | 'gather'
  | 'oneHot'
  | 'max'
  | 'min'
  | 'argMax'
  | 'argMin'
  | 'topK';

/** By provenance: what a tensor's plaintext may be shown to. */
export type Privacy = 'secret' | 'local' | 'public';

/** A form of a leaf's values that a rewrite asked for: scaled, clamped, or at another scale; each is a tensor of its own at the nodes. */
export interface Variant {
  tensor: number;
  values: () => Float32Array;
  fracBits: number;
}

let nextId = 1;

/**
 * A secret value in the recorded graph. Kernels make them and point at value objects, never at data ids; they are computed when something is read.
 */
export class SecretNode {
  readonly id = nextId++;
  /** handles (data ids) and unexecuted nodes that refer to this one */
  users = 0;
  /** id at the nodes, once the share is there */
  tensor: number | undefined;
  /** plaintext, once read, or as written by the caller */
  values: Float32Array | undefined;
  /** of a leaf that the caller wrote: a result that was read is secret */
  privacy: Privacy = 'secret';
  /**
   * Indices of a 'gather' or a 'oneHot' that stay in this process. They are no attribute, for attributes become part of
   * the graph that the nodes see; the compiler binds them to a slot, and the session sends them under masks.
   */
  ownIndices: Int32Array | undefined;
  readonly variants = new Map<string, Variant>();

  constructor(
    public op: RecordedOp,
    public inputs: SecretNode[],
    readonly shape: Shape,
    public attrs: Record<string, unknown> = {},
  ) {
    for (const i of inputs) i.users++;
  }

  attr<T>(name: string): T {
    return this.attrs[name] as T;
  }

  get isLeaf(): boolean {
    return this.op === 'leaf' || this.tensor !== undefined;
  }

  toString(): string {
    return `[SecretNode ${this.op} ${this.shape.join('x') || 'scalar'}]`;
  }
}
