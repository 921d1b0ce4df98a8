/// <reference lib="esnext.disposable" preserve="true" />
/** A published model as a tf.InferenceModel: the nodes compute it on shares of what is asked. */
import { type Abortable, asyncDispose, dispose, throwIfAborted } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import {
  backend,
  engine,
  type InferenceModel,
  type ModelPredictConfig,
  type ModelTensorInfo,
  type NamedTensorMap,
  Tensor,
} from '@tensorflow/tfjs-core';
import { SecformerBackend } from '../backend.js';
import { Answer, type AskInput, type AskNodes } from './answer.js';
import { checkedPart, type PartOf } from './check-part.js';
import type { ClientPart } from './client-part.js';
import type { Answered, Manifest, TensorSpec } from './nodes.js';

/** What a model needs of whoever holds the connection. */
export interface ModelNodes {
  ask(program: number, values: Float32Array[], indices: Int32Array[], signal: AbortSignal): Promise<Answered>;
  askSync(program: number, values: Float32Array[], indices: Int32Array[]): Answered;
  asset(name: string, signal: AbortSignal | undefined): Promise<Uint8Array>;
  close(): void;
}

/** A model's inputs: a tensor, tensors in order, or by name. */
export type Inputs = Tensor | Tensor[] | NamedTensorMap;

/** How a model is asked: as TF.js has it, and a signal that gives up whatever is asked for these outputs. */
export interface PredictOptions extends ModelPredictConfig, Abortable {}

/**
 * A published model, loaded by `loadPublished`; `dispose` ends its connection, as does the end of a block with `using`.
 */
export class PublishedModel implements InferenceModel, Disposable, AsyncDisposable {
  /** what its publisher has signed */
  readonly manifest: Manifest;
  readonly #nodes: ModelNodes;
  readonly #parts = new Map<number, ClientPart>();

  constructor(manifest: Manifest, nodes: ModelNodes) {
    this.manifest = manifest;
    this.#nodes = nodes;
  }

  /** Inputs of the first shapes that it was published for; `manifest.programs` has all. */
  get inputs(): ModelTensorInfo[] {
    return this.manifest.programs[0]!.inputs.map((spec) => ({ ...spec, shape: [...spec.shape] }));
  }

  get outputs(): ModelTensorInfo[] {
    return this.manifest.programs[0]!.outputs.map((spec) => ({ ...spec, shape: [...spec.shape] }));
  }

  /**
   * The model's outputs, which are asked for when one of them is read: a tensor, or tensors by name where there are
   * several.
   * @param inputs a tensor, tensors in the order of `inputs`, or by name
   * @param options `signal` gives the ask up: reading these outputs rejects with its reason from then on
   * @throws SecformerError WRONG_BACKEND; SHAPES_NOT_PUBLISHED where it was not published for inputs of these shapes;
   *   the reason of a signal that has come
   *
   * @example
   * ```js
   * const scores = model.predict(inputs, { signal: AbortSignal.timeout(10_000) });
   * console.log(await scores.data()); // rejects after ten seconds, and the nodes are free for others
   * ```
   */
  predict(inputs: Inputs, { signal }: PredictOptions = {}): Tensor | NamedTensorMap {
    const { specs, outputs } = this.#asked(inputs, signal);
    if (specs.length === 1) return outputs(0);
    return Object.fromEntries(specs.map(({ name }, i) => [name, outputs(i)]));
  }

  /** The same for outputs of these names: a tensor for one, tensors for a list. */
  execute(inputs: Inputs, wanted: string | string[], { signal }: Abortable = {}): Tensor | Tensor[] {
    const { specs, outputs } = this.#asked(inputs, signal);
    const one = (name: string) => {
      const at = specs.findIndex((spec) => spec.name === name);
      if (at < 0) throw this.#bad(`has no output '${name}'; it has ${specs.map((s) => s.name).join(', ')}`);
      return outputs(at);
    };
    return Array.isArray(wanted) ? wanted.map(one) : one(wanted);
  }

  /** One of the public files that were published with it, such as its tokenizer's. @throws the signal's reason */
  async asset(name: string, { signal }: Abortable = {}): Promise<Uint8Array> {
    throwIfAborted(signal);
    return this.#nodes.asset(name, signal);
  }

  /** Ends the connection: what is asked then, and what is being asked, fails with SecformerError MODEL_DISPOSED. */
  dispose(): void {
    this.#nodes.close();
  }

  /** Called by `using`. */
  [dispose](): void {
    this.dispose();
  }

  /** Called by `await using`. */
  async [asyncDispose](): Promise<void> {
    this.dispose();
  }

