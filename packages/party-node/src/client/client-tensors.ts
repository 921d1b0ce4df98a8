/** What a client knows of its session's tensors: their types and shapes, and which runs have opened them. */
import { randomBytes } from '@noble/hashes/utils.js';
import { EncodingError, encodeFixed, type Kernels, KeyStream, packedBytes, Secret } from '@secformer/ring';
import {
  type InputState,
  type Plan,
  programLimits,
  type ShareType,
  type ValueType,
  writtenTensor,
} from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import { FREED, type Message } from '../wire/messages.js';
import type { NodeRole } from '../wire/tokens.js';
import { throwIfAborted, unless } from './abortable.js';
import type { NodeLinks } from './node-links.js';
import { persist } from './persist.js';

interface Tensor {
  state: InputState;
  shape: readonly number[];
  /** id of the run that made each opening, by width in bits */
  openings: Map<number, string>;
}

export class ClientTensors {
  readonly #kernels: Kernels;
  readonly #links: NodeLinks;
  readonly #tensors = new Map<number, Tensor>();
  /** writes that were given up, until the nodes have nothing of them */
  readonly #leaving = new Map<number, Promise<void>>();

  constructor(kernels: Kernels, links: NodeLinks) {
    this.#kernels = kernels;
    this.#links = links;
  }

  has(tensor: number): boolean {
    return this.#tensors.has(tensor);
  }

  /**
   * Shares a tensor: P0 is sent a seed, P1 the difference, the dealer its type.
   * @param signal gives it up: the nodes free what they have of it, before anything else is written of that number
   * @throws EncodingError where a value is out of range or not finite
   */
  async write(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    state: Partial<InputState> = {},
    signal?: AbortSignal,
  ): Promise<void> {
    throwIfAborted(signal);
    for (let left = this.#leaving.get(tensor); left; left = this.#leaving.get(tensor))
      await unless(signal, () => left!);
    const full: InputState = { ...writtenTensor, ...state, stored: [] };
    const { fracBits, bits, magnitude } = full;
    if (values.length > programLimits.elements)
      throw new EncodingError(`a tensor of ${values.length} elements; the limit is ${programLimits.elements}`);
    const words = encodeFixed(this.#kernels, values, fracBits, magnitude, `a tensor of shape [${shape}]`);
    const seed = randomBytes(32);
    const first = new KeyStream(this.#kernels, new Secret(seed)).words(words.length, bits);
    this.#kernels.sub(words, words, first);
    const bytes = new Uint8Array(packedBytes(words.length, bits));
    this.#kernels.pack(bytes, words, bits);
    const put = (re: number, withSeed: boolean): Message => ({
      t: 'put',
      re,
      tensor,
      shape: [...shape],
      fracBits,
      bits,
      magnitude,
      seed: withSeed,
    });
    const share = (role: NodeRole, ...payload: Uint8Array[]) =>
      persist(() => this.#links.ask(role, (re) => put(re, role === 'party0'), ...payload), signal);
    const shares = Promise.allSettled([share('party0', seed), share('party1', bytes), share('dealer')]);
    await unless(signal, () => shares, { stop: () => this.#leave(tensor, shares) });
    const failed = (await shares).find((s) => s.status === 'rejected');
    if (failed) throw failed.reason;
    this.#tensors.set(tensor, { state: full, shape, openings: new Map() });
  }

  /** Frees a tensor that is being written, once nothing of it is on its way. */
  #leave(tensor: number, shares: Promise<unknown>): void {
    const left = shares.then(() => {
      this.#leaving.delete(tensor);
      this.freeAtNodes([tensor]);
    });
    this.#leaving.set(tensor, left);
  }

  /** Removes tensors here, not yet at the nodes. @returns the ids that existed */
  forget(tensors: readonly number[]): number[] {
    return tensors.filter((t) => this.#tensors.delete(t));
  }

  /** Tells the nodes to free tensors that `forget` has removed here. */
  freeAtNodes(tensors: readonly number[]): void {
    for (let i = 0; i < tensors.length && !this.#links.dead; i += FREED)
      this.#links.tell({ t: 'free', tensors: tensors.slice(i, i + FREED) });
  }

  shape(tensor: number): readonly number[] {
    return this.#tensors.get(tensor)!.shape;
  }

  /** What planning needs to know about a tensor. @throws NodeError TENSOR_LOST */
  state(tensor: number): InputState {
    const t = this.#tensors.get(tensor);
    if (!t)
      throw new NodeError('client', 'TENSOR_LOST', `tensor ${tensor} is not at the nodes any more; compute it again`);
    return { ...t.state, stored: [...t.openings.keys()].sort((a, b) => a - b) };
  }

  /** Id of the run that made an opening of this width, which `state` must have listed. */
  openedBy(tensor: number, width: number): string {
    return this.#tensors.get(tensor)!.openings.get(width)!;
  }

  /**
   * Records what a run has left at the nodes: outputs as tensors, and openings of tensors, but of those that were freed
   * meanwhile.
   * @param types of what stays
   * @param tensors that it stays as, or is an opening of
   * @param run its id
   */
  keep(keeps: Plan['keeps'], types: readonly ValueType[], tensors: readonly number[], run: string): void {
    keeps.forEach((k, i) => {
      const tensor = tensors[i]!;
      if (k.kind === 'opened') {
        this.#tensors.get(tensor)?.openings.set(k.width, run);
        return;
      }
      const { shape, fracBits, bits, magnitude } = types[i] as ShareType;
      this.#tensors.set(tensor, { state: { fracBits, bits, magnitude, stored: [] }, shape, openings: new Map() });
    });
  }
}
