import { type Kernels, StoredWords, sizeOf, type Words } from '@secformer/ring';
import {
  type CheckedProgram,
  type Program,
  type ProgramInput,
  publicBits,
  readProgram,
  type ShareType,
  type StoredOpening,
} from '@secformer/secformer-ops';
import { NodeError, type NodeErrorCode, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { MessageLink } from '../wire/framing.js';
import type { BoundInput } from '../wire/messages.js';
import type { Principal } from '../wire/principal.js';
import type { Account, Budget } from './budget.js';
import type { PublicTensor } from './public-tensors.js';
import type { Subject } from './subject.js';

/** An input of a Program that is a public tensor. */
export type PublicInput = Extract<ProgramInput, { kind: 'public' }>;

/** A tensor of a session at one node: its share (none at the dealer), and openings by width and run. */
export interface StoredTensor {
  type: ShareType;
  /** whether the parties have a share of it; where not, its owner has written openings alone */
  isShared: boolean;
  share?: StoredWords;
  /** by `width:run`, with what each was counted with */
  openings: Map<string, { opening: StoredOpening; bytes: number }>;
  /** what it was counted with, openings included */
  bytes: number;
}

/** What a Program says of a tensor that it takes. */
type Wanted = Pick<ShareType, 'shape' | 'fracBits' | 'bits' | 'magnitude'>;

/** Bytes of a checked Program in memory for one of its text. */
const CHECKED_BYTES = 8;

const bad = (what: string, code: NodeErrorCode = 'BAD_MESSAGE') => new NodeError('client', code, what);
const exists = (id: number) => bad(`tensor ${id} exists already`);

/** What one client has at this node, counted against the node's memory. No other client can name any of it. */
export class NodeSession {
  /** bytes of what this connection keeps, which its subject's account counts */
  #held = 0;
  readonly tensors = new Map<number, StoredTensor>();
  /** public tensors that it has named, by number; the words of one are held once for all sessions */
  readonly #publics = new Map<number, { tensor: PublicTensor; bytes: number; release: () => void }>();
  /** by hash, as they came */
  readonly #programs = new Map<string, Uint8Array>();
  /** the last ones that were asked for, checked */
  readonly #checked = new Map<string, CheckedProgram>();
  /** generations of models that were staged from here */
  readonly staged = new Set<string>();
  /** files of a model to come, by SHA-256 */
  readonly #uploads = new Map<string, Uint8Array>();
  readonly #budget: Budget;
  readonly #node: NodeName;
  #closed = false;

  constructor(
    readonly id: string,
    readonly link: MessageLink,
    budget: Budget,
    node: NodeName,
    readonly principal: Principal,
    readonly subject: Subject,
  ) {
    this.#budget = budget;
    this.#node = node;
  }

  /** Counts memory before it is taken. @throws NodeError LIMIT_EXCEEDED; LINK_CLOSED where the session is over */
  hold(bytes: number, what: string): void {
    if (this.#closed) throw bad('has left', 'LINK_CLOSED');
    this.#budget.hold(this.account, bytes, what);
    this.#held += bytes;
  }

  /** @throws NodeError LINK_CLOSED where the session is over */
  checkOpen(): void {
    if (this.#closed) throw bad('has left', 'LINK_CLOSED');
  }

  get account(): Account {
    return this.subject.account;
  }

  /** Of a session that is over nothing is counted any more. */
  give(bytes: number): void {
    if (this.#closed) return;
    this.#held -= bytes;
    this.#budget.give(this.account, bytes);
  }

  close(): void {
    this.give(this.#held);
    this.#closed = true;
    this.tensors.clear();
    for (const { release } of this.#publics.values()) release();
    this.#publics.clear();
    this.#uploads.clear();
    this.#programs.clear();
    this.#checked.clear();
  }

  program(hash: string): CheckedProgram {
    const text = this.#programs.get(hash);
    if (!text) throw bad('asked for a program that this node does not have');
    const checked = this.#checked.get(hash) ?? readProgram(text);
    this.#keepChecked(hash, checked, text);
    return checked;
  }

  /**
   * Keeps a Program that has been checked, in the place of the oldest where there are too many. @throws NodeError
   * LIMIT_EXCEEDED
   */
  addProgram(hash: string, checked: CheckedProgram, text: Uint8Array): void {
    if (this.#programs.has(hash)) return;
    this.hold(text.length, 'a program');
    this.#programs.set(hash, text);
    if (this.#programs.size > limits.sessionPrograms) {
      const [oldest, { length }] = this.#programs.entries().next().value!;
      this.#dropChecked(oldest);
      this.#programs.delete(oldest);
      this.give(length);
    }
    this.#keepChecked(hash, checked, text);
  }

  #keepChecked(hash: string, checked: CheckedProgram, text: Uint8Array): void {
    if (!this.#checked.has(hash)) this.hold(CHECKED_BYTES * text.length, 'a program');
    this.#checked.delete(hash);
    this.#checked.set(hash, checked);
    if (this.#checked.size > limits.checkedPrograms) this.#dropChecked(this.#checked.keys().next().value!);
  }

  #dropChecked(hash: string): void {
    if (this.#checked.delete(hash)) this.give(CHECKED_BYTES * this.#programs.get(hash)!.length);
  }

  /** Text of a Program that was sent. */
  programText(hash: string): Uint8Array {
    const text = this.#programs.get(hash);
    if (!text) throw bad('published a program that it has not sent');
    return text;
  }

  /** Keeps a file that belongs to a model to come, whose bytes are counted already. */
  addUpload(sha256: string, bytes: Uint8Array): void {
    if (this.#uploads.has(sha256)) this.give(bytes.length);
    else this.#uploads.set(sha256, bytes);
  }

  upload(sha256: string): Uint8Array {
    const bytes = this.#uploads.get(sha256);
    if (!bytes) throw bad('published a file that it has not sent');
    return bytes;
  }

  /** What can be made again goes. */
  rest(): void {
    for (const hash of [...this.#checked.keys()]) this.#dropChecked(hash);
  }

  /** @throws NodeError where a share of that number is not wanted */
  checkNew(id: number, type: ShareType): void {
    const there = this.#placeOf(id);
    if (!there) return;
    if (there.isShared) throw exists(id);
    this.bound(id, type);
  }

  /** @throws NodeError where an opening of that number is not wanted */
  checkNewOpening(id: number, type: ShareType, width: number): void {
    const there = this.#placeOf(id);
    if (!there) return;
    this.bound(id, type);
    for (const { opening } of there.openings.values())
      if (opening.width === width) throw bad(`tensor ${id} has an opening of ${width} bits already`);
  }

  /** @throws NodeError where a public tensor of that number is not wanted */
  checkNewPublic(id: number): void {
    if (this.#placeOf(id)) throw exists(id);
  }

  /** The tensor of a number, in other forms; undefined where there is room for a new one. A public one has no other. */
  #placeOf(id: number): StoredTensor | undefined {
    if (this.#publics.has(id)) throw exists(id);
    const there = this.tensors.get(id);
    if (there) return there;
    const most = this.principal.kind === 'asker' ? limits.askerTensors : limits.sessionTensors;
    if (this.tensors.size + this.#publics.size >= most)
      throw bad(`more than ${most} tensors in one session`, 'LIMIT_EXCEEDED');
    return undefined;
  }

  /** Keeps a tensor whose bytes are counted already, or the share of one that there are openings of. */
  store(kernels: Kernels, id: number, type: ShareType, share: Words | undefined, bytes: number): void {
    const t = this.#stored(id, type);
    t.isShared = true;
    if (share) t.share = new StoredWords(kernels, share);
    t.bytes += bytes;
  }

  /** Keeps an opening that its owner has written, whose bytes are counted already. */
  storeWritten(id: number, type: ShareType, name: string, opening: StoredOpening, bytes: number): void {
    this.#stored(id, type);
    this.storeOpening(id, name, opening, bytes);
  }

  #stored(id: number, type: ShareType): StoredTensor {
    const t = this.tensors.get(id) ?? { type, isShared: false, openings: new Map(), bytes: 0 };
    this.tensors.set(id, t);
    return t;
  }

  /**
   * Keeps an opening whose bytes are counted already, in the place of an earlier one of that width, which no run to
   * come will name.
   */
  storeOpening(id: number, run: string, opening: StoredOpening, bytes: number): void {
    const t = this.tensors.get(id);
    if (!t) {
      this.give(bytes);
      return;
    }
    for (const [name, earlier] of t.openings) {
      if (earlier.opening.width !== opening.width) continue;
      t.openings.delete(name);
      t.bytes -= earlier.bytes;
      this.give(earlier.bytes);
    }
    t.openings.set(`${opening.width}:${run}`, { opening, bytes });
    t.bytes += bytes;
  }

  /**
   * Names a public tensor, whose bytes are counted already.
   * @param release called once it is forgotten
   */
  storePublic(id: number, tensor: PublicTensor, bytes: number, release: () => void): void {
    this.#publics.set(id, { tensor, bytes, release });
  }

  /**
   * A public tensor that an input of a Program is.
   * @throws NodeError TENSOR_LOST where this session has none of that digest, or it is of another type
   */
  public({ digest, shape, fracBits, magnitude }: PublicInput): PublicTensor {
    for (const { tensor } of this.#publics.values()) {
      if (tensor.digest !== digest) continue;
      if (tensor.count === sizeOf(shape) && tensor.bits === publicBits({ fracBits, magnitude })) return tensor;
    }
    throw new NodeError(this.#node, 'TENSOR_LOST', `the public tensor ${digest} is not here as [${shape}]`);
  }

  /** Whether this node is given public tensors: the dealer is not. */
  get hasPublics(): boolean {
    return this.#node !== 'dealer';
  }

  /** The public tensor of a number. @throws NodeError TENSOR_LOST where it is not there, or is another */
  named(
    id: number,
    { digest, shape, bits }: { digest?: string; shape: readonly number[]; bits: number },
  ): PublicTensor {
    const tensor = this.#publics.get(id)?.tensor;
    if (tensor?.digest === digest && tensor?.count === sizeOf(shape) && tensor.bits === bits) return tensor;
    throw new NodeError(this.#node, 'TENSOR_LOST', `public tensor ${id} is not here as [${shape}]`);
  }

  forget(id: number): void {
    const named = this.#publics.get(id);
    if (named) {
      this.#publics.delete(id);
      named.release();
      this.give(named.bytes);
      return;
    }
    const t = this.tensors.get(id);
    if (!t) return;
    this.tensors.delete(id);
    this.give(t.bytes);
  }

  /** Whether a tensor has that number, in any form. */
  has(id: number): boolean {
    return this.tensors.has(id) || this.#publics.has(id);
  }

  tensor(id: number): StoredTensor {
    const t = this.tensors.get(id);
    if (!t) throw new NodeError(this.#node, 'TENSOR_LOST', `tensor ${id} is not here any more`);
    return t;
  }

  /** A stored opening that an input is bound to. */
  opening({ tensor, width, run }: BoundInput & { kind: 'opened' }): StoredOpening {
    const there = this.tensors.get(tensor)?.openings.get(`${width}:${run}`);
    if (!there) throw new NodeError(this.#node, 'TENSOR_LOST', `the opening of tensor ${tensor} is not here any more`);
    return there.opening;
  }

  checkBindings(inputs: readonly BoundInput[], program: Program): void {
    if (inputs.length !== program.inputs.length) throw bad(`bound ${inputs.length} inputs of ${program.inputs.length}`);
    inputs.forEach((b, i) => {
      const wants = program.inputs[i]!;
      if (b.kind !== wants.kind) throw bad(`bound input ${i} to '${b.kind}', the program wants '${wants.kind}'`);
      if (wants.kind === 'public' && this.hasPublics) this.public(wants);
      if (b.kind !== 'opened' || wants.kind !== 'opened') return;
      this.bound(b.tensor, wants);
      if (b.width !== wants.width) throw bad(`bound input ${i} to an opening of ${b.width} bits`);
      this.opening(b);
    });
  }

  /** A tensor of the session as a share, if it is what the program wants. */
  boundShare(tensor: number, wants: Wanted): StoredTensor {
    const t = this.bound(tensor, wants);
    if (t.isShared) return t;
    throw bad(`bound a share to tensor ${tensor}, which it has written as an opening alone`);
  }

  /** A tensor of the session, if it is of the type that the program wants. */
  bound(tensor: number, wants: Wanted): StoredTensor {
    const t = this.tensor(tensor);
    const { shape, fracBits, bits, magnitude } = t.type;
    if (
      shape.join() !== wants.shape.join() ||
      fracBits !== wants.fracBits ||
      bits !== wants.bits ||
      magnitude !== wants.magnitude
    )
      throw bad(`bound an input to tensor ${tensor}, which is of another type`);
    return t;
  }
}