  #asked(
    inputs: Inputs,
    signal: AbortSignal | undefined,
  ): { specs: readonly TensorSpec[]; outputs: (at: number) => Tensor } {
    throwIfAborted(signal);
    const b = backend();
    if (!(b instanceof SecformerBackend))
      throw new SecformerError(
        'WRONG_BACKEND',
        "a published model is asked on the backend 'secformer': await tf.setBackend('secformer') first",
      );
    const at = this.#programFor(inputs);
    const program = this.manifest.programs[at]!;
    const given = this.#listed(inputs, program.inputs).map((t): AskInput => {
      const { shape, dtype } = t;
      const later = b.later(t);
      if (later) return { later, shape: [...shape], dtype };
      if (b.isKnown(t)) return b.known(t);
      throw new SecformerError(
        'NOT_PLAIN',
        `an input of shape [${shape}] is at the nodes of a session; await its data() first`,
      );
    });
    const nodes: AskNodes = {
      ask: (values, indices, signal) => this.#nodes.ask(at, values, indices, signal),
      askSync: (values, indices) => this.#nodes.askSync(at, values, indices),
    };
    const answer = new Answer(this.#part(at), given, nodes, signal);
    const outputs = (i: number) => {
      const { shape, dtype } = program.outputs[i]!;
      return engine().makeTensorFromTensorInfo(b.coming(answer.output(i), [...shape], dtype), b);
    };
    return { specs: program.outputs, outputs };
  }

  /** Tensors in the order of a program's inputs; undefined where there are others, or fewer. */
  #ordered(inputs: Inputs, specs: readonly TensorSpec[]): Tensor[] | undefined {
    if (inputs instanceof Tensor) return specs.length === 1 ? [inputs] : undefined;
    if (Array.isArray(inputs)) return inputs.length === specs.length ? inputs : undefined;
    const names = Object.keys(inputs);
    if (names.length !== specs.length || !specs.every(({ name }) => Object.hasOwn(inputs, name))) return undefined;
    return specs.map(({ name }) => inputs[name]!);
  }

  #listed(inputs: Inputs, specs: readonly TensorSpec[]): Tensor[] {
    return this.#ordered(inputs, specs)!;
  }

  #programFor(inputs: Inputs): number {
    const { programs } = this.manifest;
    const other = namedValues(inputs).find(([, x]) => !(x instanceof Tensor));
    if (other) {
      const names = programs.map((p) => p.inputs.map(({ name }) => name).join(', '));
      throw this.#bad(
        `takes tensors for ${[...new Set(names)].join(', or ')}; ${other[0]} is of type ${typeof other[1]}`,
      );
    }
    const fits = (t: Tensor, { shape, dtype }: TensorSpec) => t.shape.join() === shape.join() && t.dtype === dtype;
    const at = programs.findIndex((p) => this.#ordered(inputs, p.inputs)?.every((t, i) => fits(t, p.inputs[i]!)));
    if (at >= 0) return at;
    const shown = (list: readonly { name?: string; shape: readonly number[]; dtype: string }[]) =>
      list.map(({ name, shape, dtype }) => `${name ? `${name}: ` : ''}${dtype} [${shape}]`).join(', ');
    throw this.#bad(
      `was not published for ${shown(typesOf(inputs))}; it takes ${programs.map((p) => shown(p.inputs)).join(', or ')}`,
    );
  }

  #part(at: number): ClientPart {
    let part = this.#parts.get(at);
    if (!part) {
      const { client, ...rest } = this.manifest.programs[at]!;
      part = checkedPart(client, partOfManifest(rest));
      this.#parts.set(at, part);
    }
    return part;
  }

  #bad(why: string): SecformerError {
    return new SecformerError('SHAPES_NOT_PUBLISHED', `${this.manifest.name}@${this.manifest.version} ${why}`);
  }
}

/** What was given for a model's inputs, whatever that is, and by which name. */
function namedValues(inputs: unknown): [name: string, value: unknown][] {
  if (inputs instanceof Tensor) return [];
  if (typeof inputs !== 'object' || inputs === null) return [['what was given', inputs]];
  return Object.entries(inputs).map(([name, x]) => [Array.isArray(inputs) ? `input ${name}` : `'${name}'`, x]);
}

/** Types of tensors, by name where they have names. */
function typesOf(inputs: Inputs): { name?: string; shape: readonly number[]; dtype: string }[] {
  const type = ({ shape, dtype }: Tensor) => ({ shape, dtype });
  if (inputs instanceof Tensor) return [type(inputs)];
  if (Array.isArray(inputs)) return inputs.map(type);
  return Object.entries(inputs).map(([name, t]) => ({ name, ...type(t) }));
}

/** What a client part is checked against: what the nodes say that they take of clients. */
function partOfManifest({ inputs, outputs, bindings, revealed }: Omit<Manifest['programs'][number], 'client'>): PartOf {
  const values: number[][] = [];
  const indices = new Set<number>();
  for (const b of bindings) {
    if (b.kind === 'value' && b.value !== undefined && b.shape) values[b.value] = b.shape;
    if (b.kind === 'oneHot' && b.indices !== undefined) indices.add(b.indices);
  }
  return {
    inputs,
    outputs,
    values: Array.from(values, (v) => v ?? []),
    revealed: revealed.map((r) => r.shape),
    indices: indices.size,
  };
}
