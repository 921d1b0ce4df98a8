/** What a client knows of its session's tensors: their types and shapes, and which runs have opened them. */
import { checkFixed, EncodingError, type Kernels } from '@secformer/ring';
import {
  type Forms,
  type InputState,
  type Plan,
  programLimits,
  type ShareType,
  type ValueType,
  writtenTensor,
} from '@secformer/secformer-ops';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { FREED } from '../wire/messages.js';
import { type Abortable, throwIfAborted, unless } from './abortable.js';
import type { NodeLinks } from './node-links.js';
import { checkPublic, writePublic } from './public-tensors.js';
import { Window } from './window.js';
import { writeOpening, writeShare } from './writing.js';

interface Tensor {
  state: InputState;
  shape: readonly number[];
  /** id of the run that made each opening, or of what was written as one, by width in bits */
  openings: Map<number, string>;
}

/** How a tensor is written: as a share alone, where nothing is said. */
export interface WriteOptions extends Abortable {
  forms?: Forms | undefined;
}

const SHARED: Forms = { share: true, widths: [] };

export class ClientTensors {
  readonly #kernels: Kernels;
  readonly #links: NodeLinks;
  readonly #tensors = new Map<number, Tensor>();
  readonly #window = new Window(limits.writingBytes, limits.writingTensors);
  /** writes that were given up, until the nodes have nothing of them */
  readonly #leaving = new Map<number, Promise<void>>();

  constructor(kernels: Kernels, links: NodeLinks) {
    this.#kernels = kernels;
    this.#links = links;
  }

  has(tensor: number): boolean {
    return this.#tensors.has(tensor);
  }

  /** The forms that a tensor has at the nodes; undefined where it is not there. */
  forms(tensor: number): Forms | undefined {
    const t = this.#tensors.get(tensor);
    return t && { share: !t.state.withoutShare, widths: [...t.openings.keys()].sort((a, b) => a - b) };
  }

  /**
   * Writes a tensor in the forms that are asked for and are not there yet: as a share, P0 is sent a seed, P1 the
   * difference and the dealer the type; as an opening see `writtenOpening`.
   * @param signal gives it up: the nodes free what they have of it, before anything else is written of that number
   * @throws EncodingError where a value is out of range or not finite
   */
  async write(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    state: Partial<InputState> = {},
    { signal, forms = SHARED }: WriteOptions = {},
  ): Promise<void> {
    await this.#left(tensor, signal);
    const full: InputState = { ...writtenTensor, ...state, stored: [] };
    if (values.length > programLimits.elements)
      throw new EncodingError(`a tensor of ${values.length} elements; the limit is ${programLimits.elements}`);
    checkFixed(values, full.magnitude, `a tensor of shape [${shape}]`);
    const there = this.forms(tensor);
    const send = { links: this.#links, kernels: this.#kernels, tensor, values, shape, state: full, signal };
    const openings = new Map<number, string>();
    const writeAll = async () => {
      for (const width of forms.widths)
        if (!there?.widths.includes(width)) openings.set(width, await writeOpening(send, width));
      if (forms.share && !there?.share) await writeShare(send);
    };
    await this.#written(tensor, values.length, writeAll, signal);
    const isShared = forms.share || there?.share === true;
    const before = this.#tensors.get(tensor)?.openings ?? [];
    this.#tensors.set(tensor, {
      state: { ...full, ...(!isShared && { withoutShare: true }) },
      shape,
      openings: new Map([...before, ...openings]),
    });
  }

  /**
   * Gives both parties a tensor in full, and the dealer nothing; what they have of another session is not sent again.
   * @throws EncodingError where a value is out of range or not finite
   */
  async writePublic(
    tensor: number,
    values: Float32Array,
    shape: readonly number[],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#left(tensor, signal);
    const top = checkPublic(values, shape);
    let state: InputState | undefined;
    const send = async () => {
      state = await writePublic(this.#links, this.#kernels, tensor, { values, top }, signal);
    };
    await this.#written(tensor, values.length, send, signal);
    this.#tensors.set(tensor, { state: state!, shape, openings: new Map() });
  }

  /** Waits until the nodes have nothing of an earlier tensor of that number, whose writing was given up. */
  async #left(tensor: number, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    for (let left = this.#leaving.get(tensor); left; left = this.#leaving.get(tensor))
      await unless(signal, () => left!);
  }

  /** Writes once there is room for its words. What fails leaves nothing of the tensor here or at the nodes. */
  async #written(
    tensor: number,
    elements: number,
    write: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const inTurn = async () => {
      const leave = await this.#window.enter(8 * elements);
      try {
        throwIfAborted(signal);
        await write();
      } finally {
        leave();
      }
    };
    throwIfAborted(signal);
    const all = inTurn();
    try {
      await unless(signal, () => all, { stop: () => this.#leave(tensor, all) });
    } catch (error) {
      // Nothing of it stays at some of the nodes, to be in the way of another attempt
      if (!signal?.aborted) {
        this.forget([tensor]);
        this.freeAtNodes([tensor]);
      }
      throw error;
    }
  }

  /** Frees a tensor that is being written, once nothing of it is on its way. */
  #leave(tensor: number, written: Promise<unknown>): void {
    this.forget([tensor]);
    const over = () => {
      this.#leaving.delete(tensor);
      this.freeAtNodes([tensor]);
    };
    this.#leaving.set(tensor, written.then(over, over));
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

  /** By what the nodes name an opening of this width, which `state` must have listed. */
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
