import { type ElementwiseOp, functionOf, type Shape } from '@secformer/secformer-ops';
import type { Indices } from './rows.js';
import { type Owner, type Step, together } from './steps.js';

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
  | 'select'
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
  | 'oneHotOf'
  | 'max'
  | 'min'
  | 'argMax'
  | 'argMin'
  | 'topK'
  // In expressions of what the caller knows, and never at the nodes
  | 'floorRows'
  | 'belowFloor'
  | 'openRows'
  | 'notMasked'
  | 'biasOnly'
  | 'bits';

/** Operations that move or repeat elements. */
export const VIEWS: ReadonlySet<RecordedOp> = new Set([
  'reshape',
  'transpose',
  'slice',
  'view',
  'pick',
  'concat',
  'broadcast',
] as const);

/** Operations that the nodes never see. */
export const HERE: ReadonlySet<RecordedOp> = new Set([
  'floorRows',
  'belowFloor',
  'openRows',
  'notMasked',
  'biasOnly',
  'bits',
] as const);

/** Operations of which the caller's own process makes what is made of its own values alone. */
const ARITHMETIC: ReadonlySet<RecordedOp> = new Set([
  'add',
  'sub',
  'mul',
  'div',
  'square',
  'prelu',
  'select',
  ...HERE,
] as const);

/** Operations that this process can do, where it would do more than its own. */
const KNOWABLE: ReadonlySet<RecordedOp> = new Set([
  ...VIEWS,
  ...ARITHMETIC,
  'neg',
  'matMul',
  'gather',
  'oneHot',
  'sum',
  'mean',
] as const);

/** By provenance: what a tensor's plaintext may be shown to. */
export type Privacy = 'secret' | 'local' | 'public';

/** What is known of own values without looking at them: see traits.ts. */
export interface Traits {
  /** made with a public number that no score reaches: a mask */
  far: boolean;
  /** the same for every index of the last axis but one: a mask of keys, which leaves all rows what it leaves one */
  alike: boolean;
  /** of public numbers alone */
  public: boolean;
}

/**
 * A form of a leaf's values that a rewrite asked for: scaled, clamped, or at another scale; each is a tensor of its own
 * at the nodes.
 */
export interface Variant {
  tensor: number;
  /** whether the parties are given it as it is */
  known: boolean;
  values: () => Float32Array;
  fracBits: number;
}

let nextId = 1;

/**
 * A secret value in the recorded graph. Kernels make them and point at value objects, never at data ids; they are
 * computed when something is read.
 */
export class SecretNode {
  readonly id = nextId++;
  /** handles (data ids), unexecuted nodes and reads that refer to this one */
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
  indexOwner: Owner = 'caller';
  /** how a client has the indices, where they are a client's */
  indexStep: Step | undefined;
  /** how a client has the values of a leaf, where they are a client's */
  step: Step | undefined;
  /** of a passing 'gather': the recorded one that has these indices, and lives */
  origin: SecretNode | undefined;
  readonly variants = new Map<string, Variant>();
  /** tensors at the nodes that a refused read has left there for it */
  readonly unusable: number[] = [];
  /** what the caller's process computed of this and others of its values, by what it is: see fold.ts */
  readonly derived = new Map<string, readonly SecretNode[]>();
  /** see traits.ts */
  traits: Traits | undefined;
  #ofOwn: boolean;
  readonly #ofKnown: boolean;
  /** whose the operands are, together */
  readonly #ofWhom: Owner;

  /** @param counted whether the operands count it as a user; a node that lives as long as a compilation is not */
  constructor(
    public op: RecordedOp,
    public inputs: SecretNode[],
    readonly shape: Shape,
    public attrs: Record<string, unknown> = {},
    counted = true,
  ) {
    this.#ofOwn = ofOwn(op, inputs);
    let owner: Owner = op === 'leaf' ? 'caller' : 'public';
    for (const i of inputs) owner = together(owner, i.owner);
    this.#ofWhom = owner;
    this.#ofKnown = this.#ofOwn || (KNOWABLE.has(op) && inputs.every((i) => i.knowable));
    if (counted) for (const i of inputs) i.users++;
  }

  /** Whose its plaintext is. */
  get owner(): Owner {
    if (this.values !== undefined && this.privacy === 'public') return 'public';
    if (this.values !== undefined) return this.step ? 'client' : 'caller';
    return this.ownIndices ? together(this.#ofWhom, this.indexOwner) : this.#ofWhom;
  }

  /** Notes the indices of a 'gather' or a 'oneHot'. */
  takeIndices({ values, owner, step }: Indices): void {
    this.ownIndices = values;
    this.indexOwner = owner;
    this.indexStep = step;
  }

  /** The same for those of another one. */
  takeIndicesOf({ ownIndices, indexOwner, indexStep }: SecretNode): void {
    this.ownIndices = ownIndices;
    this.indexOwner = indexOwner;
    this.indexStep = indexStep;
  }

  /**
   * Does this process know its plaintext without computing what the nodes are there for? True of what the caller wrote
   * or has read, of public numbers, and of views and arithmetic of those; not of products of matrices and of rows
   * looked up in a table.
   */
  get own(): boolean {
    if (this.values !== undefined) return true;
    if (this.tensor !== undefined) return false;
    // Operands may have been read since
    this.#ofOwn ||= this.inputs.some((i) => i.values) && ofOwn(this.op, this.inputs);
    return this.#ofOwn && this.owner !== 'nobody';
  }

  /** Could this process compute it, for all that it is made of is the caller's, the nodes' work as well? */
  get knowable(): boolean {
    return this.own || (this.#ofKnown && this.tensor === undefined && this.owner !== 'nobody');
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

function ofOwn(op: RecordedOp, inputs: readonly SecretNode[]): boolean {
  if (op === 'constant' || op === 'oneHot') return true;
  if (op === 'gather') return inputs[0]!.own && inputs[0]!.shape.length === 1;
  return (
    (VIEWS.has(op) || ARITHMETIC.has(op) || functionOf(op) !== undefined) &&
    inputs.every((i) => i.values !== undefined || i.own)
  );
}

/** A node of a compilation: nothing that was recorded counts it as a user. */
export function passing(
  op: RecordedOp,
  inputs: SecretNode[],
  shape: Shape,
  attrs: Record<string, unknown> = {},
): SecretNode {
  return new SecretNode(op, inputs, shape, attrs, false);
}

/** A public number in a compilation. */
export function publicNumber(value: number): SecretNode {
  return passing('constant', [], [], { values: [value] });
}
